// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack: block devices that lie on one another, in both directions.
 *
 *   block, dm_table -> [stack] -> owners, holders, repair, lookup
 *
 * In:   bytes of one device.
 * Out:  the same bytes on the devices above, or on the disks below.
 *
 * Where the bytes of a target are cannot be computed for most kinds of targets: a
 * snapshot, a thin volume or a cache has its map on the media, and a mirror has each
 * byte twice. These are named and left alone. Nothing here reads a device.
 *
 * Tables are read in stack-read.c; the arithmetic of one target is stack-target.c.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "locate/block.h"
#include "locate/stack-private.h"
#include "locate/sysfs.h"

static const struct dm_device *find_dm(const struct stack *s, const char *name)
{
	for (size_t i = 0; i < s->n_devices; i++)
		if (!strcmp(s->devices[i].name, name))
			return &s->devices[i];
	return NULL;
}

static const struct stack_slave *find_slave(const struct dm_device *dm, dev_t dev)
{
	for (size_t i = 0; i < dm->n_slaves; i++)
		if (dm->slaves[i].dev == dev)
			return &dm->slaves[i];
	return NULL;
}

/* ---- up ---- */

static int add_partitions(const struct stack *s, const char *name, struct range bytes,
			  struct stack_level *level)
{
	_cleanup_(freep) struct block_slice *slices = NULL;
	int n, r;

	n = block_slices(s->block_fd, name, bytes, &slices);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (!strcmp(slices[i].name, name))
			continue;
		r = pieces_add(&level->pieces, slices[i].name, slices[i].dev, slices[i].bytes,
			       slices[i].disk_offset_bytes + slices[i].bytes.start_bytes);
		if (r < 0)
			return r;
	}
	return 0;
}

static const char *opaque_type(const struct dm_device *dm)
{
	for (size_t i = 0; i < dm->table.n; i++)
		if (dm->table.targets[i].kind == DM_TARGET_OPAQUE)
			return dm->table.targets[i].type;
	return NULL;
}

static void note_opaque(struct stack_level *level, const char *name, const char *label,
			const char *why)
{
	if (*level->opaque)
		return;
	snprintf(level->opaque_name, sizeof(level->opaque_name), "%s", name);
	if (*label)
		snprintf(level->opaque, sizeof(level->opaque), "%s (%.60s, %s)", name, label, why);
	else
		snprintf(level->opaque, sizeof(level->opaque), "%s", name);
}

static int add_mapped(const struct dm_device *dm, dev_t dev, struct range bytes,
		      struct stack_level *level)
{
	const char *type = opaque_type(dm);

	if (dm->error < 0)
		note_opaque(level, dm->name, dm->label, "its table cannot be read");
	else if (type)
		note_opaque(level, dm->name, dm->label, type);

