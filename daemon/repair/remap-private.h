/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remap-private: what the files of remap share (remap.c, remap-swap.c, remap-clear.c). */
#pragma once

#include "repair/remap.h"
#include "repair/target.h"
#include "repair/writers.h"

struct remap {
	const struct repair_job *job;
	const struct repair_fs *fs;
	struct incident *in;
	struct range page; /* physical */
	uint64_t dev_offset; /* of the page on the filesystem's block device */
	struct target *targets;
	size_t n_targets;
	int quarantine_fd; /* -1: there is none */
	bool pinned; /* the quarantine's block is the page */
	bool pinned_now; /* by this run, not by one that was cut off */
	struct salvaged_page saved;
	bool have_saved;
	int64_t intent; /* "remap", 0: not begun */
	struct writers writers;
	unsigned n_spares;
	struct page_result *result;
};

/*
 * The steps. 0: go on; 1: the outcome is known and set, go no further; negative errno otherwise.
 * Each first looks at what an earlier attempt left.
 */
int remap_pin(struct remap *m); /* share the page with the quarantine */
int remap_salvage(struct remap *m); /* save its good bytes, in the ledger too */
int remap_swap(struct remap *m); /* give every owner a good block */
int remap_read_back(struct remap *m);
int remap_clear(struct remap *m); /* write the quarantine whole, and see the lists empty */

/* Give the quarantined block back to the filesystem. */
void remap_let_go(struct remap *m);
