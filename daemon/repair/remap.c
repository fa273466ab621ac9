// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap: see remap.h.
 *
 *   repair -> [remap] -> store, salvage, writers, target
 *
 * Read remap_page() first: it is the protocol. Each step looks at what an earlier, cut off attempt
 * left (quarantine file, salvage in the ledger, owners already swapped) and goes on from there, so
 * running it again is always right.
 *
 * Until the first swap nothing is changed that letting go of the quarantine would not undo. After
 * it, the quarantine and the salvaged bytes in the ledger stay until the end is reached.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repair/extent.h"
#include "repair/record.h"
#include "repair/remap-private.h"
#include "repair/store.h"
#include "source/nvdimm.h"

/* ---- what is there already ---- */

static struct store_name quarantine_name(const struct remap *m)
{
	return store_quarantine_name(m->in->number, m->held);
}

uint64_t remap_quarantine_offset(const struct remap *m)
{
	return m->pages.start_bytes - m->held.start_bytes;
}

void remap_let_go(struct remap *m)
{
	struct store_name name = quarantine_name(m);

	if (m->quarantine_fd >= 0)
		close(TAKE_FD(m->quarantine_fd));
	if (m->held.length_bytes == m->pages.length_bytes)
		store_remove_file(m->fs->store_fd, name.text);
	else
		store_remove_page(m->fs->store_fd, name.text, remap_quarantine_offset(m));
	m->pinned = false;
	m->held = m->pages;
}

/* The quarantine for these pages. 1: it has ours; 0: there is none that has. */
static int look_into(struct remap *m, struct range held)
{
	struct extent e;
	int r;

	m->held = held;
	r = store_open_file(m->fs->store_fd, quarantine_name(m).text);
	if (r < 0) {
		m->held = m->pages;
		return r == -ENOENT ? 0 : r;
	}
	m->quarantine_fd = r;
	r = extent_of_page(m->quarantine_fd, remap_quarantine_offset(m), &e);
	if (r < 0)
		return r;
	m->pinned = e.mapped && e.dev_offset_bytes == m->dev_offset;
	/* Of a block that is not, or no longer, the page. */
	if (!m->pinned)
		remap_let_go(m);
	return m->pinned;
}

static int find_quarantine(struct remap *m, struct json_object *history)
{
	struct range pages = m->pages;
	size_t at = 0;
	int r;

	do
		r = look_into(m, pages);
	while (r == 0 && record_find_pages(history, m->pages.start_bytes, &at, &pages));
	return r;
}

static int find_saved(struct remap *m)
{
	int r;

	/* Without the pin, an owner may have stored to the block since: what was saved then is
	 * stale. */
	if (!m->pinned)
		return 0;
	r = journal_get_salvage(m->job->journal, m->pages.start_bytes, m->saved);
	if (r == -ENOENT)
		return 0;
	m->have_saved = r >= 0;
	return r;
}

/* Whatever an attempt that was cut off has left. */
static int find_remains(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	r = journal_history(m->job->journal, m->pages, &history);
	if (r < 0)
		return r;
	r = find_quarantine(m, history);
	if (r < 0)
		return r;
	r = find_saved(m);
	if (r < 0)
		return r;
	/* Spares are in the way, or have done their work. None is made off the record. */
	if (json_object_array_length(history))
		store_remove_spares(m->fs->store_fd, m->in->number, m->pages.start_bytes);
	return record_close_cut_off(m->job, m->fs->root_fd, m->fs->filesystem, history,
				    m->pages.start_bytes, m->dev_offset);
}

/* ---- owners ---- */

int remap_open_targets(struct remap *m)
{
	const char *reason;
	int r;

	m->targets = calloc(m->in->n_owners + 1, sizeof(*m->targets));
	if (!m->targets)
		return -ENOMEM;
	for (size_t i = 0; i < m->in->n_owners; i++) {
		const struct owner *owner = &m->in->owners[i];

		if (!record_is_target(owner, m->fs->dev, m->pages))
			continue;
		r = target_open(m->fs->root_fd, m->fs->filesystem, owner, m->pages,
				&m->targets[m->n_targets], &reason);
		if (r < 0)
			return result_stop(m->result, "waiting", reason,
					   "inode %" PRIu64 " can't be opened for writing: %s",
					   owner->inode, strerror(-r));
		m->n_targets++;
	}
	return 0;
}

