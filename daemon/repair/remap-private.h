/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remap-private: what the files of remap share (remap.c, remap-pages.c, remap-swap.c,
 * remap-clear.c). */
#pragma once

#include "repair/remap.h"
#include "repair/target.h"
#include "repair/writers.h"

/* One page, or several in a row that are done together. */
struct remap {
	const struct repair_job *job;
	const struct repair_fs *fs;
	struct incident *in;
	struct range pages; /* physical */
	uint64_t dev_offset; /* of the first page on the filesystem's block device */
	struct target *targets;
	size_t n_targets;
	int quarantine_fd; /* -1: there is none */
	struct range held; /* the pages that its file is for: these, or those with which this one
			    * was once done together */
	bool pinned; /* the quarantine's blocks are the pages */
	bool pinned_now; /* by this run, not by one that was cut off */
	struct salvaged_page *saved; /* one for each page */
	bool have_saved;
	int64_t intent; /* "remap", 0: not begun */
	struct writers writers;
	unsigned n_spares;
	unsigned n_swapped; /* owners, in this run */
	struct page_result *result;
};

/* dev_offset follows from fs. 0 or -ENOMEM; remap_done() in any case. */
int remap_new(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	      struct range pages, struct page_result *result, struct remap *ret);
void remap_done(struct remap *m);

size_t remap_n_pages(const struct remap *m);

/*
 * The steps. 0: go on; 1: the outcome is known and set, go no further; negative errno otherwise.
 * Each first looks at what an earlier attempt left.
 */
int remap_open_targets(struct remap *m);
int remap_begin(struct remap *m); /* put it on record */
int remap_give_good_blocks(struct remap *m); /* all from stopping the writers to continuing them */
int remap_clear(struct remap *m); /* write the quarantine whole, and see the lists empty */

/* Parts of giving good blocks. */
int remap_pin(struct remap *m); /* share the pages with the quarantine */
int remap_salvage(struct remap *m); /* save their good bytes, in the ledger too */
int remap_swap(struct remap *m); /* give every owner good blocks */
int remap_read_back(struct remap *m);

/* Give the quarantined blocks back to the filesystem. */
void remap_let_go(struct remap *m);

/* Where they lie in the quarantine. */
uint64_t remap_quarantine_offset(const struct remap *m);
