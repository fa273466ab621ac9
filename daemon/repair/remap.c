// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap: see remap.h.
 *
 *   repair -> [remap] -> store, salvage, pause, target
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
	return store_quarantine_name(m->in->number, m->page.start_bytes);
}

static int find_quarantine(struct remap *m)
{
	struct extent e;
	int r;

	r = store_open_file(m->fs->store_fd, quarantine_name(m).text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	m->quarantine_fd = r;
	r = extent_of_page(m->quarantine_fd, 0, &e);
	if (r < 0)
		return r;
	m->pinned = e.mapped && e.dev_offset_bytes == m->dev_offset;
	return 0;
}

static int find_saved(struct remap *m)
{
	int r;

	/* Without the pin, an owner may have stored to the block since: what was saved then is
	 * stale. */
	if (!m->pinned)
		return 0;
	r = journal_get_salvage(m->job->journal, m->page.start_bytes, &m->saved);
	if (r == -ENOENT)
		return 0;
	m->have_saved = r >= 0;
	return r;
}

void remap_let_go(struct remap *m)
{
	if (m->quarantine_fd >= 0)
		close(TAKE_FD(m->quarantine_fd));
	store_remove_file(m->fs->store_fd, quarantine_name(m).text);
	m->pinned = false;
}

/* ---- owners ---- */

/* An owner's bytes may be many pages, of which ours is any. */
static bool is_target(const struct remap *m, const struct owner *owner)
{
	struct range bytes = { owner->phys_start, owner->length_bytes };

	return owner->kind == OWNER_FILE_DATA && owner->dev == m->fs->dev &&
	       range_overlaps(bytes, m->page) && !record_is_in_store(owner);
}

static int open_targets(struct remap *m)
{
	const char *reason;
	int r;

	m->targets = calloc(m->in->n_owners + 1, sizeof(*m->targets));
	if (!m->targets)
		return -ENOMEM;
	for (size_t i = 0; i < m->in->n_owners; i++) {
		const struct owner *owner = &m->in->owners[i];

		if (!is_target(m, owner))
			continue;
		r = target_open(m->fs->root_fd, m->fs->filesystem, owner, m->page.start_bytes,
				&m->targets[m->n_targets], &reason);
		if (r < 0)
			return result_stop(m->result, "waiting", reason,
					   "inode %" PRIu64 " can't be opened for writing: %s",
					   owner->inode, strerror(-r));
		m->n_targets++;
	}
	return 0;
}

static int begin(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_page(m->page.start_bytes);
	struct json_object *owners;

	if (!detail)
		return -ENOMEM;
	owners = json_object_new_array();
	for (size_t i = 0; i < m->n_targets; i++)
		json_object_array_add(owners, target_to_json(&m->targets[i]));
	json_object_object_add(detail, "owners", owners);
	return journal_intent(m->job->journal, "remap", detail, &m->intent);
}

/* ---- stop ---- */

static const struct holder *find_holder(const struct incident *in, pid_t pid)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if (in->holders[i].pid == pid)
			return &in->holders[i];
	return NULL;
}

static int check_pausable(struct remap *m)
{
	for (size_t i = 0; i < m->paused.n; i++) {
		const struct holder *holder = find_holder(m->in, m->paused.all[i].pid);
		const char *why = pause_refusal(m->job->policy, m->in, holder);

		if (why)
			return result_stop(m->result, "waiting", "held",
					   "process %d (%s) holds the page and is not paused: %s",
					   holder->pid, holder->comm, why);
	}
	return 0;
}

static int stop_writers(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int r;

	r = pause_candidates(m->job->proc_fd, m->in, &m->paused);
	if (r < 0 || !m->paused.n)
		return r;
	r = check_pausable(m);
	if (r != 0)
		return r;

	detail = pause_to_json(&m->paused);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(m->job->journal, "pause", detail, &m->pause_intent);
	if (r < 0)
		return r;
	r = pause_stop(m->job->proc_fd, &m->paused);
	if (r == -EBUSY)
		return result_stop(
			m->result, "waiting", "held",
			"a process that could touch the page did not stop within a second");
	return r;
}

static int continue_writers(struct remap *m, int result)
{
	int64_t intent = m->pause_intent;

	pause_continue(&m->paused);
	m->pause_intent = 0;
	return intent ? journal_outcome(m->job->journal, intent, result, NULL) : 0;
}

/* ---- the protocol ---- */

static int give_owners_a_good_block(struct remap *m)
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

/* Between pin and swap an error changes nothing yet: say which, and let the block go again. */
static int explain_error(struct remap *m, int r)
{
	switch (r) {
	case -EPIPE:
	case -ENOMEM:
	case -EREMOTEIO:
		return r; /* not an outcome: nobody would hear of it */
	case -EDQUOT:
		/* XFS wants room for a split of the file's extent map, root's privilege or not. */
		return result_stop(
			m->result, "waiting", "no-space",
			"the quota of its owner leaves no room to change the file's map");
	case -ENOSPC:
		return result_stop(m->result, "waiting", "no-space",
				   "the filesystem has no room for the spare page");
	case -EROFS:
		return result_stop(m->result, "waiting", "read-only",
				   "the filesystem is read-only");
	case -ESTALE:
		return result_stop(m->result, "waiting", "moved",
				   "the file changed while it was repaired");
	default:
		return result_stop(m->result, "failed", "io-error",
				   "the filesystem gave an error: %s", strerror(-r));
	}
}

static int run(struct remap *m)
{
	int r;

	r = find_quarantine(m);
	if (r < 0)
		return r;
	r = find_saved(m);
	if (r < 0)
		return r;
	/* Spares of an attempt that was cut off are in the way, or have done their work. */
	store_remove_spares(m->fs->store_fd, m->in->number, m->page.start_bytes);
	r = record_close_cut_off(m->job->journal, m->fs->root_fd, m->fs->filesystem,
				 m->page.start_bytes, m->dev_offset);
	if (r < 0)
		return r;
	if (!m->pinned) {
		r = nvdimm_is_bad(m->job->map, m->page);
		if (r < 0)
			return r;
		if (r == 0)
			return result_stop(m->result, "done", NULL, "%s", "");
	}
	r = open_targets(m);
	if (r != 0)
		return r;
	if (!m->n_targets && !m->pinned)
		return result_stop(m->result, "waiting", "moved", "no file has the block any more");
	r = begin(m);
	if (r < 0)
		return r;

	if (m->n_targets) {
		r = give_owners_a_good_block(m);
		store_remove_spares(m->fs->store_fd, m->in->number, m->page.start_bytes);
		continue_writers(m, r < 0 ? r : 0);
		if (r < 0)
			r = explain_error(m, r);
		if (r != 0)
			return r;
	}
	return remap_clear(m);
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
	n_swaps = record_losses(m->job->journal, m->page.start_bytes, m->in, m->result);
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

static void done(struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++)
		target_close(&m->targets[i]);
	free(m->targets);
	if (m->quarantine_fd >= 0)
		close(m->quarantine_fd);
	pause_done(&m->paused);
}

int remap_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret)
{
	struct remap m = {
		.job = job,
		.fs = fs,
		.in = in,
		.page = { phys_start, PAGE_BYTES },
		.dev_offset = phys_start - fs->phys_of_fs,
		.quarantine_fd = -1,
		.result = ret,
	};
	int r;

	*ret = (struct page_result){ 0 };
	r = finish(&m, run(&m));
	done(&m);
	return r;
}