int remap_begin(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(m->pages);
	struct json_object *owners;

	if (!detail)
		return -ENOMEM;
	owners = json_object_new_array();
	for (size_t i = 0; i < m->n_targets; i++)
		json_object_array_add(owners, target_to_json(&m->targets[i]));
	json_object_object_add(detail, "owners", owners);
	return journal_intent(m->job->journal, "remap", detail, &m->intent);
}

/* ---- the protocol ---- */

/* Whether owners may share one spare hangs on who maps them: see may_share_spare(). Others who come
 * lose nothing, whatever they store goes to another block than the one that is pinned. */
static int stop_writers(struct remap *m)
{
	int r = writers_stop(m->job, m->in, &m->writers, m->result);

	if (r != 0 || m->n_targets == 1)
		return r;
	return writers_look_again(m->job, m->in, m->result);
}

static int swap_all(struct remap *m)
{
	int r;

	r = stop_writers(m);
	if (r != 0)
		return r;
	r = remap_pin(m);
	if (r != 0)
		return r;
	r = remap_salvage(m);
	if (r != 0)
		return r;
	r = remap_swap(m);
	if (r != 0)
		return r;
	return remap_read_back(m);
}

int remap_give_good_blocks(struct remap *m)
{
	int r = swap_all(m);

	store_remove_spares(m->fs->store_fd, m->in->number, m->pages.start_bytes);
	writers_continue(m->job, &m->writers, r < 0 ? r : 0);
	return r < 0 ? result_explain(m->result, r) : r;
}

static int run(struct remap *m)
{
	int r;

	r = find_remains(m);
	if (r < 0)
		return r;
	if (!m->pinned) {
		r = nvdimm_is_bad(m->job->map, m->pages);
		if (r < 0)
			return r;
		if (r == 0)
			return result_stop(m->result, "done", NULL, "%s", "");
	}
	r = remap_open_targets(m);
	if (r != 0)
		return r;
	if (!m->n_targets && !m->pinned)
		return result_stop(m->result, "waiting", "moved", "no file has the block any more");
	r = remap_begin(m);
	if (r < 0)
		return r;
	r = m->n_targets ? remap_give_good_blocks(m) : 0;
	return r != 0 ? r : remap_clear(m);
}

/*
 * Put the outcome on record. A block that nobody was swapped away from goes back to where it was: a
 * pinned page can't be healed by its owner. A quarantine without the block is what is left when
 * letting go was cut off between emptying the file and removing it.
 */
static int finish(struct remap *m, int r)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;
	int n_swaps;

	if (r < 0 && !m->pinned_now)
		return r;
	n_swaps = record_losses(m->job->journal, m->pages.start_bytes, m->in, m->result);
	if (r == 0)
		m->result->state = "done";
	if (r == 0 || (m->quarantine_fd >= 0 && (n_swaps == 0 || !m->pinned)))
		remap_let_go(m);
	if (r < 0 || n_swaps < 0)
		return r < 0 ? r : n_swaps;

	if (!m->intent)
		return 0;
	outcome = record_result(m->result);
	if (!outcome)
		return -ENOMEM;
	return journal_outcome(m->job->journal, m->intent, 0, outcome);
}

size_t remap_n_pages(const struct remap *m)
{
	return m->pages.length_bytes / PAGE_BYTES;
}

int remap_new(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	      struct range pages, struct page_result *result, struct remap *ret)
{
	*ret = (struct remap){
		.job = job,
		.fs = fs,
		.in = in,
		.pages = pages,
		.held = pages,
		.dev_offset = pages.start_bytes - fs->phys_of_fs,
		.quarantine_fd = -1,
		.result = result,
	};
	ret->saved = calloc(remap_n_pages(ret), sizeof(*ret->saved));
	return ret->saved ? 0 : -ENOMEM;
}

void remap_done(struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++)
		target_close(&m->targets[i]);
	free(m->targets);
	free(m->saved);
	if (m->quarantine_fd >= 0)
		close(m->quarantine_fd);
	writers_done(&m->writers);
}

int remap_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret)
{
	struct remap m;
	int r;

	*ret = (struct page_result){ 0 };
	r = remap_new(job, fs, in, (struct range){ phys_start, PAGE_BYTES }, ret, &m);
	if (r >= 0)
		r = finish(&m, run(&m));
	remap_done(&m);
	return r;
}
