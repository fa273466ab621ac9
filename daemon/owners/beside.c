// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * beside: a device that a filesystem uses beside its own: the log of an XFS, or its realtime data.
 *
 *   mounts -> [beside] -> filesystem -> fsmap, scan
 *
 * In:   bytes of a device that is in use, but from which nothing is mounted.
 * Out:  owners of the filesystem, where one takes the device for a part of itself.
 *
 * An XFS refuses questions about devices that are none of its own, so each that is mounted is
 * asked; the options of a mount could name the device by a path that leads elsewhere by now. Of its
 * realtime device it tells what is free. Which file has the rest, only the files know: they are
 * searched as on the filesystem's own device, and in one pass for both.
 */
#include <errno.h>
#include <string.h>

#include "owners/ask.h"
#include "owners/beside.h"
#include "owners/realtime.h"

static int add_log(const struct filesystem *fs, const struct stretch *st)
{
	struct range phys = { st->phys_start, st->bytes.length_bytes };
	struct owner *owner;
	int r;

	r = add_plain_owner(st->in, OWNER_LOG, phys, fs->mount->filesystem, "fsmap");
	if (r < 0)
		return r;
	owner = &st->in->owners[st->in->n_owners - 1];
	owner->mount_pid = fs->mount->via_pid;
	return string_set(&owner->mountpoint, fs->mount->mountpoint);
}

static int ask_realtime(struct filesystem *fs, const struct stretch *st)
{
	struct range phys = { st->phys_start, st->bytes.length_bytes };

	return filesystem_ask(fs, st->phys_start - st->bytes.start_bytes - REALTIME_START, phys,
			      st->in);
}

/* 1: it is this filesystem's, 0: not, or negative errno. */
static int ask_mount(struct search *s, const struct mount *mount, const struct stretch *st)
{
	struct filesystem *fs;
	int r;

	r = search_open_filesystem(s, mount->dev, &fs);
	if (r <= 0)
		return r == -ENOMEM ? r : 0;
	switch (filesystem_beside(fs, st->dev)) {
	case BESIDE_LOG:
		r = add_log(fs, st);
		return r < 0 ? r : 1;
	case BESIDE_REALTIME:
		r = ask_realtime(fs, st);
		return r < 0 ? r : 1;
	case BESIDE_NOT:
		break;
	}
	return 0;
}

int beside_ask(struct search *s, const struct stretch *st)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->mounts->n; i++) {
		const struct mount *mount = &s->mounts->all[i];

		if (!strcmp(mount->filesystem, "xfs") &&
		    mounts_best(s->mounts, mount->dev) == mount)
			r = ask_mount(s, mount, st);
	}
	return r;
}
