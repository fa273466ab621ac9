/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvdimm-scan: read the poison lists of every device on a map, anew.
 *
 * The same as nvdimm_scan() and its kin of nvdimm.h, with the directories handed in.
 */
#pragma once

#include "cleanup.h"
#include "locate/address_map.h"
#include "source/badblocks.h"

struct list_dirs {
	int nd_devices_fd;	/* /sys/bus/nd/devices; -1 where there is none */
	int block_fd;		/* /sys/class/block; -1 where there is none */
};

void list_dirs_open(struct list_dirs *ret);
void list_dirs_done(struct list_dirs *dirs);

int nvdimm_scan_map(const struct list_dirs *dirs, const struct address_map *map,
		    struct badblocks **ret, struct badblocks **ret_ars);
int nvdimm_scan_regions_at(const struct list_dirs *dirs, const struct address_map *map,
			   struct badblocks **ret);
int nvdimm_bad_within_at(const struct list_dirs *dirs, const struct address_map *map,
			 struct range phys, struct badblocks **ret);
