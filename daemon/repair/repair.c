// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repair: see repair.h. Asks anew, plans, runs the plan page by page or several at once, adds up.
 *
 *   respond -> [repair] -> plan, remap, rewrite, clear-zero, clear
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "holders/holders.h"
#include "json-fields.h"
#include "owners/owners.h"
#include "policy/verdict.h"
#include "repair/clear-zero.h"
#include "repair/clear.h"
#include "repair/fs.h"
#include "repair/record.h"
#include "repair/remap.h"
#include "repair/repair-private.h"
#include "repair/restore.h"
#include "repair/rewrite.h"
#include "repair/tell_fs.h"
#include "source/nvdimm.h"

/* Owners can move while we work; a repair that never catches up with them waits instead. */
#define MAX_ROUNDS 3

/* The map is newer than the incident: the disk that had its name can be another by now. */
static int find_device(const struct repair_job *job, struct incident *in)
{
	struct device now = { 0 };
	const struct place *place;
	struct range piece;
	int r;

	place = address_map_find(job->map, in->phys, &piece);
	if (!place || !place->device.mode || !strcmp(place->device.mode, "none") ||
	    piece.length_bytes != in->phys.length_bytes)
		return -ENODEV;
	r = place_to_device(place, piece, &now);
	if (r < 0)
		return r;
	/* Which DIMMs of its set hold the range, the map does not know. */
	if (in->device.region && now.region && !strcmp(in->device.region, now.region)) {
		strv_free(now.dimms);
		now.dimms = TAKE(in->device.dimms);
	}
	device_done(&in->device);
	in->device = now;
	return 0;
}

static int ask(const struct repair_job *job, struct incident **incidents, size_t n)
{
	int r = owners_find(incidents, n, &job->how);

	return r < 0 ? r : holders_find(job->proc_fd, incidents, n);
}

int repair_ask_anew(const struct repair_job *job, struct incident *in)
{
	int r = find_device(job, in);

	return r < 0 ? r : ask(job, &in, 1);
}

/* Of all whose device is there. False: each has to ask for itself. */
static bool ask_for_all(const struct repair_job *job, struct incident **incidents, size_t n)
{
	_cleanup_(freep) struct incident **here = calloc(n, sizeof(struct incident *));
	size_t n_here = 0;

	for (size_t i = 0; here && i < n; i++) {
		int r = find_device(job, incidents[i]);

		if (r >= 0)
			here[n_here++] = incidents[i];
		else if (r != -ENODEV)
			return false;
	}
	return here && ask(job, here, n_here) >= 0;
}

static int set_outcome(struct incident *in, const char *state, const char *reason,
		       const char *detail)
{
	return string_set(&in->repair.state, state) ?: string_set(&in->repair.reason, reason)
	       ?: string_set(&in->repair.detail, detail && *detail ? detail : NULL);
}

/* "failed" outweighs "waiting", which outweighs "done"; among equals the first one stays. */
static unsigned weight(const char *state)
{
	static const char *const by_weight[] = { "none", "done", "waiting", "failed" };

	for (unsigned i = 0; i < 4; i++)
		if (state && !strcmp(state, by_weight[i]))
			return i;
	return 0;
}

/* Pages that are done beside pages that a rule leaves as they are: done, but not with all of it. */
static int add_done_in_part(struct incident *in, const struct page_result *result)
{
	if (!strcmp(result->state, "done"))
		return string_set(&in->repair.state, "done");
	return set_outcome(in, "done", result->reason, result->detail);
}

static int add_up(struct incident *in, const struct page_result *result)
{
	in->repair.zeroed_bytes += result->zeroed_bytes;
	in->repair.salvaged_bytes += result->salvaged_bytes;
	in->repair.restored_bytes += result->restored_bytes;
	if (weight(result->state) + weight(in->repair.state) == weight("done") &&
	    (in->repair.reason || !strcmp(result->state, "none")))
		return add_done_in_part(in, result);
	if (weight(result->state) < weight(in->repair.state) ||
	    (weight(result->state) == weight(in->repair.state) && in->repair.reason))
		return 0;
	return set_outcome(in, result->state, result->reason, result->detail);
}

static int open_fs(const struct repair_job *job, dev_t dev, struct repair_fs *fs)
{
	if (!dev)
		return 0;
	if (dev == fs->dev)
		return fs->error; /* it is as it was for the page before */
	repair_fs_close(fs);
	fs->error = repair_fs_open(job->proc_fd, dev, fs);
	if (fs->error >= 0)
		fs->error = repair_fs_check_thawed(fs);
	return fs->error;
}

static struct range bytes_of(const struct page_plan *page)
{
	return (struct range){ page->phys_start, PAGE_BYTES };
}

