// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack: block devices that lie on one another, in both directions.
 *
 *   block, dm_table -> [stack] -> owners, holders, repair, lookup
 *
 * In:   bytes of one device.
 * Out:  the same bytes on the devices above, or on the disks below.
 *
 * Partitions are asked of sysfs each time; device-mapper tables are read once for
 * each question, since between two of them a volume can have moved.
 *
 * Where the bytes of a target are cannot be computed for most kinds of targets: a
 * snapshot, a thin volume or a cache has its map on the media, and a mirror has each
 * byte twice. These are named and left alone. Nothing here reads a device.
 *
 * The arithmetic of one target is stack-target.c.
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

/* The kernel lets devices be stacked without a limit; nobody has so many. */
#define MAX_DEPTH 32

/* ---- the snapshot ---- */

static void dm_device_done(struct dm_device *dm)
{
	dm_table_done(&dm->table);
	free(dm->slaves);
}

struct stack *stack_free(struct stack *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_devices; i++)
		dm_device_done(&s->devices[i]);
	free(s->devices);
	free(s);
	return NULL;
}

void stack_freep(struct stack **s)
{
	stack_free(*s);
}

static int add_slave(const struct stack *s, struct dm_device *dm, const char *name)
{
	struct stack_slave *grown, slave = {};
	int r;

	r = block_dev_of(s->block_fd, name, &slave.dev);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	snprintf(slave.name, sizeof(slave.name), "%s", name);
	grown = reallocarray(dm->slaves, dm->n_slaves + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	dm->slaves = grown;
	grown[dm->n_slaves++] = slave;
	return 0;
}

static DIR *open_below(int dir_fd, const char *name, const char *sub)
{
	char path[2 * STACK_NAME_BYTES];
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", name, sub);
	fd = sysfs_open_dir(dir_fd, path);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

static int find_slaves(const struct stack *s, struct dm_device *dm)
{
	_cleanup_(closedirp) DIR *dir = open_below(s->block_fd, dm->name, "slaves");
	struct dirent *entry;
	int r = 0;

	while (r >= 0 && dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < STACK_NAME_BYTES)
			r = add_slave(s, dm, entry->d_name);
	return r;
}

/* "vg-home", as people know it. */
static void read_label(const struct stack *s, struct dm_device *dm)
{
	char path[2 * STACK_NAME_BYTES];

	snprintf(path, sizeof(path), "%s/dm/name", dm->name);
	if (sysfs_read_line(s->block_fd, path, dm->label, sizeof(dm->label)) < 0)
		dm->label[0] = '\0';
}

static int add_dm_device(struct stack *s, const char *name, stack_table_reader read_table)
{
	struct dm_device *grown, dm = {};
	int r;

	r = block_dev_of(s->block_fd, name, &dm.dev);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	grown = reallocarray(s->devices, s->n_devices + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->devices = grown;

	snprintf(dm.name, sizeof(dm.name), "%s", name);
	read_label(s, &dm);
	r = find_slaves(s, &dm);
	if (r >= 0) {
		dm.error = read_table(dm.dev, &dm.table);
		r = dm.error == -ENOMEM ? -ENOMEM : 0;
	}
	if (r < 0) {
		dm_device_done(&dm);
		return r;
	}
	grown[s->n_devices++] = dm;
	return 0;
}

static int read_devices(struct stack *s, stack_table_reader read_table)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int fd, r;

	fd = sysfs_open_dir(s->block_fd, ".");
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strncmp(entry->d_name, "dm-", 3) || strlen(entry->d_name) >= STACK_NAME_BYTES)
			continue;
		r = add_dm_device(s, entry->d_name, read_table);
		if (r < 0)
			return r;
	}
	return -errno;
}

int stack_new_with(int sysfs_block_fd, stack_table_reader read_table, struct stack **ret)
{
	_cleanup_(stack_freep) struct stack *s = calloc(1, sizeof(*s));
	int r;

	assert(sysfs_block_fd >= 0);
	assert(read_table);
	assert(ret);

	if (!s)
		return -ENOMEM;
	s->block_fd = sysfs_block_fd;
	r = read_devices(s, read_table);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

int stack_new(int sysfs_block_fd, struct stack **ret)
{
	return stack_new_with(sysfs_block_fd, dm_table_read, ret);
}

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

/* Whatever else the kernel knows to be built on it: md, bcache, ... */
static void find_other_holder(const struct stack *s, const char *name, struct stack_level *level)
{
	_cleanup_(closedirp) DIR *dir = open_below(s->block_fd, name, "holders");
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
	if (r >= 0 && !is_partition(s, name)) {
		/* Who holds the whole disk keeps all others from its partitions. */
		level.partitioned = block_has_partitions(s->block_fd, name);
		if (!level.mapped)
			r = add_partitions(s, name, bytes, &level);
	}
	if (r < 0)
		return r;
	find_other_holder(s, name, &level);
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

	if (depth == MAX_DEPTH)
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

	if (depth == MAX_DEPTH)
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
