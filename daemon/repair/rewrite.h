/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rewrite: heal a bad page where it lies, by one whole write of it.
 *
 *   keep others out, salvage, ask again, write, read back, let them in
 *
 * For pages that one file alone has, where the filesystem can't share extents or can't be asked who
 * owns a block: ext4, and XFS made without reflink or without a reverse map. The file's own map
 * (FIEMAP) proves where the page lies and that it is not shared. A write of all of a page makes the
 * driver clear the media first. There is no pin that keeps stores from the page meanwhile, so
 * whoever could store stands, or is kept out by a lease.
 */
#pragma once

#include "repair/fs.h"
#include "repair/repair.h"
#include "repair/result.h"

/* Same contract as remap_page(). */
int rewrite_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
		 uint64_t phys_start, struct page_result *ret);
