// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * address_map: which device owns a physical address, and back.
 *
 *   source -> [address_map] -> owners
 *
 * In:   places, from address_map-build.c or from a test.
 * Out:  the place of an address, a device with its sectors for an incident, or the
 *       physical address of a block device's bytes.
 *
 * Places are disjoint, and that is checked when one is added: two owners of one
 * address would let the wrong one be repaired.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "locate/address_map.h"
#include "locate/block.h"
#include "locate/sysfs.h"

int address_map_new(struct address_map **ret)
{
	assert(ret);

	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct address_map *address_map_free(struct address_map *map)
{
	if (!map)
		return NULL;
	for (size_t i = 0; i < map->n_places; i++)
		device_done(&map->places[i].device);
	free(map->places);
	free(map);
	return NULL;
}

/* Index of the first place that ends behind `phys_address`, n_places where none does. */
static size_t first_behind(const struct address_map *map, uint64_t phys_address)
{
	size_t low = 0, high = map->n_places;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(map->places[middle].phys) > phys_address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int address_map_add(struct address_map *map, const struct place *place)
{
	struct place *places, copy = *place;
	size_t at;
	int r;

	assert(map);
	assert(place);

	if (!range_valid(place->phys))
		return -EINVAL;
	at = first_behind(map, place->phys.start_bytes);
	if (at < map->n_places && range_overlaps(map->places[at].phys, place->phys))
		return -EEXIST;

	places = reallocarray(map->places, map->n_places + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	map->places = places;

	r = device_copy(&place->device, &copy.device);
	if (r < 0)
		return r;
	memmove(&places[at + 1], &places[at], (map->n_places - at) * sizeof(*places));
	places[at] = copy;
	map->n_places++;
	return 0;
}

const struct place *address_map_find(const struct address_map *map, struct range phys,
				     struct range *ret_clipped)
{
	const struct place *place;
	size_t at;

	assert(map);

	if (!range_valid(phys))
		return NULL;
	at = first_behind(map, phys.start_bytes);
	if (at == map->n_places)
		return NULL;
	place = &map->places[at];
	if (!range_overlaps(place->phys, phys))
		return NULL;
	if (ret_clipped)
		*ret_clipped = range_clip(phys, place->phys);
	return place;
}

int place_to_device(const struct place *place, struct range phys, struct device *ret)
{
	struct device device;
	int r;

	assert(place);
	assert(ret);

	if (!range_valid(phys) || !range_contains(place->phys, phys))
		return -ERANGE;
	r = device_copy(&place->device, &device);
	if (r < 0)
		return r;

	device.sector = 0;
	device.n_sectors = 0;
	if (place->data_start) {
		uint64_t offset = phys.start_bytes - place->data_start;
		uint64_t end = offset + phys.length_bytes;

		device.sector = offset / SECTOR_BYTES;
		device.n_sectors = (end + SECTOR_BYTES - 1) / SECTOR_BYTES - device.sector;
	}
	*ret = device;
	return 0;
}

static const struct place *place_of_disk(const struct address_map *map, const char *disk)
{
	for (size_t i = 0; i < map->n_places; i++) {
		const struct place *place = &map->places[i];

		if (place->data_start && place->device.blockdev &&
		    !strcmp(place->device.blockdev, disk))
			return place;
	}
	return NULL;
}

static int disk_to_phys(const struct place *place, struct range disk_bytes, struct range *ret_phys)
{
	struct range phys = disk_bytes;

	if (__builtin_add_overflow(phys.start_bytes, place->data_start, &phys.start_bytes) ||
	    !range_valid(phys) || !range_contains(place->phys, phys))
		return -ERANGE;
	*ret_phys = phys;
	return 0;
}

int address_map_to_phys_at(const struct address_map *map, int sysfs_block_fd, const char *name,
			   struct range dev_bytes, struct range *ret_phys)
{
	const struct place *place;
	struct range extent;
	char disk[64];
	int r;

	assert(map);
	assert(name);
	assert(ret_phys);

	if (!range_valid(dev_bytes))
		return -ERANGE;
	place = place_of_disk(map, name);
	if (place)
		return disk_to_phys(place, dev_bytes, ret_phys);

	r = block_disk_of(sysfs_block_fd, name, disk, &extent);
	if (r < 0)
		return r;
	place = place_of_disk(map, disk);
	if (!place)
		return -ENODEV;
	if (__builtin_add_overflow(dev_bytes.start_bytes, extent.start_bytes,
				   &dev_bytes.start_bytes) ||
	    !range_valid(dev_bytes) || !range_contains(extent, dev_bytes))
		return -ERANGE;
	return disk_to_phys(place, dev_bytes, ret_phys);
}

int address_map_to_phys(const struct address_map *map, const char *blockdev, struct range dev_bytes,
			struct range *ret_phys)
{
	_cleanup_(freep) char *real = NULL;
	_cleanup_(closep) int fd = -1;
	const char *name = blockdev;

	assert(blockdev);

	/* /dev/disk/by-id/... and the like are links to the node that has the kernel's name. */
	if (*blockdev == '/') {
		real = realpath(blockdev, NULL);
		if (real)
			name = real;
		if (strncmp(name, "/dev/", strlen("/dev/")))
			return -ENODEV;
		name += strlen("/dev/");
	}

	fd = sysfs_open_dir(AT_FDCWD, SYSFS_BLOCK);
	if (fd < 0)
		return fd;
	return address_map_to_phys_at(map, fd, name, dev_bytes, ret_phys);
}
