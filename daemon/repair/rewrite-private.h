/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rewrite-private: what the files of rewrite share (rewrite.c, rewrite-write.c). */
#pragma once

#include "repair/rewrite.h"
#include "repair/target.h"
#include "repair/writers.h"

struct rewrite {
	const struct repair_job *job;
	const struct repair_fs *fs;
	struct incident *in;
	struct range page; /* physical */
	uint64_t dev_offset; /* of the page on the filesystem's block device */
	struct target target; /* fd -1: not open */
	struct salvaged_page found; /* as it was read */
	struct salvaged_page saved; /* as it will be written */
	int64_t intent; /* "rewrite", 0: not begun */
	bool leased; /* nobody else has the file open */
	bool out_of_reach; /* a machine check has left the page where the kernel can't reach it */
	struct writers writers;
	struct page_result *result;
};

/* Can the kernel not reach the page, which no list has? */
bool rewrite_is_out_of_reach(const struct rewrite *w);

/* The steps. 0: go on; 1: the outcome is known and set, go no further; negative errno otherwise. */
int rewrite_check_owner(struct rewrite *w); /* is it the file's, there, and nobody else's? */
int rewrite_salvage(struct rewrite *w); /* save the page's good bytes, in the ledger too */
int rewrite_reach(struct rewrite *w); /* if it is out of reach: make the kernel reach it */
int rewrite_write(struct rewrite *w); /* finds out whether it is */
int rewrite_verify(struct rewrite *w);
