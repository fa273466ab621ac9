// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device_bad: which bytes of a block device are known to be bad?
 *
 *   nvdimm-scan, badblocks -> [device_bad] -> control (files)
 *
 * In:   the lists of all regions and pmem devices, by physical address; or, of a disk that is none,
 *       its own list, if it keeps one.
 * Out:  bytes of the device.
 *
 * The union of all lists counts, as for an incident: a disk's own list alone does not know what
 * only its region's has.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "locate/block.h"
#include "locate/stack.h"
#include "source/device_bad.h"
#include "source/nvdimm-scan.h"

struct device_bad {
	const struct address_map *map;
	struct list_dirs dirs;
	struct badblocks *phys;
};

struct device_bad *device_bad_free(struct device_bad *d)
{
	if (!d)
		return NULL;
	badblocks_free(d->phys);
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
	if (r < 0)
		return r;
	*ret = TAKE(d);
	return 0;
}

/* Those of `list` that lie in `within`, counted from its start. */
static int add_within(struct badblocks *to, const struct badblocks *list, struct range within)
{
	for (size_t i = 0; i < list->n_ranges; i++) {
		struct range part = range_clip(list->ranges[i], within);
		int r;

		if (!part.length_bytes)
			continue;
		part.start_bytes -= within.start_bytes;
		r = badblocks_add(to, part);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Bad bytes of a place's disk, where the device shows them. */
static int add_shown(const struct device_bad *d, const struct stack *stack,
		     const struct place *place, dev_t dev, struct badblocks *to)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < d->phys->n_ranges; i++) {
		_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
		struct range part = range_clip(d->phys->ranges[i], place->phys);

		if (!part.length_bytes)
			continue;
		part.start_bytes -= place->data_start;
		r = stack_reach(stack, place->device.blockdev, part, &pieces);
		for (size_t k = 0; r >= 0 && k < pieces.n; k++)
			if (pieces.all[k].dev == dev)
				r = badblocks_add(to, pieces.all[k].bytes);
	}
	return r;
}

/* 1: it lies on an NVDIMM, `disk` or others; 0: not; or negative errno. */
static int add_phys(const struct device_bad *d, const struct stack *stack, const char *disk,
		    dev_t dev, struct badblocks *to, const char **ret_why)
{
	int found = 0, r;

	for (size_t i = 0; i < d->map->n_places; i++) {
		const struct place *place = &d->map->places[i];
		bool below;

		if (!place->device.blockdev)
			continue;
		below = !strcmp(place->device.blockdev, disk);
		found = found || below;
		if (!place->data_start) { /* its own metadata, or a BTT */
			if (below && place->device.mode && !strcmp(place->device.mode, "sector"))
				*ret_why = "A sector namespace moves its blocks about";
			continue;
		}
		r = add_shown(d, stack, place, dev, to);
		if (r < 0)
			return r;
	}
	return found || to->n_ranges;
}

static int add_own_list(const struct device_bad *d, const char *disk, struct range extent,
			struct badblocks *to, const char **ret_why)
{
	_cleanup_(badblocks_freep) struct badblocks *own = NULL;
	_cleanup_(closep) int fd = openat(d->dirs.block_fd, disk, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -ENODEV;
	r = badblocks_read(fd, &own);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (own->cut)
		*ret_why = "The kernel's list of bad blocks is cut";
	r = add_within(to, own, extent);
	return r < 0 ? r : 1;
}

/* The disk where the device begins, and which part of it that is where it is a disk's. */
static int find_disk(const struct device_bad *d, const struct stack *stack, const char *name,
		     char ret_disk[static STACK_NAME_BYTES], struct range *ret_extent)
{
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	char whole[STACK_NAME_BYTES];
	int r;

	r = block_disk_of(d->dirs.block_fd, name, whole, ret_extent);
	if (r >= 0)
		r = stack_below(stack, name, (struct range){ 0, SECTOR_BYTES }, &pieces);
	if (r >= 0)
		memcpy(ret_disk, pieces.all[0].name, STACK_NAME_BYTES);
	return r;
}

int device_bad_of(const struct device_bad *d, const char *name, struct badblocks **ret,
		  const char **ret_why)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	_cleanup_(stack_freep) struct stack *stack = NULL;
	char disk[STACK_NAME_BYTES];
	struct range extent;
	int listed, r;
	dev_t dev;

	*ret_why = NULL;
	r = badblocks_new(&bad);
	if (r >= 0)
		r = stack_new(d->dirs.block_fd, &stack);
	if (r >= 0)
		r = block_dev_of(d->dirs.block_fd, name, &dev);
	if (r >= 0)
		r = find_disk(d, stack, name, disk, &extent);
	if (r < 0)
		return r;
	listed = add_phys(d, stack, disk, dev, bad, ret_why);
	if (listed > 0 && d->phys->cut)
		*ret_why = "A list of bad blocks is cut or cannot be read";
	if (listed == 0)
		listed = add_own_list(d, disk, extent, bad, ret_why);
	if (listed < 0)
		return listed;
	badblocks_normalize(bad);
	*ret = TAKE(bad);
	return listed;
}
