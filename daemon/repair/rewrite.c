// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rewrite: see rewrite.h.
 *
 *   repair -> [rewrite] -> salvage, writers, lease, target
 *
 * Read heal() first: it is the protocol. Nothing is changed before the one write, and that is on
 * record with what it loses. An attempt that was cut off before it is begun anew, since the owner
 * may have stored to the page meanwhile; one that was cut off after it has nothing left to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "repair/lease.h"
#include "repair/record.h"
#include "repair/rewrite-private.h"
#include "source/nvdimm.h"

static uint64_t page_offset_of(const struct rewrite *w, const struct owner *owner)
{
	return owner->file_offset_bytes + w->page.start_bytes - owner->phys_start;
}

/* Several pieces of one file's page are one owner. */
static int find_target(struct rewrite *w, const struct owner **ret)
{
	const struct owner *sole = NULL;

	for (size_t i = 0; i < w->in->n_owners; i++) {
		const struct owner *owner = &w->in->owners[i];

		if (!record_is_target(owner, w->fs->dev, w->page))
			continue;
		if (sole && (sole->inode != owner->inode ||
			     page_offset_of(w, sole) != page_offset_of(w, owner)))
			return result_stop(w->result, "failed", "shared",
					   "several files have the block");
		sole = sole ?: owner;
	}
	if (!sole)
		return result_stop(w->result, "waiting", "moved", "no file has the block any more");
	*ret = sole;
	return 0;
}

static int open_target(struct rewrite *w)
{
	const struct owner *owner = NULL;
	const char *reason;
	int r;

	r = find_target(w, &owner);
	if (r != 0)
		return r;
	r = target_open(w->fs->root_fd, w->fs->filesystem, owner, w->page, &w->target, &reason);
	if (r < 0)
		return result_stop(w->result, "waiting", reason,
				   "inode %" PRIu64 " can't be opened for writing: %s",
				   owner->inode, strerror(-r));
	return 0;
}

/*
 * Of a page that no list has any more. A file that can't be opened is not asked, and neither is one
 * whose page was never written to.
 */
static int is_out_of_reach(struct rewrite *w)
{
	struct page_result unused, *result = w->result;
	int r = record_write_failed(w->job->journal, w->page.start_bytes);

	if (r <= 0)
		return r;
	w->result = &unused;
	r = open_target(w);
	w->result = result;
	if (r == 0)
		w->out_of_reach = rewrite_is_out_of_reach(w);
	target_close(&w->target);
	return w->out_of_reach;
}

static int begin(struct rewrite *w)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(w->page);
	struct json_object *owners = json_object_new_array();

	if (!detail || !owners) {
		json_object_put(owners);
		return -ENOMEM;
	}
	json_object_array_add(owners, target_to_json(&w->target));
	json_object_object_add(detail, "owners", owners);
	return journal_intent(w->job->journal, "rewrite", detail, &w->intent);
}

/*
 * A lease is given where nobody has the file open, and then nobody gets in. Else whoever could
 * store is stopped, and whoever came while that was done is looked for.
 */
static int keep_others_out(struct rewrite *w)
{
	int r;

	w->leased = lease_take(w->target.fd) > 0;
	if (w->leased)
		return 0;
	r = writers_stop(w->job, w->in, &w->writers, w->result);
	return r != 0 ? r : writers_look_again(w->job, w->in, w->result);
}

static int let_others_in(struct rewrite *w, int result)
{
	if (w->leased)
		lease_give_back(w->target.fd);
	w->leased = false;
	return writers_continue(w->job, &w->writers, result);
}

/* The first write of a page that is out of reach finds that out, and clears the media. */
static int write_in_reach(struct rewrite *w)
{
	int r = rewrite_write(w);

	if (r != 0 || !w->out_of_reach)
		return r;
	r = rewrite_reach(w);
	return r != 0 ? r : rewrite_write(w);
}

static int heal(struct rewrite *w)
{
	int r;

	r = keep_others_out(w);
	if (r != 0)
		return r;
	r = rewrite_check_owner(w);
	if (r != 0)
		return r;
	r = rewrite_reach(w);
	if (r != 0)
		return r;
	r = rewrite_salvage(w);
	if (r != 0)
		return r;
	r = write_in_reach(w);
	if (r != 0)
		return r;
	return rewrite_verify(w);
}

static int run(struct rewrite *w)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r, let_in;

	r = journal_history(w->job->journal, w->page, &history);
	if (r >= 0)
		r = record_close_cut_off(w->job, w->fs->root_fd, w->fs->filesystem, history,
					 w->page.start_bytes, w->dev_offset);
	if (r < 0)
		return r;
	r = nvdimm_is_bad(w->job->map, w->page);
	if (r < 0)
		return r;
	if (r == 0)
		r = is_out_of_reach(w);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(w->result, "done", NULL, "%s", "");
	r = open_target(w);
	if (r != 0)
		return r;
	r = begin(w);
	if (r < 0)
		return r;

	r = heal(w);
	let_in = let_others_in(w, r < 0 ? r : 0);
	if (r < 0)
		r = result_explain(w->result, r);
	return r >= 0 && let_in < 0 ? let_in : r;
}

/* Put the outcome on record, with all that was lost since the page was last repaired. */
static int finish(struct rewrite *w, int r)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;
	int n_writes;

	if (r < 0)
		return r;
	n_writes = record_losses(w->job->journal, w->page.start_bytes, w->in, w->result);
	if (n_writes < 0)
		return n_writes;
	if (r == 0)
		w->result->state = "done";
	if (!w->intent)
		return 0;
	outcome = record_result(w->result);
	if (!outcome)
		return -ENOMEM;
	return journal_outcome(w->job->journal, w->intent, 0, outcome);
}

int rewrite_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
		 uint64_t phys_start, struct page_result *ret)
{
	struct rewrite w = {
		.job = job,
		.fs = fs,
		.in = in,
		.page = { phys_start, PAGE_BYTES },
		.dev_offset = phys_start - fs->phys_of_fs,
		.target.fd = -1,
		.result = ret,
	};
	int r;

	*ret = (struct page_result){ 0 };
	r = finish(&w, run(&w));
	target_close(&w.target);
	writers_done(&w.writers);
	return r;
}
