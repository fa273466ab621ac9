// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/repair: mend the media and the files, one incident after the other, in a worker.
 *
 *   flow/respond -> [flow/repair] -> repair (in the worker) -> the end of the journey
 *
 * A worker is given all that wait, asks who has their pages once for all, and with the outcome of
 * each it asks us for the next. Only for a second: then what it knows is old, and the rest is for
 * another one. So is what has changed here since it was forked.
 *
 * The worker takes no irreversible step without our answer, and we answer when the ledger has
 * committed. However the worker ends, processes that it left stopped are continued here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "flow/flow-private.h"
#include "log.h"
#include "repair/journal.h"
#include "repair/pause.h"

/* A range of gigabytes takes long; one that hangs must end some day. */
#define REPAIR_TIMEOUT_USEC (6 * 3600 * USEC_PER_SEC)

/* What a fork costs, and asking for all, is little for each of so many; and what was asked in vain
 * where there is no time for all of them is little, too. */
#define MAX_BATCH  16u
#define BATCH_USEC USEC_PER_SEC

/* One that ends its worker each time waits for an order, or for the next start. */
#define MAX_FINISHING 3u

struct repair_batch {
	struct flow *flow;
	struct worker *worker;
	struct flow_view view; /* as of the fork, as are the incidents: for the child alone */
	struct incident *incidents[MAX_BATCH];
	struct given {
		uint64_t number, updated_usec;
	} given[MAX_BATCH];
	size_t n, n_begun;
	struct journey *current; /* NULL: its outcome is known, and no other was begun */
	uint64_t fingerprint; /* of the rules */
	uint64_t heard_usec; /* CLOCK_MONOTONIC, when it had asked for all; 0: not yet */
};

/* ---- in the worker ---- */

int flow_repair_job(struct flow *f, struct flow_view *view, struct repair_journal *journal,
		    struct repair_job *ret)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0)
		return -errno;
	view->policy.proc_fd = proc_fd;
	*ret = (struct repair_job){
		.map = nvdimm_map(f->parts.nvdimm),
		.policy = &view->policy,
		.journal = journal,
		.runtime_dir = f->parts.runtime_dir,
		.proc_fd = proc_fd,
		.how.hints_directory = f->parts.state_dir,
	};
	return 0;
}

/*
 * One repair at a time, also when a worker outlives its daemon for the step that it is in: the next
 * daemon's worker waits until that one has noticed.
 */
static int lock_repairs(const char *state_dir)
{
	_cleanup_(freep) char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/repair.lock", state_dir) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	return flock(fd, LOCK_EX) < 0 ? -errno : fd; /* until this process ends */
}

/* 1: it is incidents[*ret]; 0: none; negative errno. */
static int ask_next(struct incident *done, size_t *ret, void *userdata)
{
	_cleanup_(json_object_putp) struct json_object *message = json_object_new_object();
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	struct json_object *incident = incident_to_json(done), *next;
	int r;

	if (!message || !incident) {
		json_object_put(incident);
		return -ENOMEM;
	}
	json_object_object_add(message, "incident", incident);
	r = worker_ask(userdata, message, &answer);
	if (r < 0 || !json_object_object_get_ex(answer, "next", &next))
		return r;
	*ret = json_object_get_uint64(next);
	return 1;
}

static int run(struct worker_link *link, void *userdata)
{
	struct repair_batch *batch = userdata;
	struct repair_journal journal = { .link = link };
	struct repair_job job;
	int r;

	r = lock_repairs(batch->flow->parts.state_dir);
	if (r >= 0)
		r = flow_repair_job(batch->flow, &batch->view, &journal, &job);
	if (r < 0)
		return r;
	return repair_run(&job, batch->incidents, batch->n, ask_next, link);
}

/* ---- in the daemon ---- */

struct continuing {
	struct flow *flow;
	uint64_t incident; /* 0: of any */
};

static int continue_one(int64_t intent, uint64_t incident, const char *step,
			struct json_object *detail, void *userdata)
{
	struct continuing *c = userdata;

	if (c->incident && c->incident != incident)
		return 0;
	if (!strcmp(step, "pause") && detail)
		pause_continue_recorded(c->flow->parts.proc_fd, detail);
	else if (strcmp(step, "plan"))
		return 0; /* the next repair looks what became of it */
	ledger_outcome(c->flow->parts.ledger, intent, -EINTR, NULL);
	return 0;
}

void repair_continue_paused(struct flow *f, uint64_t incident)
{
	struct continuing c = { f, incident };
	int r;

	r = ledger_unfinished(f->parts.ledger, continue_one, &c);
	if (r < 0)
		log_err(r, "Cannot read from the ledger which processes a repair left stopped");
}

