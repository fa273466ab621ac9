// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device: what is kept in bytes of a block device?
 *
 *   stack -> [device] -> filesystem, unmounted
 *
 * In:   bytes of a disk, and where they lie in memory.
 * Out:  owners: of the filesystem on it, or else of those on its partitions and volumes, and so on
 *       up to where something is mounted or nothing more is built.
 *
 * Each byte is accounted for. A byte that two devices above share (a volume and its snapshot would,
 * if they could be followed) has the owners of both.
 *
 * Physical addresses and the bytes of a device run in parallel only within one piece of it: what is
 * handed to a filesystem as the address of its byte 0 may lie before the disk, or below zero.
 */
#include <errno.h>
#include <stdlib.h>

#include "locate/block.h"
#include "owners/ask.h"
#include "owners/beside.h"
#include "owners/search.h"
#include "owners/unmounted.h"

/* Devices that lie on one another: nobody has so many. */
#define MAX_DEPTH 32

struct filesystem *search_filesystem(struct search *s, dev_t dev)
{
	for (size_t i = 0; i < s->n_filesystems; i++)
		if (s->filesystems[i].dev == dev)
			return &s->filesystems[i];
	return NULL;
}

typedef int (*filesystem_finder)(struct search *s, dev_t dev, struct filesystem *ret);

static int find_mounted(struct search *s, dev_t dev, struct filesystem *ret)
{
	return filesystem_find(s->proc_fd, s->mounts, dev, ret);
}

static int find_unmounted(struct search *s, dev_t dev, struct filesystem *ret)
{
	return filesystem_find_unmounted(s->proc_fd, dev, ret);
}

static struct range phys_of(const struct stretch *st)
{
	return (struct range){ st->phys_start, st->bytes.length_bytes };
}

/* 1, 0: there is none, or negative errno. */
static int open_filesystem(struct search *s, dev_t dev, filesystem_finder find,
			   struct filesystem **ret)
{
	struct filesystem *grown;
	int r;