/* What is not repaired, its filesystem shall know of at least. */
static bool tell_filesystem(const struct repair_job *job, const struct page_plan *page,
			    struct repair_fs *fs)
{
	return page->dev && open_fs(job, page->dev, fs) >= 0 &&
	       repair_fs_find(fs, job->map, bytes_of(page)) >= 0 &&
	       tell_fs_of_page(fs, page->phys_start) > 0;
}

static void refuse_page(const struct repair_job *job, const struct page_plan *page,
			struct repair_fs *fs, struct page_result *ret)
{
	bool by_rule = !strcmp(page->reason, "rule");
	bool told = !by_rule && tell_filesystem(job, page, fs);

	*ret = (struct page_result){ 0 };
	result_stop(ret, by_rule ? "none" : "failed", page->reason, "%s%s", page->detail,
		    told ? "; the filesystem was told" : "");
}

static int explain_fs(int r, struct page_result *ret)
{
	if (r == -ENODEV || r == -ESTALE)
		return result_stop(ret, "waiting", "not-mounted",
				   "the filesystem is not mounted any more");
	if (r == -EROFS)
		return result_stop(ret, "waiting", "read-only", "the filesystem is read-only");
	if (r == -EBUSY)
		return result_stop(ret, "waiting", "frozen",
				   "the filesystem is frozen, nothing can be written");
	if (r == -ENOSPC || r == -EDQUOT)
		return result_explain(ret, -ENOSPC);
	if (r == -EOPNOTSUPP)
		return result_stop(ret, "failed", "block-size",
				   "the filesystem's blocks are not %u bytes", PAGE_BYTES);
	if (r == -EXDEV)
		return result_stop(
			ret, "failed", "layout",
			"the page lies in two places of the filesystem's device, or across "
			"two of its blocks");
	if (r == -EPERM)
		return result_stop(ret, "failed", "store",
				   "the store directory of the filesystem is not root's own");
	return result_stop(ret, "failed", "io-error", "the filesystem can't be opened: %s",
			   strerror(-r));
}

/* For the plan. One that can't be opened tells so by each of its pages. */
bool repair_can_share(dev_t dev, const char *filesystem, void *userdata)
{
	struct sharing *sharing = userdata;
	struct repair_fs fs;

	if (filesystem && strcmp(filesystem, "xfs"))
		return false;
	if (dev != sharing->dev) {
		sharing->dev = dev;
		sharing->can = repair_fs_open(sharing->proc_fd, dev, &fs) < 0 ||
			       repair_fs_can_share(&fs) != 0;
		repair_fs_close(&fs);
	}
	return sharing->can;
}

/* A page that is no longer bad may be one whose repair was cut off near its end: that goes to its
 * end. */
static enum method_id method_for(const struct page_plan *page, bool bad, const struct repair_fs *fs)
{
	if (bad)
		return page->method->id;
	if (page->method && page->method->writes_files)
		return page->method->id;
	return repair_fs_can_share(fs) > 0 ? METHOD_REMAP : METHOD_REWRITE;
}

/* For pages that are planned for alike, of which this is the first. */
static int prepare(const struct repair_job *job, const struct page_plan *page, struct range all,
		   bool bad, struct repair_fs *fs, enum method_id *ret_method)
{
	int r = open_fs(job, page->dev, fs);

	if (r < 0)
		return r;
	*ret_method = page->dev ? method_for(page, bad, fs) : page->method->id;
	if (!page->dev)
		return 0;
	r = repair_fs_find(fs, job->map, all);
	if (r >= 0 && *ret_method == METHOD_REMAP)
		r = repair_fs_prepare_remap(fs, all);
	if (r >= 0 && *ret_method == METHOD_REWRITE)
		r = repair_fs_prepare_salvage(fs, all);
	return r;
}

static int run_page(const struct repair_job *job, struct incident *in, const struct page_plan *page,
		    struct repair_fs *fs, struct page_result *ret)
{
	enum method_id method;
	int bad, r;

	*ret = (struct page_result){ .state = "done" };
	bad = nvdimm_is_bad(job->map, bytes_of(page));
	if (bad < 0 || (bad == 0 && !page->dev && !page->method))
		return bad;
	if (bad && !page->method) {
		refuse_page(job, page, fs, ret);
		return 0;
	}
	r = prepare(job, page, bytes_of(page), bad, fs, &method);
	if (r < 0) {
		explain_fs(r, ret);
		return 0;
	}

	switch (method) {
	case METHOD_REMAP:
		return remap_page(job, fs, in, page->phys_start, ret);
	case METHOD_REWRITE:
		return rewrite_page(job, fs, in, page->phys_start, ret);
	case METHOD_CLEAR_ZERO:
		return clear_zero_page(job, in, page->phys_start, ret);
	case METHOD_CLEAR:
		return bad ? clear_page(job, page->dev ? fs : NULL, in, page->phys_start, ret) : 0;
	}
	return -EINVAL;
}

