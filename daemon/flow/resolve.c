// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/resolve: owners and holders of new incidents, all that wait in one worker.
 *
 *   [flow/resolve] -> owners, holders (in the worker) -> policy -> flow/respond
 *
 * The first incident of a burst is resolved at once; what comes while that runs is the next batch,
 * with one walk over all processes for all of it. Where only a search through all inodes can tell
 * the owners, what is quick to find is answered here, and flow/search completes it. A worker that
 * fails leaves owners unknown, and says so: an alert that names no file is better than none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"
#include "holders/holders.h"
#include "locate/dimms.h"
#include "log.h"
#include "owners/owners.h"

/* A pass over the directories of a filesystem with many millions of files takes minutes. */
#define RESOLVE_TIMEOUT_USEC (30 * 60 * USEC_PER_SEC)

#define N_AT_ONCE 8u

struct resolve_batch {
	struct flow *flow;
	struct worker *worker;
	struct journey **journeys;
	size_t n;
	/* when the worker has ended */
	int r;
	size_t n_taken;
	sd_event_source *next;
};

/* ---- in the worker ---- */

static int tell_one(struct worker_link *link, size_t index, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *message = json_object_new_object();
	struct json_object *incident = incident_to_json(in);

	if (!message || !incident) {
		json_object_put(incident);
		return -ENOMEM;
	}
	json_object_object_add(message, "index", json_object_new_uint64(index));
	json_object_object_add(message, "incident", incident);
	return worker_tell(link, message);
}

static int run(struct worker_link *link, void *job)
{
	const struct resolve_batch *batch = job;
	struct scan_how how = {
		.at_once = true,
		.hints_directory = batch->flow->parts.state_dir,
	};
	_cleanup_(freep) struct incident **incidents = calloc(batch->n, sizeof(struct incident *));
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (!incidents)
		return -ENOMEM;
	if (proc_fd < 0)
		return -errno;
	for (size_t i = 0; i < batch->n; i++)
		incidents[i] = batch->journeys[i]->in;

	r = dimms_narrow(incidents, batch->n);
	if (r >= 0)
		r = owners_find(incidents, batch->n, &how);
	if (r >= 0)
		r = holders_find(proc_fd, incidents, batch->n);
	for (size_t i = 0; r >= 0 && i < batch->n; i++)
		r = tell_one(link, i, incidents[i]);
	return r;
}

/* ---- in the daemon ---- */

/* The verdict too, for as long as it takes to compare it with the next one. */
static void keep_outcome(const struct holder *old, struct holder *new)
{
	string_set(&new->outcome, old->outcome);
	new->action = old->action;
}

