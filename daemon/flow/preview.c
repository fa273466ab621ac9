// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/preview: the plan of a repair, made in a worker that changes nothing.
 *
 *   flow/order -> [flow/preview] -> repair_preview() (in the worker) -> the answer
 */
#include <errno.h>

#include "flow/flow-private.h"

#define PREVIEW_TIMEOUT_USEC (30 * 60 * USEC_PER_SEC)

/* ---- in the worker ---- */

struct preview {
	struct journey *journey;
	struct flow_view view;
};

static int run(struct worker_link *link, void *userdata)
{
	struct preview *preview = userdata;
	struct incident *in = preview->journey->in;
	_cleanup_(json_object_putp) struct json_object *message = json_object_new_object();
	struct repair_journal journal = { .link = link };
	struct json_object *plan;
	struct repair_job job;
	int r;

	if (!message)
		return -ENOMEM;
	r = flow_repair_job(preview->journey->flow, &preview->view, &journal, &job);
	if (r < 0)
		return r;
	in->repair.wish = REPAIR_ZERO; /* what an order would do */
	in->repair.pause_holders = order_may_pause(preview->journey->flow, in);
	r = repair_preview(&job, in, &plan);
	if (r < 0)
		return r;
	json_object_object_add(message, "plan", plan);
	return worker_tell(link, message);
}

/* ---- in the daemon ---- */

static void on_plan(struct worker *w, struct json_object *message, bool wants_reply, void *userdata)
{
	struct journey *j = userdata;
	struct json_object *plan;

	if (j->on_planned && json_object_object_get_ex(message, "plan", &plan)) {
		flow_planned done = TAKE(j->on_planned);

		done(plan, 0, NULL, TAKE(j->order_userdata));
	}
}

static void on_done(struct worker *w, int r, void *userdata)
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

static const struct worker_ops ops = {
	.name = "hwp-plan",
	.run = run,
	.on_message = on_plan,
	.on_done = on_done,
	.timeout_usec = PREVIEW_TIMEOUT_USEC,
};

int preview_start(struct journey *j)
{
	struct preview preview = { .journey = j };
	int r;

	flow_view(j->flow, &preview.view);
	r = worker_start(j->flow->parts.event, &ops, &preview, j, &j->worker);
	if (r < 0)
		return r;
	j->busy = true;
	return 0;
}