static void start_over(struct incident *in)
{
	in->repair.zeroed_bytes = 0;
	in->repair.salvaged_bytes = 0;
	in->repair.restored_bytes = 0;
	for (size_t i = 0; i < in->repair.n_losses; i++)
		loss_done(&in->repair.losses[i]);
	in->repair.n_losses = 0;
	set_outcome(in, "none", NULL, NULL);
}

/* The files that a rule can speak of: a repair that is resumed finds its own beside them, or no
 * more file. */
static int files_only(const struct incident *in, struct incident *ret)
{
	*ret = *in;
	ret->n_owners = 0;
	ret->owners = calloc(in->n_owners + 1, sizeof(*ret->owners));
	if (!ret->owners)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_owners; i++)
		if (in->owners[i].kind == OWNER_FILE_DATA && !record_is_in_store(&in->owners[i]))
			ret->owners[ret->n_owners++] = in->owners[i];
	return 0;
}

/*
 * A rule's verdict may be out of date: a clone made since is another rule's file, a file was marked
 * to be avoided. An administrator's order is not a rule's. 1: policy says less by now, 0: as
 * before, negative errno.
 */
static int policy_says_less(const struct repair_job *job, struct incident *in)
{
	struct repair_verdict verdict = { .wish = REPAIR_ZERO };
	struct incident files;
	bool less;
	int r;

	if (!in->repair.rule)
		return 0;
	r = files_only(in, &files);
	if (r < 0)
		return r;
	if (files.n_owners)
		r = verdict_on_repair(job->policy, &files, &verdict);
	free(files.owners);
	if (r < 0)
		return r;
	less = verdict.wish < in->repair.wish;
	r = less ? set_outcome(in, "waiting", "policy", verdict.reason) : 0;
	free(verdict.reason);
	return r < 0 ? r : less;
}

/* ---- several pages in one go ---- */

/* How many of the first pages are bad now. What cannot be known is none. */
static size_t count_bad_pages(const struct repair_job *job, const struct page_plan *pages, size_t n)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct range all = { pages[0].phys_start, n * PAGE_BYTES };
	size_t n_bad = 0;

	if (nvdimm_bad_within(job->map, all, &bad) < 0)
		return 0;
	while (n_bad < n && badblocks_overlap(bad, bytes_of(&pages[n_bad])))
		n_bad++;
	return n_bad;
}

static int add_all_up(struct incident *in, const struct page_result *results, size_t n)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_up(in, &results[i]);
	return r;
}

/*
 * The first pages, as many as go together. How many that were; 0: the first goes by itself, and so
 * do *ret_alone of them; or negative errno.
 */
static int run_together(const struct repair_job *job, struct incident *in,
			const struct page_plan *pages, size_t n_pages, struct repair_fs *fs,
			size_t *ret_alone)
{
	struct page_result results[PLAN_MAX_TOGETHER];
	size_t n = plan_together(in, pages, n_pages);
	struct range all = { pages[0].phys_start };
	enum method_id method;
	int r;

	*ret_alone = 1;
	if (n > 1 && !job->restored)
		n = count_bad_pages(job, pages, n);
	all.length_bytes = n * PAGE_BYTES;
	if (n <= 1 || job->restored || prepare(job, &pages[0], all, true, fs, &method) < 0 ||
	    fs->bdev_fd < 0)
		return 0;
	r = remap_pages(job, fs, in, all, results);
	*ret_alone = r > 0 ? n : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	r = add_all_up(in, results, n);
	return r < 0 ? r : (int)n;
}

static int run_one(const struct repair_job *job, struct incident *in, const struct page_plan *page,
		   struct repair_fs *fs)
{
	struct page_result result;
	int r = 0;

	if (!restore_waits(job->restored, page->phys_start, &result))
		r = run_page(job, in, page, fs, &result);
	return r < 0 ? r : add_up(in, &result);
}

/* How many of the pages were run, at least one; or negative errno. *n_alone of the next ones are
 * known to go by themselves. */
static int run_next(const struct repair_job *job, struct incident *in,
		    const struct page_plan *pages, size_t n_pages, struct repair_fs *fs,
		    size_t *n_alone)
{
	int r = 0;

	if (pages[0].method)
		r = string_set(&in->repair.method, pages[0].method->name);
	if (r >= 0 && !*n_alone)
		r = run_together(job, in, pages, n_pages, fs, n_alone);
	if (r != 0)
		return r;
	(*n_alone)--;
	r = run_one(job, in, &pages[0], fs);
	return r < 0 ? r : 1;
}