	*ret = search_filesystem(s, dev);
	if (*ret)
		return 1;
	grown = reallocarray(s->filesystems, s->n_filesystems + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->filesystems = grown;
	r = find(s, dev, &grown[s->n_filesystems]);
	if (r > 0)
		*ret = &grown[s->n_filesystems++];
	return r;
}

int search_open_filesystem(struct search *s, dev_t dev, struct filesystem **ret)
{
	return open_filesystem(s, dev, find_mounted, ret);
}

/* 1: the filesystem answered, 0: there is none, or negative errno. */
static int ask_filesystem_of(struct search *s, const struct stretch *st, filesystem_finder find)
{
	struct filesystem *fs;
	int r = open_filesystem(s, st->dev, find, &fs);

	if (r <= 0)
		return r;
	r = filesystem_ask(fs, st->phys_start - st->bytes.start_bytes, phys_of(st), st->in);
	return r < 0 ? r : 1;
}

static int add_plain(const struct stretch *st, enum owner_kind kind)
{
	return add_plain_owner(st->in, kind, phys_of(st), NULL, "device");
}

/* Nothing is mounted from it, as far as mount tables show, and nothing is built on it. */
static int ask_unmounted(struct search *s, const struct stretch *st)
{
	int r;

	r = unmounted_ask(st->name, st->dev, phys_of(st), st->in);
	if (r <= 0)
		return r;
	r = ask_filesystem_of(s, st, find_unmounted);
	if (r != 0)
		return r < 0 ? r : 0;
	r = beside_ask(s, st);
	if (r != 0)
		return r < 0 ? r : 0;
	r = add_plain(st, OWNER_UNKNOWN);
	if (r < 0)
		return r;
	return owners_incomplete(st->in, "%s is in use by something that is not mounted", st->name);
}

/*
 * Somewhere above a device that cannot be followed something may be mounted: then at least the
 * filesystem is known, though not which file. Where several are, one is named.
 */
static const struct mount *mounted_above(const struct search *s, const char *name, unsigned depth)
{
	struct range whole = { 0, UINT64_MAX };
	const struct mount *mount = NULL;
	struct stack_level level;
	dev_t dev;

	if (block_dev_of(s->block_fd, name, &dev) < 0)
		return NULL;
	mount = mounts_best(s->mounts, dev);
	if (mount || depth == 0 || stack_above(s->stack, name, whole, &level) < 0)
		return mount;
	if (*level.opaque)
		mount = mounted_above(s, level.opaque_name, depth - 1);
	for (size_t i = 0; !mount && i < level.pieces.n; i++)
		mount = mounted_above(s, level.pieces.all[i].name, depth - 1);
	stack_level_done(&level);
	return mount;
}

const struct mount *device_mounted_above(const struct search *s, const char *name)
{
	return mounted_above(s, name, MAX_DEPTH);
}

static int add_opaque(const struct search *s, const struct stretch *st,
		      const struct stack_level *level)
{
	const struct mount *mount = device_mounted_above(s, level->opaque_name);
	struct owner *owner;
	int r;

	r = add_plain(st, OWNER_UNKNOWN);
	if (r >= 0 && mount) {
		owner = &st->in->owners[st->in->n_owners - 1];
		owner->mount_pid = mount->via_pid;
		r = string_set(&owner->filesystem, mount->filesystem);
		if (r >= 0)
			r = string_set(&owner->mountpoint, mount->mountpoint);
	}
	if (r < 0)
		return r;
	return owners_incomplete(
		st->in, "%s is built on %s, and does not tell where it keeps what%s%s",
		level->opaque, st->name, mount ? "; it has " : "", mount ? mount->mountpoint : "");
}

/*
 * A partition table keeps its copies outside of all partitions: never free, always metadata. What
 * no volume has may be the volume manager's own, or a volume's that is not active: nobody can say.
 */
static int add_between(const struct search *s, const struct stretch *st, uint64_t start,
		       uint64_t end, const struct stack_level *level)
{
	struct stretch gap = *st;
	int r;

	if (start >= end)
		return 0;
	gap.phys_start += start - st->bytes.start_bytes;
	gap.bytes = (struct range){ start, end - start };
	if (*level->opaque)
		return add_opaque(s, &gap, level);
	if (level->partitioned)
		return add_plain(&gap, OWNER_METADATA);
	r = add_plain(&gap, OWNER_RAW);
	return r < 0 ? r
		     : owners_incomplete(st->in,
					 "Volumes are built on %s, but no active one has this part",
					 st->name);
}

static int ask_device(struct search *s, const struct stretch *st, unsigned depth);

static int ask_above(struct search *s, const struct stretch *st, const struct stack_level *level,
		     unsigned depth)
{
	uint64_t done_to = st->bytes.start_bytes;
	int r = 0;

	if (*level->opaque && level->pieces.n)
		r = owners_incomplete(st->in,
				      "%s is built on %s too, and may use the same part of it",
				      level->opaque, st->name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < level->pieces.n; i++) {
		const struct stack_piece *piece = &level->pieces.all[i];
		struct stretch above = {
			.in = st->in,
			.name = piece->name,
			.dev = piece->dev,
			.bytes = piece->bytes,
			.phys_start = st->phys_start + piece->at_bytes - st->bytes.start_bytes,
		};
		uint64_t end = piece->at_bytes + piece->bytes.length_bytes;

		r = add_between(s, st, done_to, piece->at_bytes, level);
		if (r >= 0)
			r = ask_device(s, &above, depth - 1);
		if (r < 0)
			return r;
		if (end > done_to)
			done_to = end;
	}
	return add_between(s, st, done_to, range_end(st->bytes), level);
}

static int ask_device(struct search *s, const struct stretch *st, unsigned depth)
{
	struct stack_level level;
	bool is_bottom;
	int r;

	r = ask_filesystem_of(s, st, find_mounted);
	if (r != 0)
		return r < 0 ? r : 0;
	r = depth ? stack_above(s->stack, st->name, st->bytes, &level) : -ELOOP;
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		r = add_plain(st, OWNER_UNKNOWN);
		return r < 0 ? r
			     : owners_incomplete(st->in, "Cannot tell what is built on %s",
						 st->name);
	}
	is_bottom = !level.partitioned && !level.mapped && !*level.opaque;
	r = is_bottom ? ask_unmounted(s, st) : ask_above(s, st, &level, depth);
	stack_level_done(&level);
	return r;
}

int device_ask(struct search *s, const struct stretch *st)
{
	return ask_device(s, st, MAX_DEPTH);
}