static void take_repair(struct incident *to, struct incident *from)
{
	struct repair old = to->repair;

	to->repair = from->repair;
	from->repair = old;
}

/* Where that fails, the steps of the repair hold them too. */
static void record_losses(struct flow *f, const struct incident *in)
{
	if (f->parts.ledger && in->repair.n_losses)
		ledger_add_losses(f->parts.ledger, in->number, in->repair.losses,
				  in->repair.n_losses);
}

static void set_reason(struct incident *in, const char *state, const char *reason,
		       const char *detail)
{
	string_set(&in->repair.state, state);
	string_set(&in->repair.reason, reason);
	string_set(&in->repair.detail, detail);
}

/* The worker itself failed: nobody knows more than what the ledger says. */
static void explain_worker(struct incident *in, int r)
{
	if (r == -EREMOTEIO)
		set_reason(in, "waiting", "ledger",
			   "the ledger can't be written, and no step is taken without it");
	else if (r == -EOVERFLOW)
		set_reason(
			in, "waiting", "list-cut",
			"the list of bad blocks is longer than the kernel shows, and ends before "
			"this page: others have to be repaired first");
	else
		set_reason(in, "failed", r == -ETIME ? "timeout" : "worker", strerror(-r));
}

bool repair_finish_cut_off(struct journey *j)
{
	static const char *const reasons[] = { "worker", "timeout", "ledger", "list-cut" };
	const struct repair *repair = &j->in->repair;
	bool cut_off = repair->state && !strcmp(repair->state, "running");

	for (size_t i = 0; repair->reason && i < sizeof(reasons) / sizeof(*reasons); i++)
		cut_off = cut_off || !strcmp(repair->reason, reasons[i]);
	if (cut_off && j->n_finishing < MAX_FINISHING) {
		j->n_finishing++;
		j->in->state = INCIDENT_REPAIRING;
		j->stage = STAGE_REPAIR;
	}
	return cut_off;
}

static void tell_result(struct journey *j)
{
	const struct repair *repair = &j->in->repair;

	if (!strcmp(repair->state, "done"))
		flow_tell(j, "repair.done", SEVERITY_INFO, repair->reason);
	else if (!strcmp(repair->state, "waiting"))
		flow_tell(j, "repair.waiting", SEVERITY_WARNING, repair->reason);
	else if (!strcmp(repair->state, "failed"))
		flow_tell(j, "repair.failed", SEVERITY_CRITICAL, repair->reason);
}

/* The repair has ended. r: 0; or negative errno, and nobody knows more than what the ledger says.
 */
static void finish(struct journey *j, int r)
{
	struct flow *f = j->flow;

	j->busy = false;
	if (f->parts.ledger)
		repair_continue_paused(f, j->in->number);
	if (r < 0)
		explain_worker(j->in, r);
	if (!j->in->repair.state)
		set_reason(j->in, "none", NULL, NULL);

	/* It is open until the lists were read again: killed before that, the next start ends it.
	 */
	record_losses(f, j->in);
	j->in->state = INCIDENT_LEFT;
	flow_save(f, j->in);
	if (!strcmp(j->in->repair.state, "done") && !j->in->repair.reason)
		j->in->state = INCIDENT_REPAIRED;
	if (!retry_tells_nothing_new(j))
		tell_result(j);
	j->in->state = INCIDENT_LEFT;
	journey_go_on(j, STAGE_REST);
	retry_later(j);
	order_repair_ended(j);
}

static int take_outcome(struct journey *j, struct json_object *incident)
{
	_cleanup_(incident_freep) struct incident *after = NULL;
	int r = incident_from_json(incident, &after);

	if (r < 0)
		return r;
	/* Its owners and holders stay those that lost something: who has the block now is another
	 * story. */
	wait_for_holders(j, after);
	take_repair(j->in, after);
	return 0;
}

static void begin(struct repair_batch *batch, struct journey *j)
{
	/* What a cut off repair is resumed for, or tried again for, was planned and told before. */
	if (j->in->state != INCIDENT_REPAIRING && !j->retry.runs) {
		set_reason(j->in, "planned", NULL, NULL);
		flow_tell(j, "repair.planned", SEVERITY_INFO, NULL);
	}
	set_reason(j->in, "running", NULL, NULL);
	j->in->state = INCIDENT_REPAIRING;
	j->busy = true;
	batch->current = j;
	flow_save(j->flow, j->in);
}

static bool can_begin(const struct journey *j)
{
	return !j->busy && j->stage == STAGE_REPAIR && !j->in->owners_searching;
}

static bool is_old(const struct repair_batch *batch)
{
	return monotonic_usec(batch->flow) - batch->heard_usec > BATCH_USEC ||
	       batch->flow->parts.config->fingerprint != batch->fingerprint;
}

