/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_map: which device owns a physical address, and back.
 *
 *   source -> [locate] -> owners
 *
 * A sorted list of places, built whole from libndctl and libdaxctl and read-only afterwards: a lookup
 * allocates only what it returns. "Not on any NVDIMM" is an ordinary answer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "incident.h"
#include "range.h"

/* One run of physical addresses with one owner device. Regions give a place for what no namespace covers. */
struct place {
	struct range phys;
	struct device device;		/* sector and n_sectors unused */
	uint64_t region_start;		/* physical start of the region, for its badblocks */
	uint64_t data_start;		/* physical address of sector 0 of blockdev; 0 without one */
};

struct address_map {
	struct place *places;		/* sorted by phys.start_bytes, disjoint */
	size_t n_places;
};

/* From the running system. An empty map is fine (0). Negative errno: half a walk, nothing returned. */
int address_map_build(struct address_map **ret);
struct address_map *address_map_free(struct address_map *map);
DEFINE_CLEANUP(struct address_map *, address_map_free);

int address_map_add(struct address_map *map, const struct place *place);	/* copies; for build and tests */

/*
 * The first place that meets phys, clipped: *ret_clipped is the part inside, *ret->place stays the map's.
 * NULL when none does.
 */
const struct place *address_map_find(const struct address_map *map, struct range phys,
				     struct range *ret_clipped);

/* Fill a device for a range inside one place: a copy with sector and n_sectors (rounded out). */
int place_to_device(const struct place *place, struct range phys, struct device *ret);

/* Block device ("pmem0", a partition "pmem0p1", or a path below /dev) and bytes -> physical. -ENODEV: not on
 * the map; -ERANGE: past its end. */
int address_map_to_phys(const struct address_map *map, const char *blockdev, struct range dev_bytes,
			struct range *ret_phys);
