// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device_bad: which bytes of a block device are known to be bad?
 *
 *   nvdimm-scan, badblocks, stack -> [device_bad] -> control (files)
 *
 * In:   the lists of all regions and pmem devices, by physical address; and of a disk that is none,
 *       its own list, if it keeps one.
 * Out:  bytes of the device, which can be a disk, a partition or a volume over several disks.
 *
 * The union of all lists counts, as for an incident: a disk's own list alone does not know what
 * only its region's has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "locate/block.h"
#include "locate/stack.h"
#include "source/device_bad.h"
#include "source/nvdimm-scan.h"

struct device_bad {
	const struct address_map *map;
	struct list_dirs dirs;
	struct badblocks *phys;
	struct stack *stack;
	char why[STACK_NAME_BYTES + 64];
};

/* A device that was asked about, and what is found of it. */
struct device_found {
	dev_t dev;
	struct badblocks *bad;
	bool below; /* is anything bad on its disks, whether or not that is a part of it */
	bool unlisted; /* a disk of it keeps no list */
	const char *why;
};

struct device_bad *device_bad_free(struct device_bad *d)
{
	if (!d)
		return NULL;
	badblocks_free(d->phys);
	stack_free(d->stack);
	list_dirs_done(&d->dirs);
	free(d);
	return NULL;
}

int device_bad_read(const struct address_map *map, struct device_bad **ret)
{
	_cleanup_(device_bad_freep) struct device_bad *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->map = map;
	list_dirs_open(&d->dirs);
	r = nvdimm_scan_map(&d->dirs, map, &d->phys, NULL);
	if (r >= 0)
		r = stack_new(d->dirs.block_fd, &d->stack);
	if (r < 0)
		return r;
	*ret = TAKE(d);
	return 0;
}

/* Bad bytes of a disk, where the device shows them. */
static int add_shown(const struct device_bad *d, const char *disk, struct range bytes,
		     struct device_found *ret)
{
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	int r;

	ret->below = true;
	r = stack_reach(d->stack, disk, bytes, &pieces);
	for (size_t i = 0; r >= 0 && i < pieces.n; i++)
		if (pieces.all[i].dev == ret->dev)
			r = badblocks_add(ret->bad, pieces.all[i].bytes);
	return r;
}

static int add_place(const struct device_bad *d, const struct place *place,
		     struct device_found *ret)
{
	bool moves = place->device.mode && !strcmp(place->device.mode, "sector");

	for (size_t i = 0; i < d->phys->n_ranges; i++) {
		struct range part = range_clip(d->phys->ranges[i], place->phys);
		int r;

		if (part.length_bytes && moves)
			ret->why = "A sector namespace moves its blocks about";
		/* Without sectors of its own: a namespace's metadata, or a BTT. */
		if (!part.length_bytes || !place->data_start)
			continue;
		part.start_bytes -= place->data_start;
		r = add_shown(d, place->device.blockdev, part, ret);
		if (r < 0)
			return r;
	}
	return 0;
}

/* 1: the disk lies on an NVDIMM; 0: not; or negative errno. */
static int add_by_address(const struct device_bad *d, const char *disk, struct device_found *ret)
{
	bool found = false;

	for (size_t i = 0; i < d->map->n_places; i++) {
		const struct place *place = &d->map->places[i];
		int r;

		if (!place->device.blockdev || strcmp(place->device.blockdev, disk))
			continue;
		found = true;
		r = add_place(d, place, ret);
		if (r < 0)
			return r;
	}
	if (found && d->phys->cut)
		ret->why = "A list of bad blocks is cut or cannot be read";
	return found;
}

static int add_own_list(const struct device_bad *d, const char *disk, struct device_found *ret)
{
	_cleanup_(badblocks_freep) struct badblocks *own = NULL;
	_cleanup_(closep) int fd = openat(d->dirs.block_fd, disk, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -ENODEV;
	r = badblocks_read(fd, &own);
	if (r == -ENOENT)
		ret->unlisted = true;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (own->cut)
		ret->why = "The kernel's list of bad blocks is cut";
	for (size_t i = 0; r >= 0 && i < own->n_ranges; i++)
		r = add_shown(d, disk, own->ranges[i], ret);
	return r;
}

static int add_disks(struct device_bad *d, const char *name, struct device_found *ret)
{
	_cleanup_(stack_disks_done) struct stack_disks disks = {};
	int r;

	r = stack_disks(d->stack, name, &disks);
	for (size_t i = 0; r >= 0 && i < disks.n; i++) {
		r = add_by_address(d, disks.names[i], ret);
		if (r == 0)
			r = add_own_list(d, disks.names[i], ret);
	}
	if (r >= 0 && *disks.opaque && ret->below) {
		snprintf(d->why, sizeof(d->why), "What is bad below %s cannot be followed up to it",
			 disks.opaque);
		ret->why = d->why;
	}
	return r;
}

int device_bad_of(struct device_bad *d, const char *name, struct badblocks **ret,
		  const char **ret_why)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct device_found found = {};
	int r;

	*ret_why = NULL;
	r = block_dev_of(d->dirs.block_fd, name, &found.dev);
	if (r >= 0)
		r = badblocks_new(&bad);
	if (r < 0)
		return r;
	found.bad = bad;
	r = add_disks(d, name, &found);
	if (r < 0)
		return r;
	badblocks_normalize(bad);
	*ret = TAKE(bad);
	*ret_why = found.why;
	return !found.unlisted;
}

int device_bad_place(const struct device_bad *d, const char *name, struct range bytes,
		     struct stack_pieces *ret)
{
	return stack_below(d->stack, name, bytes, ret);
}