static bool same_process(const struct holder *a, const struct holder *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

/* Someone who was answered before keeps that outcome, and is not answered twice. */
static void keep_outcomes(const struct incident *old, struct incident *new)
{
	for (size_t i = 0; i < new->n_holders; i++)
		for (size_t k = 0; k < old->n_holders; k++)
			if (same_process(&new->holders[i], &old->holders[k]))
				keep_outcome(&old->holders[k], &new->holders[i]);
}

void journey_take_findings(struct journey *j, struct incident *from)
{
	struct incident *in = j->in;

	keep_outcomes(in, from);
	incident_clear_owners(in);
	in->owners = TAKE(from->owners);
	in->n_owners = from->n_owners;
	from->n_owners = 0;
	in->owners_complete = from->owners_complete;
	free(in->owners_reason);
	in->owners_reason = TAKE(from->owners_reason);
	in->owners_searching = from->owners_searching;

	incident_clear_holders(in);
	in->holders = TAKE(from->holders);
	in->n_holders = from->n_holders;
	from->n_holders = 0;

	/* Of all DIMMs of the set, those that hold the range. */
	if (from->device.dimms) {
		strv_free(in->device.dimms);
		in->device.dimms = TAKE(from->device.dimms);
	}
}

static enum verb *verdicts(const struct incident *in)
{
	enum verb *all = calloc(in->n_holders + 1, sizeof(*all));

	for (size_t i = 0; all && i < in->n_holders; i++)
		all[i] = in->holders[i].action;
	return all;
}

/* Returns why it is told once more, or NULL. */
static const char *decide(struct journey *j)
{
	_cleanup_(freep) enum verb *before = verdicts(j->in);
	struct flow *f = j->flow;
	const char *reason = j->anew ? "rules-changed" : NULL;
	struct flow_view view;
	int r;

	j->anew = false;
	flow_view(f, &view);
	r = before ? policy_decide(&view.policy, j->in) : -ENOMEM;
	if (r < 0)
		log_err(r, "Cannot decide what to do, only reporting");
	else
		judge_answers(j, before);
	flow_note_kernel(j);
	j->in->state = INCIDENT_RESOLVED;
	j->stage = STAGE_RESPOND;
	flow_save(f, j->in);
	return reason;
}

void journey_resolved(struct journey *j, const char *reason)
{
	const char *anew = decide(j);

	flow_tell(j, "poison.resolved", SEVERITY_CRITICAL, reason ? reason : anew);
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct resolve_batch *batch = userdata;
	_cleanup_(incident_freep) struct incident *found = NULL;
	struct json_object *index, *incident;
	size_t i;
	int r;

	if (!json_object_object_get_ex(message, "index", &index) ||
	    !json_object_object_get_ex(message, "incident", &incident))
		return;
	i = json_object_get_uint64(index);
	r = i < batch->n ? incident_from_json(incident, &found) : -EBADMSG;
	if (r < 0) {
		log_err(r, "Cannot read what the worker found about owners, they stay unknown");
		return;
	}
	journey_take_findings(batch->journeys[i], found);
}

static const char *resolved(struct journey *j, int r)
{
	const char *anew;

	if (r < 0) {
		j->in->owners_complete = false;
		string_set(&j->in->owners_reason, r == -ETIME
							  ? "the search for owners took too long"
							  : "the search for owners failed");
	}
	j->busy = false;
	anew = decide(j);
	return r < 0 ? "resolve-failed" : anew;
}

static void batch_free(struct resolve_batch *batch)
{
	sd_event_source_disable_unref(batch->next);
	worker_free(batch->worker);
	free(batch->journeys);
	free(batch);
}

static void take_next(struct resolve_batch *batch)
{
	struct flow *f = batch->flow;
	size_t first = batch->n_taken, end = first + N_AT_ONCE;
	const char *reasons[N_AT_ONCE];

	if (end > batch->n)
		end = batch->n;
	flow_batch(f);
	for (size_t i = first; i < end; i++)
		reasons[i - first] = resolved(batch->journeys[i], batch->r);
	flow_settle(f);
	for (size_t i = first; i < end; i++) {
		if (retry_found_nothing(batch->journeys[i]))
			continue;
		batch->journeys[i]->retry.runs = false;
		flow_tell(batch->journeys[i], "poison.resolved", SEVERITY_CRITICAL,
			  reasons[i - first]);
	}
	batch->n_taken = end;
}

/* In pieces: with a thousand pages gone, others want their turn, too. True: it was the last one. */
static bool take_piece(struct resolve_batch *batch)
{
	struct flow *f = batch->flow;

	take_next(batch);
	if (batch->n_taken < batch->n) {
		flow_pump(f);
		return false;
	}
	f->resolving = NULL;
	batch_free(batch);
	/* A range that healed while we looked is over now. */
	flow_rescan(f);
	return true;
}

static int on_next(sd_event_source *source, void *userdata)
{
	take_piece(userdata);
	return 0;
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct resolve_batch *batch = userdata;

	if (r < 0)
		log_warn(r, "The worker that looks for owners failed, going on without them");
	batch->r = r;
	if (take_piece(batch))
		return;
	if (sd_event_add_defer(batch->flow->parts.event, &batch->next, on_next, batch) >= 0 &&
	    sd_event_source_set_enabled(batch->next, SD_EVENT_ON) >= 0)
		return;
	while (!take_piece(batch))
		;
}

static const struct worker_ops ops = {
	.name = "hwp-resolve",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
	.timeout_usec = RESOLVE_TIMEOUT_USEC,
	.only_reads = true,
};

int resolve_start(struct flow *f)
{
	struct resolve_batch *batch;
	int r;

	batch = calloc(1, sizeof(*batch));
	if (!batch)
		return -ENOMEM;
	batch->flow = f;
	batch->journeys = calloc(f->n_journeys + 1, sizeof(struct journey *));
	if (!batch->journeys) {
		batch_free(batch);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->n_journeys; i++)
		if (f->journeys[i]->stage == STAGE_RESOLVE && !f->journeys[i]->busy &&
		    flow_find_device(f->journeys[i]))
			batch->journeys[batch->n++] = f->journeys[i];
	if (!batch->n) {
		batch_free(batch);
		return 0;
	}

	r = worker_start(f->parts.event, &ops, batch, batch, &batch->worker);
	if (r < 0) {
		batch_free(batch);
		return r;
	}
	for (size_t i = 0; i < batch->n; i++) {
		batch->journeys[i]->busy = true;
		batch->journeys[i]->remounted = false;
	}
	f->resolving = batch;
	return 0;
}

void resolve_cancel(struct flow *f)
{
	if (f->resolving)
		batch_free(TAKE(f->resolving));
}
