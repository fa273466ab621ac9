// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap-pages: several pages in a row, in one go.
 *
 *   repair -> [remap-pages] -> remap's own steps
 *
 * In:   pages of which nothing is on record yet.
 * Out:  all of them done; or each has to go by itself, and finds what is there: a quarantine for
 *       all of them, what was saved of each, which of the owners have good blocks by now.
 *
 * A thousand pages are mended in the time of some: most of a page's time is for the same few waits,
 * of the filesystem's log and of the ledger. Here is no second way to do anything. Whatever is not
 * as it ought to be is left to the steps of single pages, which know what to do about it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repair/record.h"
#include "repair/remap-private.h"
#include "repair/salvage.h"

/* 1: no step of any of them is on record. */
static int is_new(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	r = journal_history(m->job->journal, m->pages, &history);
	return r < 0 ? r : !record_has_steps(history, m->pages);
}

/* Does each owner have bytes in the last of the pages? A file can be shorter than its blocks. */
static bool all_reach_the_end(const struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++)
		if (!target_bytes_of(&m->targets[i], m->targets[i].n_pages - 1))
			return false;
	return m->n_targets > 0;
}

static int run(struct remap *m)
{
	int r;

	r = is_new(m);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = remap_open_targets(m);
	if (r != 0)
		return r;
	if (!all_reach_the_end(m))
		return 1;
	r = remap_begin(m);
	if (r < 0)
		return r;
	r = remap_give_good_blocks(m);
	return r != 0 ? r : remap_clear(m);
}

/* What record_losses() adds up from the record, of owners that were all swapped just now. */
static int account(struct remap *m, uint32_t page, struct page_result *ret)
{
	const struct salvaged_page *saved = &m->saved[page];

	*ret = (struct page_result){ .state = "done" };
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct target *t = &m->targets[i];
		uint32_t n_bytes = target_bytes_of(t, page);
		uint64_t n_lost = salvage_lost_bytes(saved, n_bytes);
		int r = target_add_losses_of(t, page, saved, m->in);

		if (r < 0)
			return r;
		if (n_lost > ret->zeroed_bytes)
			ret->zeroed_bytes = n_lost;
		if (n_bytes - n_lost > ret->salvaged_bytes)
			ret->salvaged_bytes = n_bytes - n_lost;
	}
	return 0;
}

static int end(struct remap *m, const char *state)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;

	outcome = record_result(&(struct page_result){ .state = state });
	return outcome ? journal_outcome(m->job->journal, m->intent, 0, outcome) : -ENOMEM;
}

static int finish(struct remap *m, struct page_result *results)
{
	int r = 0;

	remap_let_go(m);
	for (uint32_t i = 0; r >= 0 && i < remap_n_pages(m); i++)
		r = account(m, i, &results[i]);
	return r < 0 ? r : end(m, "done");
}

static int give_way(struct remap *m)
{
	int r = m->intent ? end(m, "divided") : 0;
	return r < 0 ? r : 1;
}

int remap_pages(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
		struct range pages, struct page_result *ret)
{
	struct page_result why; /* the single pages say it anew */
	struct remap m;
	int r;

	r = remap_new(job, fs, in, pages, &why, &m);
	if (r >= 0)
		r = run(&m);
	if (r < 0)
		r = result_explain(&why, r);
	/* Blocks that nobody was swapped away from go back to where they were. */
	if (r != 0 && !m.n_swapped && m.quarantine_fd >= 0)
		remap_let_go(&m);
	if (r >= 0)
		r = r == 0 ? finish(&m, ret) : give_way(&m);
	remap_done(&m);
	return r;
}
