// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/judge: open incidents when the rules change.
 *
 *   SIGHUP, Reload, a start with other rules -> [flow/judge] -> flow/resolve
 *
 * In:   a configuration that was read whole and has no mistakes.
 * Out:  every open incident back at the stage where it is judged, by owners and holders as they are
 *       then: weeks may have passed since they were found.
 *
 * Nothing is acted upon by rules of which only half are in force: what a worker is doing it ends by
 * the rules that it began with, and what waits behind it is judged anew first. A repair that was
 * cut off is finished in any case, since half of one is worse than either; it asks the rules in
 * force itself before it changes one more file. An administrator's order is not a rule's. A
 * reload that changes nothing, as for a rotated log, judges nothing.
 */
#include <errno.h>
#include <string.h>

#include "flow/flow-private.h"
#include "log.h"

/* What it waited for was the old verdict's business. What failed stays told until it is tried
 * again. */
static void forget_waiting(struct repair *repair)
{
	if (!repair->state || strcmp(repair->state, "waiting") || repair->n_losses)
		return;
	string_set(&repair->state, "none");
	string_set(&repair->reason, NULL);
	string_set(&repair->detail, NULL);
}

static void judge(struct journey *j)
{
	wait_cancel(j);
	forget_waiting(&j->in->repair);
	j->stale = false;
	j->anew = true;
	j->stage = STAGE_RESOLVE;
}

void journey_go_on(struct journey *j, enum stage next)
{
	if (j->stale)
		judge(j);
	else
		j->stage = next;
}

static void judge_later_or_now(struct journey *j)
{
	if (j->stage == STAGE_RESOLVE)
		j->anew = true; /* is judged by what is in force when its owners are known */
	else if (j->busy)
		j->stale = true;
	else if (!j->on_repaired && j->in->state != INCIDENT_REPAIRING)
		judge(j);
}

/* On record, so that the next start knows whether it has other rules. */
static bool note_rules(struct flow *f)
{
	uint64_t before = 0;

	if (!f->parts.ledger || ledger_swap_counter(f->parts.ledger, "rules",
						    f->parts.config->fingerprint >> 1, &before) < 0)
		return false;
	return before && before != f->parts.config->fingerprint >> 1;
}

void flow_set_config(struct flow *f, const struct config *config)
{
	bool same = config->fingerprint == f->parts.config->fingerprint;

	f->parts.config = config;
	if (same)
		return;
	note_rules(f);
	for (size_t i = 0; i < f->n_journeys; i++)
		judge_later_or_now(f->journeys[i]);
	if (f->n_journeys)
		log_info(0, "The rules have changed, judging %zu open incidents anew",
			 f->n_journeys);
	flow_pump(f);
}

void judge_after_start(struct flow *f)
{
	if (!note_rules(f))
		return;
	for (size_t i = 0; i < f->n_journeys; i++)
		judge_later_or_now(f->journeys[i]);
}

static bool stands(const struct holder *holder, enum verb before, bool dry_run)
{
	if (holder->action == VERB_REPORT)
		return true;
	if (!strcmp(holder->outcome, "dry-run") && !dry_run)
		return false;
	return holder->action == before;
}

void judge_answers(struct journey *j, const enum verb *before)
{
	for (size_t i = 0; i < j->in->n_holders; i++) {
		struct holder *holder = &j->in->holders[i];

		if (holder->outcome && !stands(holder, before[i], j->flow->parts.config->dry_run))
			string_set(&holder->outcome, NULL);
	}
}
