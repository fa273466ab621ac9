// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * writers: see writers.h.
 *
 *   remap, rewrite, clear-zero -> [writers] -> pause, journal
 */
#include <errno.h>

#include "holders/holders.h"
#include "repair/writers.h"

static const struct holder *find_holder(const struct incident *in, pid_t pid)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if (in->holders[i].pid == pid)
			return &in->holders[i];
	return NULL;
}

static int check_pausable(const struct repair_job *job, const struct incident *in,
			  const struct writers *w, struct page_result *result)
{
	for (size_t i = 0; i < w->paused.n; i++) {
		const struct holder *holder = find_holder(in, w->paused.all[i].pid);
		const char *why = pause_refusal(job->policy, in, holder);

		if (why)
			return result_stop(result, "waiting", "held",
					   "process %d (%s) holds the page and is not paused: %s",
					   holder->pid, holder->comm, why);
	}
	return 0;
}

int writers_may_stop(const struct repair_job *job, const struct incident *in,
		     struct page_result *result)
{
	struct writers w = { 0 };
	int r;

	r = pause_candidates(job->proc_fd, in, &w.paused);
	if (r >= 0)
		r = check_pausable(job, in, &w, result);
	writers_done(&w);
	return r;
}

int writers_stop(const struct repair_job *job, const struct incident *in, struct writers *w,
		 struct page_result *result)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int r;

	r = pause_candidates(job->proc_fd, in, &w->paused);
	if (r < 0 || !w->paused.n)
		return r;
	r = check_pausable(job, in, w, result);
	if (r != 0)
		return r;

	detail = pause_to_json(&w->paused);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(job->journal, "pause", detail, &w->intent);
	if (r < 0)
		return r;
	r = pause_stop(job->proc_fd, &w->paused);
	if (r == -EBUSY)
		return result_stop(
			result, "waiting", "held",
			"a process that could touch the page did not stop within a second");
	return r;
}

int writers_look_again(const struct repair_job *job, struct incident *in,
		       struct page_result *result)
{
	struct paused others;
	int r;

	r = holders_find(job->proc_fd, &in, 1);
	if (r < 0)
		return r;
	r = pause_candidates(job->proc_fd, in, &others);
	if (r >= 0 && others.n)
		r = result_stop(result, "waiting", "moved",
				"process %d came to hold the page meanwhile", others.all[0].pid);
	pause_done(&others);
	return r;
}

int writers_continue(const struct repair_job *job, struct writers *w, int result)
{
	int64_t intent = w->intent;
	int r;

	pause_continue(&w->paused);
	w->intent = 0;
	if (!intent)
		return 0;
	/* At once: what is stopped from now on, others have stopped. */
	r = journal_outcome(job->journal, intent, result, NULL);
	return r < 0 ? r : journal_flush(job->journal);
}

void writers_done(struct writers *w)
{
	pause_done(&w->paused);
}
