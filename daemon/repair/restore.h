/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restore: ask a rule's hook for the bytes that a repair would turn into zeros.
 *
 * Before anybody is paused or anything is changed: a hook may take its time. What it gives is kept
 * in memory, and merged with what is salvaged afterwards: bytes that are still there win over bytes
 * from elsewhere. A hook is run last of all that can be looked at before, so that a repair that
 * waits, and is tried again and again, does not run it each time.
 */
#pragma once

#include "ledger/ledger.h"
#include "repair/fs.h"
#include "repair/plan.h"
#include "repair/repair.h"
#include "repair/result.h"

#define RESTORE_MAX_PAGES 256u /* at once, for one run of the hook; of one block of memory */

struct restore;

/*
 * Run the hook of the rule for in's owners, if there is one and a file's bytes are lost in these
 * pages, of the filesystem that fs is open for. Sets in->repair's hook, hook_outcome and
 * hook_detail. 0 with *ret (NULL: nothing was given), whatever the hook did; negative errno: it is
 * not on record, or no memory.
 */
int restore_ask(const struct repair_job *job, struct repair_fs *fs, struct incident *in,
		const struct page_plan *pages, size_t n_pages, struct restore **ret);
struct restore *restore_free(struct restore *r); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct restore *, restore_free);

/* 1 with *ret: this page's repair would wait, nothing was asked for it and it is not to be begun;
 * 0. r may be NULL. */
int restore_waits(const struct restore *r, uint64_t phys_start, struct page_result *ret);

/* Fill in lost sectors of the page that the hook gave, and mark them so. r may be NULL. */
void restore_merge(const struct restore *r, struct salvaged_page *page);
