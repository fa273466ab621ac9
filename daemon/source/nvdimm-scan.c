// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvdimm-scan: read the poison lists of every device on a map, anew.
 *
 *   badblocks, ars -> [nvdimm-scan] -> flow, repair
 *
 * In:   an address map; which devices there are is not asked again.
 * Out:  physical ranges that any list calls bad.
 *
 * A region's list counts from the region's start, a block device's from its sector
 * 0, and they can disagree: a clear by command leaves the block device's list as it
 * was. So it is always their union.
 *
 * A scan is for finding: one list that cannot be read must not hide the others, it
 * makes the answer `cut`. Bad-within is for deciding whether a repair worked: there
 * any doubt is an error. Neither needs libndctl for that, so a forked child may ask.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "locate/sysfs.h"
#include "source/ars.h"
#include "source/nvdimm-scan.h"
#include "source/nvdimm.h"

void list_dirs_open(struct list_dirs *ret)
{
	assert(ret);

	ret->nd_devices_fd = open(SYSFS_ND_DEVICES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret->block_fd = open(SYSFS_BLOCK, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void list_dirs_done(struct list_dirs *dirs)
{
	closep(&dirs->nd_devices_fd);
	closep(&dirs->block_fd);
}

/* -ENOENT: the device is gone, or disabled, or keeps no list. */
static int read_list(int dir_fd, const char *device, struct badblocks **ret)
{
	_cleanup_(closep) int fd = -1;
	int r;

	if (dir_fd < 0)
		return -ENOENT;
	fd = openat(dir_fd, device, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = badblocks_read(fd, ret);
	return r == -ENXIO || r == -ENODEV ? -ENOENT : r;
}

/* Add what a list, whose offsets count from `base`, says about `within`. */
static int add_list(struct badblocks *to, const struct badblocks *list, uint64_t base,
		    struct range within)
{
	int r;

	for (size_t i = 0; i < list->n_ranges; i++) {
		struct range bad = list->ranges[i];

		if (__builtin_add_overflow(bad.start_bytes, base, &bad.start_bytes) ||
		    !range_valid(bad))
			return -ERANGE;
		bad = range_clip(bad, within);
		if (!bad.length_bytes)
			continue;
		r = badblocks_add(to, bad);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_sectors(const struct place *place)
{
	return place->device.blockdev && place->data_start;
}

/* For the scan: an unreadable list is a list of which we saw nothing. */
static int add_device(struct badblocks *to, int dir_fd, const char *device, uint64_t base,
		      struct range within)
{
	_cleanup_(badblocks_freep) struct badblocks *list = NULL;
	int r;

	r = read_list(dir_fd, device, &list);
	if (r == -ENOENT)
		return 0;
	if (r >= 0) {
		to->cut = to->cut || list->cut;
		r = add_list(to, list, base, within);
	}
	if (r < 0 && r != -ENOMEM) {
		to->cut = true;
		return 0;
	}
	return r;
}

/* Places of one region lie side by side. */
static size_t end_of_region(const struct address_map *map, size_t first)
{
	const char *region = map->places[first].device.region;
	size_t i = first + 1;

	while (i < map->n_places && map->places[i].device.region && region &&
	       !strcmp(map->places[i].device.region, region))
		i++;
	return i;
}

/* How many entries of the kernel's table these take: one holds at most 512 sectors. */
static size_t n_table_entries(const struct badblocks *bad)
{
	size_t n = 0;

	for (size_t i = 0; i < bad->n_ranges; i++)
		n += (bad->ranges[i].length_bytes / SECTOR_BYTES + 511) / 512;
	return n;
}

static int add_all(struct badblocks *to, const struct badblocks *from)
{
	int r;

	for (size_t i = 0; i < from->n_ranges; i++) {
		r = badblocks_add(to, from->ranges[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What `from` has and `known` lacks. 0 or negative errno. */
static int subtract(const struct badblocks *from, const struct badblocks *known,
		    struct badblocks **ret)
{
	_cleanup_(badblocks_freep) struct badblocks *missing = NULL;
	int r;

	r = badblocks_new(&missing);
	if (r < 0)
		return r;
	for (size_t i = 0; i < from->n_ranges; i++) {
		r = badblocks_add_missing(missing, from->ranges[i], known);
		if (r < 0)
			return r;
	}
	*ret = TAKE(missing);
	return 0;
}

/*
 * Adds to `only_ars` what the last scrub found and a cut list does not show. That
 * makes the list whole unless something was found since: so the records must hold
 * all that the list shows, and the kernel's table must have had room for more.
 * Returns 1 if the list is whole now, else 0, or negative errno.
 */
static int complete_from_ars(const char *bus, struct range region, const struct badblocks *listed,
			     struct badblocks *only_ars)
{
	_cleanup_(badblocks_freep) struct badblocks *records = NULL, *older = NULL, *newer = NULL;
	int r;

	r = ars_records(bus, region, &records);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = subtract(records, listed, &older);
	if (r < 0)
		return r;
	r = subtract(listed, records, &newer);
	if (r < 0)
		return r;
	r = add_all(only_ars, older);
	if (r < 0)
		return r;
	return !records->cut && !newer->n_ranges &&
	       n_table_entries(listed) + n_table_entries(older) < BADBLOCKS_TABLE_ENTRIES;
}

static struct range range_of_region(const struct place *places, size_t n_places)
{
	uint64_t start = places[0].region_start;

	return (struct range){ start, range_end(places[n_places - 1].phys) - start };
}

static int scan_region(const struct list_dirs *dirs, const struct place *places, size_t n_places,
		       struct badblocks *all, struct badblocks *only_ars)
{
	_cleanup_(badblocks_freep) struct badblocks *listed = NULL;
	const struct place *first = &places[0];
	struct range region = range_of_region(places, n_places);
	int r;

	r = badblocks_new(&listed);
	if (r < 0)
		return r;
	if (first->device.region) {
		r = add_device(listed, dirs->nd_devices_fd, first->device.region,
			       region.start_bytes, region);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n_places; i++) {
		if (!has_sectors(&places[i]))
			continue;
		r = add_device(listed, dirs->block_fd, places[i].device.blockdev,
			       places[i].data_start, places[i].phys);
		if (r < 0)
			return r;
	}
	badblocks_normalize(listed);

	if (listed->cut && first->device.bus) {
		r = complete_from_ars(first->device.bus, region, listed, only_ars);
		if (r < 0)
			return r;
		listed->cut = r == 0;
	}
	all->cut = all->cut || listed->cut;
	return add_all(all, listed);
}

int nvdimm_scan_map(const struct list_dirs *dirs, const struct address_map *map,
		    struct badblocks **ret, struct badblocks **ret_ars)
{
	_cleanup_(badblocks_freep) struct badblocks *all = NULL, *only_ars = NULL;
	int r;

	assert(dirs);
	assert(map);
	assert(ret);

	r = badblocks_new(&all);
	if (r < 0)
		return r;
	r = badblocks_new(&only_ars);
	if (r < 0)
		return r;

	for (size_t i = 0, end; i < map->n_places; i = end) {
		end = end_of_region(map, i);
		r = scan_region(dirs, &map->places[i], end - i, all, only_ars);
		if (r < 0)
			return r;
	}
	r = add_all(all, only_ars);
	if (r < 0)
		return r;
	badblocks_normalize(all);
	badblocks_normalize(only_ars);
	only_ars->cut = all->cut;

	*ret = TAKE(all);
	if (ret_ars)
		*ret_ars = TAKE(only_ars);
	return 0;
}

int nvdimm_scan_regions_at(const struct list_dirs *dirs, const struct address_map *map,
			   struct badblocks **ret)
{
	_cleanup_(badblocks_freep) struct badblocks *all = NULL;
	int r;

	assert(dirs);
	assert(map);
	assert(ret);

	r = badblocks_new(&all);
	for (size_t i = 0, end; r >= 0 && i < map->n_places; i = end) {
		const struct place *first = &map->places[i];
		struct range region;

		end = end_of_region(map, i);
		region = range_of_region(first, end - i);
		if (first->device.region)
			r = add_device(all, dirs->nd_devices_fd, first->device.region,
				       region.start_bytes, region);
	}
	if (r < 0)
		return r;
	badblocks_normalize(all);
	*ret = TAKE(all);
	return 0;
}

/* For a decision: did this list, as far as it was seen, reach the end of `piece`? 1 read, 0 no
 * list. */
static int ask_device(struct badblocks *to, int dir_fd, const char *device, uint64_t base,
		      struct range piece)
{
	_cleanup_(badblocks_freep) struct badblocks *list = NULL;
	int r;

	r = read_list(dir_fd, device, &list);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (range_end(piece) - base > list->known_bytes)
		return -EOVERFLOW;
	r = add_list(to, list, base, piece);
	return r < 0 ? r : 1;
}

static int ask_place(struct badblocks *to, const struct list_dirs *dirs, const struct place *place,
		     struct range piece)
{
	int r, n_read = 0;

	if (place->device.region) {
		r = ask_device(to, dirs->nd_devices_fd, place->device.region, place->region_start,
			       piece);
		if (r < 0)
			return r;
		n_read += r;
	}
	if (has_sectors(place)) {
		r = ask_device(to, dirs->block_fd, place->device.blockdev, place->data_start,
			       piece);
		if (r < 0)
			return r;
		n_read += r;
	}
	return n_read ? 0 : -ENXIO;
}

int nvdimm_bad_within_at(const struct list_dirs *dirs, const struct address_map *map,
			 struct range phys, struct badblocks **ret)
{
	_cleanup_(badblocks_freep) struct badblocks *found = NULL;
	uint64_t end = range_end(phys);
	int r;

	assert(dirs);
	assert(map);
	assert(ret);

	if (!range_valid(phys))
		return -EINVAL;
	r = badblocks_new(&found);
	if (r < 0)
		return r;

	for (uint64_t at = phys.start_bytes; at < end;) {
		struct range piece, rest = { at, end - at };
		const struct place *place = address_map_find(map, rest, &piece);

		if (!place || piece.start_bytes > at)
			return -ENODEV;
		r = ask_place(found, dirs, place, piece);
		if (r < 0)
			return r;
		at = range_end(piece);
	}
	badblocks_normalize(found);

	*ret = TAKE(found);
	return 0;
}

int nvdimm_bad_within(const struct address_map *map, struct range phys, struct badblocks **ret)
{
	_cleanup_(list_dirs_done) struct list_dirs dirs;

	list_dirs_open(&dirs);
	return nvdimm_bad_within_at(&dirs, map, phys, ret);
}

int nvdimm_is_bad(const struct address_map *map, struct range phys)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	r = nvdimm_bad_within(map, phys, &bad);
	return r < 0 ? r : bad->n_ranges > 0;
}
