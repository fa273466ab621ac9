// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/repair: mend the media and the files, one incident at a time, in a worker.
 *
 *   flow/respond -> [flow/repair] -> repair (in the worker) -> the end of the journey
 *
 * The worker takes no irreversible step without our answer, and we answer when the ledger has
 * committed. However the worker ends, processes that it left stopped are continued here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "flow/flow-private.h"
#include "log.h"
#include "repair/journal.h"
#include "repair/pause.h"

/* A range of gigabytes takes long; one that hangs must end some day. */
#define REPAIR_TIMEOUT_USEC  (6 * 3600 * USEC_PER_SEC)
#define MAX_CUT_OFF	     3
#define PREVIEW_TIMEOUT_USEC (30 * 60 * USEC_PER_SEC)

/* One that ends its worker each time waits for an order, or for the next start. */
#define MAX_FINISHING 3u

/* ---- in the worker ---- */

struct job {
	struct journey *journey;
	struct flow_view view;
};

static int make_job(struct job *job, struct worker_link *link, struct repair_journal *journal,
		    struct repair_job *ret)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0)
		return -errno;
	*journal = (struct repair_journal){ .link = link, .incident = job->journey->in->number };
	job->view.policy.proc_fd = proc_fd;
	*ret = (struct repair_job){
		.map = nvdimm_map(job->journey->flow->parts.nvdimm),
		.policy = &job->view.policy,
		.journal = journal,
		.runtime_dir = job->journey->flow->parts.runtime_dir,
		.proc_fd = proc_fd,
		.how.hints_directory = job->journey->flow->parts.state_dir,
	};
	return 0;
}

static int tell(struct worker_link *link, const char *name, struct json_object *value)
{
	_cleanup_(json_object_putp) struct json_object *message = json_object_new_object();

	if (!message || !value)
		return -ENOMEM;
	json_object_object_add(message, name, json_object_get(value));
	return worker_tell(link, message);
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

static int run_repair(struct worker_link *link, void *userdata)
{
	struct job *job = userdata;
	_cleanup_(json_object_putp) struct json_object *incident = NULL;
	struct repair_journal journal;
	struct repair_job repair;
	int r;

	r = lock_repairs(job->journey->flow->parts.state_dir);
	if (r < 0)
		return r;
	r = make_job(job, link, &journal, &repair);
	if (r < 0)
		return r;
	r = repair_run(&repair, job->journey->in);
	if (r < 0)
		return r;
	incident = incident_to_json(job->journey->in);
	return tell(link, "incident", incident);
}

static int run_preview(struct worker_link *link, void *userdata)
{
	struct job *job = userdata;
	_cleanup_(json_object_putp) struct json_object *plan = NULL;
	struct repair_journal journal;
	struct repair_job repair;
	int r;

	r = make_job(job, link, &journal, &repair);
	if (r < 0)
		return r;
	job->journey->in->repair.wish = REPAIR_ZERO; /* what an order would do */
	job->journey->in->repair.pause_holders = order_may_pause(job->journey->flow,
								 job->journey->in);
	r = repair_preview(&repair, job->journey->in, &plan);
	if (r < 0)
		return r;
	return tell(link, "plan", plan);
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

static void on_repair_message(struct worker *w, struct json_object *message, bool wants_reply,
			      void *userdata)
{
	struct journey *j = userdata;
	_cleanup_(incident_freep) struct incident *after = NULL;
	struct json_object *incident;
	int r;

	if (wants_reply) {
		r = journal_serve(j->flow->parts.ledger, w, j->in->number, message);
		if (r < 0)
			log_warn(r, "Cannot answer the repair of incident %" PRIu64 ", it stops",
				 j->in->number);
		return;
	}
	if (!json_object_object_get_ex(message, "incident", &incident))
		return;
	r = incident_from_json(incident, &after);
	if (r < 0) {
		log_err(r, "Cannot read the outcome of the repair of incident %" PRIu64,
			j->in->number);
		return;
	}
	/* Its owners and holders stay those that lost something: who has the block now is another
	 * story. */
	wait_for_holders(j, after);
	take_repair(j->in, after);
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

static void on_repair_done(struct worker *w, int r, void *userdata)
{
	struct journey *j = userdata;
	struct flow *f = j->flow;

	j->worker = worker_free(w);
	j->busy = false;
	f->repairing = NULL;
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

	/* The list decides: no longer bad is the end of the journey, see end_gone(). */
	flow_rescan(f);
}

static const struct worker_ops repair_ops = {
	.name = "hwp-repair",
	.run = run_repair,
	.on_message = on_repair_message,
	.on_done = on_repair_done,
	.timeout_usec = REPAIR_TIMEOUT_USEC,
};

static int leave(struct journey *j)
{
	j->stage = STAGE_REST;
	j->in->state = INCIDENT_LEFT;
	flow_save(j->flow, j->in);
	retry_later(j);
	return 0;
}

int repair_start(struct journey *j)
{
	struct flow *f = j->flow;
	struct job job = { .journey = j };
	int r;

	wait_cancel(j);
	if (j->in->repair.wish == REPAIR_NONE)
		return leave(j);
	if (f->parts.config->dry_run) {
		flow_tell(j, "repair.planned", SEVERITY_INFO, "dry-run");
		return leave(j);
	}

	/* What a cut off repair is resumed for, or tried again for, was planned and told before. */
	if (j->in->state != INCIDENT_REPAIRING && !j->retry.runs) {
		set_reason(j->in, "planned", NULL, NULL);
		flow_tell(j, "repair.planned", SEVERITY_INFO, NULL);
	}
	set_reason(j->in, "running", NULL, NULL);
	j->in->state = INCIDENT_REPAIRING;
	flow_save(f, j->in);

	flow_view(f, &job.view);
	r = worker_start(f->parts.event, &repair_ops, &job, j, &j->worker);
	if (r < 0)
		return r;
	j->busy = true;
	f->repairing = j;
	return 0;
}

static void on_plan(struct worker *w, struct json_object *message, bool wants_reply, void *userdata)
{
	struct journey *j = userdata;
	struct json_object *plan;

	if (j->on_planned && json_object_object_get_ex(message, "plan", &plan)) {
		flow_planned done = TAKE(j->on_planned);

		done(plan, 0, NULL, TAKE(j->order_userdata));
	}
}

static void on_preview_done(struct worker *w, int r, void *userdata)
{
	struct journey *j = userdata;
	flow_planned done = TAKE(j->on_planned);

	j->worker = worker_free(w);
	j->busy = false;
	journey_go_on(j, j->stage);
	if (done)
		done(NULL, r < 0 ? r : -EIO, "worker", TAKE(j->order_userdata));
	flow_rescan(j->flow);
}

static const struct worker_ops preview_ops = {
	.name = "hwp-plan",
	.run = run_preview,
	.on_message = on_plan,
	.on_done = on_preview_done,
	.timeout_usec = PREVIEW_TIMEOUT_USEC,
};

int preview_start(struct journey *j)
{
	struct job job = { .journey = j };
	int r;

	flow_view(j->flow, &job.view);
	r = worker_start(j->flow->parts.event, &preview_ops, &job, j, &j->worker);
	if (r < 0)
		return r;
	j->busy = true;
	return 0;
}