	for (size_t i = 0; i < dm->table.n; i++) {
		const struct dm_target *target = &dm->table.targets[i];

		for (size_t k = 0; k < target->n_legs; k++) {
			int r;

			if (target->legs[k].dev != dev)
				continue;
			level->mapped = true;
			r = target_up(dm, target, k, bytes, &level->pieces);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

bool stack_can_follow(const struct stack *s, const char *name)
{
	const struct dm_device *dm = find_dm(s, name);

	return dm && dm->error >= 0 && !opaque_type(dm);
}

/* Whatever else the kernel knows to be built on it: md, bcache, ... */
static void find_other_holder(const struct stack *s, const char *name, struct stack_level *level)
{
	_cleanup_(closedirp) DIR *dir = stack_open_below(s->block_fd, name, "holders");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !find_dm(s, entry->d_name))
			note_opaque(level, entry->d_name, "", "");
}

static bool is_partition(const struct stack *s, const char *name)
{
	char path[2 * STACK_NAME_BYTES];

	snprintf(path, sizeof(path), "%s/partition", name);
	return faccessat(s->block_fd, path, F_OK, 0) == 0;
}

int stack_above(const struct stack *s, const char *name, struct range bytes,
		struct stack_level *ret)
{
	_cleanup_(stack_level_done) struct stack_level level = {};
	dev_t dev;
	int r;

	assert(s);
	assert(ret);

	if (!range_valid(bytes))
		return -EINVAL;
	r = block_dev_of(s->block_fd, name, &dev);
	for (size_t i = 0; r >= 0 && i < s->n_devices; i++)
		if (find_slave(&s->devices[i], dev))
			r = add_mapped(&s->devices[i], dev, bytes, &level);
	find_other_holder(s, name, &level);
	if (r >= 0 && !is_partition(s, name)) {
		/* Who holds the whole disk keeps all others from its partitions. */
		level.partitioned = block_has_partitions(s->block_fd, name);
		if (!level.mapped && !*level.opaque)
			r = add_partitions(s, name, bytes, &level);
	}
	if (r < 0)
		return r;
	pieces_sort(&level.pieces);

	*ret = level;
	level = (struct stack_level){};
	return 0;
}

/* at_bytes of what is found count from the device that the first question was about. */
static int reach(const struct stack *s, const struct stack_piece *from, unsigned depth,
		 struct stack_pieces *ret)
{
	_cleanup_(stack_level_done) struct stack_level level = {};
	int r;

	if (depth == STACK_MAX_DEPTH)
		return -ELOOP;
	r = pieces_add(ret, from->name, from->dev, from->bytes, from->at_bytes);
	if (r < 0)
		return r;
	r = stack_above(s, from->name, from->bytes, &level);
	for (size_t i = 0; r >= 0 && i < level.pieces.n; i++) {
		struct stack_piece *above = &level.pieces.all[i];

		above->at_bytes += from->at_bytes - from->bytes.start_bytes;
		r = reach(s, above, depth + 1, ret);
	}
	return r == -ENODEV ? 0 : r;
}

int stack_reach(const struct stack *s, const char *name, struct range bytes,
		struct stack_pieces *ret)
{
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	struct stack_piece first = { .bytes = bytes, .at_bytes = bytes.start_bytes };
	int r;

	assert(s);
	assert(ret);

	r = block_dev_of(s->block_fd, name, &first.dev);
	if (r < 0)
		return r;
	snprintf(first.name, sizeof(first.name), "%s", name);
	r = reach(s, &first, 0, &pieces);
	if (r < 0)
		return r;
	*ret = pieces;
	pieces = (struct stack_pieces){};
	return 0;
}

/* ---- down ---- */

static int follow_down(const struct stack *s, const struct stack_piece *from, unsigned depth,
		       struct stack_pieces *ret);

/* A part of a device that lies on no other. */
static int rest_here(const struct stack_piece *from, struct range part, struct stack_pieces *ret)
{
	return pieces_add(ret, from->name, from->dev, part,
			  from->at_bytes + part.start_bytes - from->bytes.start_bytes);
}

static int target_followed(const struct stack *s, const struct dm_device *dm,
			   const struct dm_target *target, const struct stack_piece *from,
			   struct range part, unsigned depth, struct stack_pieces *ret)
{
	_cleanup_(stack_pieces_done) struct stack_pieces legs = {};
	int r;

	r = target_down(target, part, &legs);
	if (r >= 0 && ret->n + legs.n > STACK_MAX_BELOW)
		r = -E2BIG;
	for (size_t i = 0; r >= 0 && i < legs.n; i++) {
		struct stack_piece *leg = &legs.all[i];
		const struct stack_slave *slave = find_slave(dm, leg->dev);

		if (!slave)
			return -ESTALE;
		memcpy(leg->name, slave->name, sizeof(leg->name));
		leg->at_bytes += from->at_bytes - from->bytes.start_bytes;
		r = follow_down(s, leg, depth + 1, ret);
	}
	return r;
}

static int dm_followed(const struct stack *s, const struct dm_device *dm,
		       const struct stack_piece *from, unsigned depth, struct stack_pieces *ret)
{
	uint64_t done_to = from->bytes.start_bytes;
	int r = 0;

	/* Targets are in order and leave no gap; what is behind the last is no part of it. */
	for (size_t i = 0; r >= 0 && i < dm->table.n; i++) {
		const struct dm_target *target = &dm->table.targets[i];
		struct range part = range_clip(from->bytes, target->bytes);

		if (!part.length_bytes)
			continue;
		done_to = range_end(part);
		if (target->kind == DM_TARGET_STRIPED)
			r = target_followed(s, dm, target, from, part, depth, ret);
		else
			r = rest_here(from, part, ret);
	}
	if (r < 0 || done_to == range_end(from->bytes))
		return r;
	return rest_here(from, (struct range){ done_to, range_end(from->bytes) - done_to }, ret);
}

static int partition_followed(const struct stack *s, const struct stack_piece *from, unsigned depth,
			      struct stack_pieces *ret)
{
	struct stack_piece on_disk = *from;
	struct range extent;
	int r;

	r = block_disk_of(s->block_fd, from->name, on_disk.name, &extent);
	if (r >= 0)
		r = block_dev_of(s->block_fd, on_disk.name, &on_disk.dev);
	if (r < 0)
		return r;
	on_disk.bytes.start_bytes += extent.start_bytes;
	return follow_down(s, &on_disk, depth + 1, ret);
}

static int follow_down(const struct stack *s, const struct stack_piece *from, unsigned depth,
		       struct stack_pieces *ret)
{
	const struct dm_device *dm = find_dm(s, from->name);

	if (depth == STACK_MAX_DEPTH)
		return -ELOOP;
	if (dm)
		return dm_followed(s, dm, from, depth, ret);
	if (is_partition(s, from->name))
		return partition_followed(s, from, depth, ret);
	return rest_here(from, from->bytes, ret);
}

int stack_below(const struct stack *s, const char *name, struct range bytes,
		struct stack_pieces *ret)
{
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	struct stack_piece first = { .bytes = bytes };
	char disk[STACK_NAME_BYTES];
	struct range extent;
	int r;

	assert(s);
	assert(ret);

	if (!range_valid(bytes))
		return -ERANGE;
	r = block_disk_of(s->block_fd, name, disk, &extent);
	if (r >= 0)
		r = block_dev_of(s->block_fd, name, &first.dev);
	if (r < 0)
		return r;
	if (range_end(bytes) > extent.length_bytes)
		return -ERANGE;

	snprintf(first.name, sizeof(first.name), "%s", name);
	r = follow_down(s, &first, 0, &pieces);
	if (r < 0)
		return r;
	*ret = pieces;
	pieces = (struct stack_pieces){};
	return 0;
}
