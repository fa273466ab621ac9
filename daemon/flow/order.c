// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/order: what an administrator orders, a repair or the plan of one.
 *
 *   control -> [flow/order] -> flow/repair -> the answer
 *
 * An order goes over the rules' wish, but a rule that shields its processes from being paused still
 * does. One that comes while a repair is tried again by itself begins when that has ended in vain.
 * (It is refused while anything else is done about the incident.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"
#include "policy/verdict.h"

bool order_may_pause(struct flow *f, const struct incident *in)
{
	struct repair_verdict verdict = { 0 };
	struct flow_view view;
	bool may;

	flow_view(f, &view);
	if (verdict_on_repair(&view.policy, in, &verdict) < 0)
		return false;
	may = !verdict.rule || verdict.rule->pause_holders;
	free(verdict.reason);
	return may;
}

static void begin(struct journey *j)
{
	string_set(&j->in->repair.rule, NULL);
	j->in->repair.wish = REPAIR_ZERO;
	j->in->repair.pause_holders = order_may_pause(j->flow, j->in);
	j->stage = STAGE_REPAIR;
}

/* Nobody has to know that the daemon tries something by itself just now. */
static bool may_wait(const struct journey *j)
{
	return repair_runs(j) && j->retry.runs && !j->on_repaired && !j->on_planned;
}

int flow_order_repair(struct flow *f, uint64_t number, flow_repaired done, void *userdata)
{
	struct journey *j = journey_find(f, number);
	bool soon;

	if (!j)
		return -ENOENT;
	if (f->parts.config->dry_run)
		return -EPERM;
	soon = may_wait(j);
	if ((j->busy || j->stage != STAGE_REST) && !soon)
		return -EBUSY;
	if (incident_is_ram(j->in)) {
		done(j->in, -EOPNOTSUPP, "ram", ram_why_not_repaired, userdata);
		return 0;
	}

	j->on_repaired = done;
	j->order_userdata = userdata;
	j->order_waits = soon;
	if (soon)
		return 0;
	begin(j);
	flow_pump(f);
	return 0;
}

int flow_plan_repair(struct flow *f, uint64_t number, flow_planned done, void *userdata)
{
	struct journey *j = journey_find(f, number);
	bool soon;
	int r;

	if (!j)
		return -ENOENT;
	soon = may_wait(j);
	if (j->busy && !soon)
		return -EBUSY;
	if (incident_is_ram(j->in)) {
		done(NULL, -EOPNOTSUPP, "ram", userdata);
		return 0;
	}
	r = soon ? 0 : preview_start(j);
	if (r < 0)
		return r;
	j->order_waits = soon;
	j->on_planned = done;
	j->order_userdata = userdata;
	return 0;
}

static void begin_waiting(struct journey *j)
{
	flow_planned done;
	int r;

	if (j->on_repaired) {
		begin(j);
		return;
	}
	r = preview_start(j);
	done = r < 0 ? TAKE(j->on_planned) : NULL;
	if (done)
		done(NULL, r, "worker", TAKE(j->order_userdata));
}

void order_answer(struct journey *j, int r, const char *reason, const char *detail)
{
	flow_repaired done = TAKE(j->on_repaired);

	if (done)
		done(j->in, r, reason, detail, TAKE(j->order_userdata));
}

void order_repair_ended(struct journey *j)
{
	const struct repair *repair = &j->in->repair;
	bool waits = j->order_waits && (j->on_repaired || j->on_planned);
	bool repaired = !strcmp(repair->state, "done");

	j->order_waits = false;
	if (waits && (j->on_planned || !repaired)) {
		begin_waiting(j);
		return;
	}
	order_answer(j, repaired ? 0 : -EIO, repair->reason, repair->detail);
}

void flow_forget_order(struct flow *f, void *userdata)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (j->order_userdata != userdata)
			continue;
		j->on_repaired = NULL;
		j->on_planned = NULL;
		j->order_userdata = NULL;
	}
}
