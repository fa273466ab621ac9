// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * beside: a device that a filesystem uses beside its own: the log of an XFS, or its realtime data.
 *
 *   mounts, fsmap -> [beside] -> device
 *
 * In:   bytes of a device that is in use, but from which nothing is mounted.
 * Out:  the filesystem, where one takes the device for a part of itself.
 *
 * An XFS refuses questions about devices that are none of its own, so each that is mounted is
 * asked; the options of a mount could name the device by a path that leads elsewhere by now. Which
 * file has what on a realtime device, no map tells, and blocks of FIEMAP there look like others on
 * the filesystem's own device: so no file is named, and nothing there is ever taken for free.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "owners/ask.h"
#include "owners/beside.h"
#include "owners/fsmap.h"

static int add_log(const struct mount *mount, struct range phys, struct incident *in)
{
	return add_plain_owner(in, OWNER_LOG, phys, mount->filesystem, "fsmap");
}

static int add_realtime(const struct mount *mount, const char *name, struct range phys,
			struct incident *in)
{
	int r;

	r = add_plain_owner(in, OWNER_UNKNOWN, phys, mount->filesystem, "device");
	return r < 0 ? r
		     : owners_incomplete(in,
					 "%s is the realtime device of the XFS at %s, which does "
					 "not tell which file has what there",
					 name, mount->mountpoint);
}

/* 1: it is this filesystem's, 0: not, or -ENOMEM. */
static int ask_mount(const struct search *s, const struct mount *mount, const struct stretch *st)
{
	_cleanup_(closep) int fd = mount_open(s->proc_fd, mount);
	struct range phys = { st->phys_start, st->bytes.length_bytes };
	struct owner *owner;
	bool is_log;
	int r;

	if (fd < 0)
		return 0;
	r = fsmap_beside(fd, st->dev, &is_log);
	if (r <= 0)
		return r == -ENOMEM ? r : 0;
	r = is_log ? add_log(mount, phys, st->in) : add_realtime(mount, st->name, phys, st->in);
	if (r < 0)
		return r;
	owner = &st->in->owners[st->in->n_owners - 1];
	owner->mount_pid = mount->via_pid;
	r = string_set(&owner->mountpoint, mount->mountpoint);
	return r < 0 ? r : 1;
}

int beside_ask(const struct search *s, const struct stretch *st)
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
