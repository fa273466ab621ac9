/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remap: give the owners of a bad page a good block, and clear the bad one where nobody sees it.
 *
 *   stop, pin, salvage, spare, swap, read back, continue, clear, let go
 *
 * For filesystems that share extents. Why in this order: facts measured on 6.1 and 6.12. After the
 * pin no store can reach the old block, so what is salvaged then is all there is; the swap is
 * atomic for each owner, live mappings follow to the good block; a whole-page write by the block's
 * only owner makes the driver clear the media. A platform that refuses leaves its block in
 * quarantine.
 */
#pragma once

#include "repair/fs.h"
#include "repair/repair.h"
#include "repair/result.h"

/*
 * in->owners hold the page's owners (and perhaps those of other pages), in->holders who holds them.
 * Appends to in->repair.losses. 0 with *ret, or negative errno: the outcome is not on record (run
 * it again later).
 */
int remap_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret);
