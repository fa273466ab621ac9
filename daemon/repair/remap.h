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

/*
 * Several bad pages in a row that have the same owners, at once, as plan_together() says they can
 * be. All of it goes well, or each page has to be done by itself by remap_page(), which goes on
 * from where this stopped: what it leaves, in the store and on record, is what single pages leave,
 * but for the names. Nothing may be there that a hook gave.
 *
 * 0 with a result for each page; 1: each by itself; or negative errno as of remap_page().
 */
int remap_pages(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
		struct range pages, struct page_result *ret);
