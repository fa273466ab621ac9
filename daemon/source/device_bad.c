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

/* 1: it lies on an NVDIMM; 0: not; or negative errno. */
static int add_phys(const struct device_bad *d, const char *disk, struct range extent,
		    struct badblocks *to, const char **ret_why)
{
	int found = 0, r;

	for (size_t i = 0; i < d->map->n_places; i++) {
		const struct place *place = &d->map->places[i];
		struct range phys = { place->data_start + extent.start_bytes, extent.length_bytes };

		if (!place->device.blockdev || strcmp(place->device.blockdev, disk))
			continue;
		found = 1;
		if (!place->data_start) {
			*ret_why = "The namespace moves its blocks about, and keeps the map";
			continue;
		}
		r = add_within(to, d->phys, phys);
		if (r < 0)
			return r;
	}
	return found;
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

int device_bad_of(const struct device_bad *d, const char *name, struct badblocks **ret,
		  const char **ret_why)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct range extent;
	char disk[64];
	int listed, r;

	*ret_why = NULL;
	r = badblocks_new(&bad);
	if (r >= 0)
		r = block_disk_of(d->dirs.block_fd, name, disk, &extent);
	if (r < 0)
		return r;
	listed = add_phys(d, disk, extent, bad, ret_why);
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
