// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/respond: do to holders what policy said, each incident in a worker of its own.
 *
 *   policy -> [flow/respond] -> respond (in the worker) -> flow/repair
 *
 * The intent is on record before anybody is signalled. Without a ledger nobody is: then it is a
 * report only.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow-private.h"
#include "json-fields.h"
#include "log.h"
#include "respond/respond.h"

/* Beyond the longest grace period: to wait for processes that were killed to be gone. */
#define RESPOND_EXTRA_USEC (60 * USEC_PER_SEC)

/* ---- in the worker ---- */

struct job {
	struct incident *in;
	bool dry_run;
};

static void tell_outcome(const struct incident *in, const struct holder *holder, const char *event,
			 void *userdata)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "event", event);
	field_put_uint(&f, "pid", holder->pid);
	field_put_uint(&f, "start_ticks", holder->start_ticks);
	field_put_string(&f, "outcome", holder->outcome);
	field_put_string(&f, "reason", holder->reason);
	if (f.r == 0)
		worker_tell(userdata, f.object);
	json_object_put(f.object);
}

/* Only in this child's copy: those who were answered before a restart are not answered again. */
static void leave_out_answered(struct incident *in)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n_holders; i++) {
		if (in->holders[i].outcome)
			holder_done(&in->holders[i]);
		else
			in->holders[n++] = in->holders[i];
	}
	in->n_holders = n;
}

static int run(struct worker_link *link, void *userdata)
{
	struct job *job = userdata;
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0)
		return -errno;
	leave_out_answered(job->in);
	return respond_to_holders(proc_fd, job->in, job->dry_run, tell_outcome, link);
}

/* ---- in the daemon ---- */

static struct holder *find_holder(struct incident *in, uint64_t pid, uint64_t start_ticks)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if ((uint64_t)in->holders[i].pid == pid &&
		    in->holders[i].start_ticks == start_ticks)
			return &in->holders[i];
	return NULL;
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct journey *j = userdata;
	struct json_fields f = { .object = message };
	_cleanup_(freep) char *event = NULL, *outcome = NULL, *reason = NULL;
	uint64_t pid = 0, start_ticks = 0;
	struct holder *holder;

	field_get_string(&f, "event", &event);
	field_get_uint(&f, "pid", &pid);
	field_get_uint(&f, "start_ticks", &start_ticks);
	field_get_string(&f, "outcome", &outcome);
	field_get_string(&f, "reason", &reason);
	holder = f.r == 0 && event ? find_holder(j->in, pid, start_ticks) : NULL;
	if (!holder)
		return;
	string_set(&holder->outcome, outcome);
	string_set(&holder->reason, reason);
	flow_note_kernel(j);
	flow_save(j->flow, j->in);
	feed_send_holder(j->flow->parts.feed, event, SEVERITY_WARNING, j->in, holder, NULL);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct journey *j = userdata;
	struct flow *f = j->flow;

	j->worker = worker_free(w);
	j->busy = false;
	f->n_responding--;
	if (r < 0)
		log_warn(r, "Not every holder of incident %" PRIu64 " could be answered, going on",
			 j->in->number);
	units_were_stopped(j);
	if (j->intent && f->parts.ledger)
		ledger_outcome(f->parts.ledger, j->intent, r, NULL);
	j->intent = 0;
	journey_go_on(j, STAGE_REPAIR);
	flow_rescan_soon(f);
}

static struct worker_ops ops = {
	.name = "hwp-respond",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
};

static bool anybody_unanswered(const struct incident *in)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if (!in->holders[i].outcome)
			return true;
	return false;
}

static bool anybody_acted_upon(const struct incident *in)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if (!in->holders[i].outcome && in->holders[i].action != VERB_REPORT)
			return true;
	return false;
}

static uint64_t longest_grace(const struct incident *in)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < in->n_holders; i++)
		if (in->holders[i].grace_usec > longest)
			longest = in->holders[i].grace_usec;
	return longest;
}

static bool put_on_record(struct journey *j)
{
	struct ledger *ledger = j->flow->parts.ledger;
	int r;

	r = ledger ? ledger_intent(ledger, j->in->number, "respond", NULL, &j->intent) : -ENODEV;
	if (r >= 0)
		r = units_about_to_stop(j);
	if (r < 0)
		log_warn(r,
			 "Cannot record what is to be done for incident %" PRIu64
			 ", only reporting its holders",
			 j->in->number);
	return r >= 0;
}

int respond_start(struct journey *j)
{
	struct flow *f = j->flow;
	struct job job = { j->in, f->parts.config->dry_run };
	int r;

	if (!anybody_unanswered(j->in)) {
		journey_go_on(j, STAGE_REPAIR);
		return 0;
	}
	if (!job.dry_run && anybody_acted_upon(j->in) && !put_on_record(j))
		job.dry_run = true;

	ops.timeout_usec = longest_grace(j->in) + RESPOND_EXTRA_USEC;
	r = worker_start(f->parts.event, &ops, &job, j, &j->worker);
	if (r < 0)
		return r;
	j->busy = true;
	f->n_responding++;
	return 0;
}