static int run_pages(const struct repair_job *job, struct incident *in,
		     const struct page_plan *pages, size_t n_pages, struct repair_fs *fs)
{
	size_t n_alone = 0;

	for (size_t i = 0; i < n_pages;) {
		int r = run_next(job, in, &pages[i], n_pages - i, fs, &n_alone);

		if (r < 0)
			return r;
		i += (size_t)r;
	}
	return 0;
}

static_assert(RESTORE_MAX_PAGES * PAGE_BYTES == STEP_BLOCK_BYTES,
	      "runs are not divided needlessly");

/* Pages go together within one block of the ledger, so they are not divided otherwise. */
static size_t count_to_block_end(const struct plan *plan, size_t first)
{
	uint64_t page = plan->pages[first].phys_start / PAGE_BYTES;
	size_t n = RESTORE_MAX_PAGES - page % RESTORE_MAX_PAGES;

	return n < plan->n_pages - first ? n : plan->n_pages - first;
}

/* As many pages as one run of a hook is asked for. A filesystem that can't be opened tells so by
 * each page. */
static int run_batch(const struct repair_job *given, struct incident *in,
		     const struct page_plan *pages, size_t n_pages, struct repair_fs *fs)
{
	_cleanup_(restore_freep) struct restore *restored = NULL;
	struct repair_job job = *given;
	int r = 0;

	if (open_fs(given, pages[0].dev, fs) >= 0)
		r = restore_ask(given, fs, in, pages, n_pages, &restored);
	if (r < 0)
		return r;
	job.restored = restored;
	return run_pages(&job, in, pages, n_pages, fs);
}

/* ---- the plan, on record ---- */

static int begin_plan(const struct repair_job *job, const struct plan *plan, int64_t *ret_intent)
{
	_cleanup_(json_object_putp) struct json_object *detail = plan_to_json(plan);

	return detail ? journal_intent(job->journal, "plan", detail, ret_intent) : -ENOMEM;
}

static int end_plan(const struct repair_job *job, const struct incident *in, int64_t intent)
{
	struct json_fields f = json_fields_new();
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;

	field_put_string(&f, "state", in->repair.state);
	field_put_string(&f, "reason", in->repair.reason);
	outcome = json_fields_done(&f);
	return outcome ? journal_outcome(job->journal, intent, 0, outcome) : -ENOMEM;
}

/* What stays from one incident to the next. */
struct session {
	struct repair_fs fs; /* the last one that was worked on */
	struct sharing sharing;
};

/* asked: owners and holders are known, right now. */
static int run_round(const struct repair_job *job, struct session *s, struct incident *in,
		     bool asked)
{
	int64_t intent = 0;
	struct plan plan;
	int r;

	start_over(in);
	r = asked ? find_device(job, in) : repair_ask_anew(job, in);
	if (r == -ENODEV)
		return set_outcome(in, "waiting", "no-device", "the device of the page is away");
	if (r >= 0)
		r = policy_says_less(job, in);
	if (r != 0)
		return r < 0 ? r : 0;
	r = plan_make(in, in->repair.wish, repair_can_share, &s->sharing, &plan);
	if (r >= 0)
		r = begin_plan(job, &plan, &intent);
	for (size_t i = 0, n; r >= 0 && i < plan.n_pages; i += n) {
		n = count_to_block_end(&plan, i);
		r = run_batch(job, in, &plan.pages[i], n, &s->fs);
	}
	plan_done(&plan);
	return r < 0 ? r : end_plan(job, in, intent);
}

static int run_incident(const struct repair_job *job, struct session *s, struct incident *in,
			bool asked)
{
	int r = 0, flushed;

	for (unsigned round = 0; round < MAX_ROUNDS; round++) {
		r = run_round(job, s, in, asked && round == 0);
		if (r < 0 || !in->repair.reason || strcmp(in->repair.reason, "moved"))
			break;
	}
	repair_fs_leave_store(&s->fs);
	/* Also where it stopped: what came of its steps is known here alone. */
	flushed = journal_flush(job->journal);
	return r < 0 ? r : flushed;
}

int repair_run(const struct repair_job *job, struct incident **incidents, size_t n,
	       repair_next next, void *userdata)
{
	struct session s = {
		.fs = { .root_fd = -1, .store_fd = -1, .bdev_fd = -1 },
		.sharing = { .proc_fd = job->proc_fd },
	};
	bool asked = ask_for_all(job, incidents, n);
	size_t i = 0;
	int r;

	do {
		r = run_incident(job, &s, incidents[i], asked);
		if (r >= 0)
			r = next(incidents[i], &i, userdata);
	} while (r > 0 && i < n);
	repair_fs_close(&s.fs);
	return r < 0 ? r : 0;
}