/* Of those that the worker has, the next which is here as it is there. False: there is none. */
static bool begin_next(struct repair_batch *batch, size_t *ret)
{
	while (batch->n_begun < batch->n && !is_old(batch)) {
		const struct given *given = &batch->given[batch->n_begun];
		struct journey *j = journey_find(batch->flow, given->number);

		*ret = batch->n_begun++;
		if (j && can_begin(j) && j->in->updated_usec == given->updated_usec) {
			begin(batch, j);
			return true;
		}
	}
	return false;
}

static int answer_next(struct repair_batch *batch, struct worker *w)
{
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	size_t next;

	if (!answer)
		return -ENOMEM;
	if (begin_next(batch, &next))
		json_object_object_add(answer, "next", json_object_new_uint64(next));
	return worker_reply(w, answer);
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct repair_batch *batch = userdata;
	struct journey *j = batch->current;
	struct json_object *incident;
	int r;

	if (!j)
		return;
	if (!batch->heard_usec)
		batch->heard_usec = monotonic_usec(batch->flow);
	if (json_object_object_get_ex(message, "incident", &incident)) {
		batch->current = NULL;
		finish(j, take_outcome(j, incident));
		r = answer_next(batch, w);
	} else {
		r = journal_serve(batch->flow->parts.ledger, w, j->in->number, message);
	}
	if (r < 0)
		log_warn(r, "Cannot answer the repair of incident %" PRIu64 ", it stops",
			 j->in->number);
}

static void batch_free(struct repair_batch *batch)
{
	worker_free(batch->worker);
	free(batch);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct repair_batch *batch = userdata;
	struct flow *f = batch->flow;

	f->repairing = NULL;
	if (batch->current)
		finish(batch->current, r < 0 ? r : -EPROTO);
	batch_free(batch);

	/* The list decides: no longer bad is the end of the journey, see end_gone(). */
	flow_rescan(f);
}

static const struct worker_ops ops = {
	.name = "hwp-repair",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
	.timeout_usec = REPAIR_TIMEOUT_USEC,
};

/* False: it is over without one. */
static bool is_wanted(struct journey *j)
{
	wait_cancel(j);
	if (j->in->repair.wish == REPAIR_NONE)
		return false;
	if (j->flow->parts.config->dry_run)
		flow_tell(j, "repair.planned", SEVERITY_INFO, "dry-run");
	return !j->flow->parts.config->dry_run;
}

static int start(struct flow *f, struct journey **waiting, size_t n)
{
	struct repair_batch *batch = calloc(1, sizeof(*batch));
	int r;

	if (!batch)
		return -ENOMEM;
	*batch = (struct repair_batch){
		.flow = f,
		.n = n,
		.n_begun = 1,
		.fingerprint = f->parts.config->fingerprint,
	};
	flow_view(f, &batch->view);
	begin(batch, waiting[0]);
	for (size_t i = 0; i < n; i++) {
		batch->incidents[i] = waiting[i]->in;
		batch->given[i] = (struct given){ waiting[i]->in->number,
						  waiting[i]->in->updated_usec };
	}
	r = worker_start(f->parts.event, &ops, batch, batch, &batch->worker);
	if (r < 0) {
		waiting[0]->busy = false;
		batch_free(batch);
		return r;
	}
	f->repairing = batch;
	return 0;
}

static void leave(struct journey *j, int r, const char *reason, const char *detail)
{
	journey_rest(j);
	order_answer(j, r, reason, detail);
}

/* Those that were ordered, or the others. Returns how many there are with these. */
static size_t collect(struct flow *f, bool ordered, struct journey **waiting, size_t n)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (!can_begin(j) || ordered != !!j->on_repaired)
			continue;
		if (!is_wanted(j))
			leave(j, -EPERM, "dry-run", "DryRun=yes is in force, nothing is repaired");
		else if (n < MAX_BATCH)
			waiting[n++] = j;
	}
	return n;
}

void repair_pump(struct flow *f)
{
	struct journey *waiting[MAX_BATCH];
	size_t n;
	int r = 0;

	n = collect(f, true, waiting, 0);
	n = collect(f, false, waiting, n);
	if (n && !f->repairing)
		r = start(f, waiting, n);
	if (r >= 0)
		return;
	log_err(r, "Cannot repair incident %" PRIu64 " and %zu more, leaving them as they are",
		waiting[0]->in->number, n - 1);
	for (size_t i = 0; i < n; i++)
		leave(waiting[i], r, "worker", strerror(-r));
}

bool repair_runs(const struct journey *j)
{
	return j->flow->repairing && j->flow->repairing->current == j;
}

void repair_cancel(struct flow *f)
{
	if (f->repairing)
		batch_free(TAKE(f->repairing));
}
