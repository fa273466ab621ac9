/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clear: clear errors in media that holds nobody's data, by command of the NVDIMM bus.
 *
 * Free space and unwritten extents of a mounted filesystem: the command touches the media only,
 * never through a block the filesystem might give away; the block device's own badblocks entry
 * stays until the block is next written, and is told as "stale-badblocks". An idle raw namespace:
 * the device is held exclusively, and what was lost is then written as zeros, which makes the
 * kernel drop that entry too.
 */
#pragma once

#include "repair/remap.h"

/* fs is NULL for a raw namespace. Same contract as remap_page(). */
int clear_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret);
