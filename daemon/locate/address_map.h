/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_map: which device owns a physical address, and back.
 *
 *   source -> [locate] -> owners
 *
 * A sorted list of places, built whole from libndctl and libdaxctl and read-only afterwards: a
 * lookup allocates only what it returns. "Not on any NVDIMM" is an ordinary answer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "incident.h"
#include "range.h"

/*
 * One run of physical addresses with one owner device. A namespace's data is one place; what of it
 * holds its own metadata (struct pages, a BTT's maps) is another, with data_start 0 and no chardev.
 * Regions give places for what no namespace covers, with mode "none"; a namespace that is disabled
 * is one place without a mode, since it does not tell what it holds.
 */
struct place {
	struct range phys;
	struct device device;		/* sector and n_sectors unused */
	uint64_t region_start;		/* physical start of the region, for its badblocks */
	uint64_t data_start;		/* physical address of sector 0 of blockdev; 0 where physical
					 * addresses and sectors do not run in parallel */
};

struct address_map {
	struct place *places;		/* sorted by phys.start_bytes, disjoint */
	size_t n_places;
};

/*
 * From the running system. An empty map is fine (0). Negative errno: half a walk, nothing returned;
 * -EAGAIN: devices came or went meanwhile.
 */
int address_map_build(struct address_map **ret);
struct address_map *address_map_free(struct address_map *map);
DEFINE_CLEANUP(struct address_map *, address_map_free);

int address_map_new(struct address_map **ret);		/* an empty one: 0 or -ENOMEM */

/* Copies; for build and tests. 0, -EINVAL: no valid range, -EEXIST: overlaps a place, -ENOMEM. */
int address_map_add(struct address_map *map, const struct place *place);

/*
 * The first place that meets phys; *ret_clipped (may be NULL) is the part of phys inside it. The
 * place stays the map's. NULL when none does.
 */
const struct place *address_map_find(const struct address_map *map, struct range phys,
				     struct range *ret_clipped);

/*
 * Fill a device for a range inside one place: a copy with sector and n_sectors (rounded out), the
 * caller's to device_done(). 0, -ERANGE: not inside, -ENOMEM.
 */
int place_to_device(const struct place *place, struct range phys, struct device *ret);

/*
 * Block device ("pmem0", a partition "pmem0p1", or a path below /dev) and bytes -> physical.
 * -ENODEV: not on the map; -ERANGE: past its end.
 */
int address_map_to_phys(const struct address_map *map, const char *blockdev, struct range dev_bytes,
			struct range *ret_phys);

/* The same with a handed-in /sys/class/block, which stays the caller's. */
int address_map_to_phys_at(const struct address_map *map, int sysfs_block_fd, const char *name,
			   struct range dev_bytes, struct range *ret_phys);
