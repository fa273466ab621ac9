// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/units: units that we stop, and start again when the repair is finished.
 *
 *   flow/respond -> [flow/units] ... the end of the repair -> respond/units (in a worker)
 *
 * In:   the units of holders whose rule says stop-unit and RestartUnit=yes.
 * Out:  the same units, running, once their files are whole.
 *
 * The intent "stop-unit" is in the ledger before systemd is asked, and its outcome is that the unit
 * was started again: whatever ends us in between, the next start knows which units are down on our
 * account. A unit is not started while another open incident that it holds is still on its way: it
 * would be stopped again at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"
#include "json-fields.h"
#include "log.h"
#include "respond/units.h"

#define STEP		   "stop-unit"
#define START_TIMEOUT_USEC (15 * 60 * USEC_PER_SEC)

struct stopped_unit {
	struct flow *flow;
	uint64_t incident;
	int64_t intent;
	char *unit;
	bool stopped; /* else systemd is being asked to */
	struct worker *starting;
};

static struct stopped_unit *find(struct flow *f, uint64_t incident, const char *unit)
{
	for (size_t i = 0; i < f->n_units; i++)
		if (f->units[i]->incident == incident && !strcmp(f->units[i]->unit, unit))
			return f->units[i];
	return NULL;
}

static int add(struct flow *f, uint64_t incident, int64_t intent, const char *unit, bool stopped)
{
	struct stopped_unit **grown = reallocarray(f->units, f->n_units + 1, sizeof(*grown));
	struct stopped_unit *u = calloc(1, sizeof(*u));

	if (grown)
		f->units = grown;
	if (u)
		*u = (struct stopped_unit){ f, incident, intent, strdup(unit), stopped, NULL };
	if (!grown || !u || !u->unit) {
		free(u);
		return -ENOMEM;
	}
	f->units[f->n_units++] = u;
	return 0;
}

static void forget(struct stopped_unit *u)
{
	struct flow *f = u->flow;
	size_t i = 0;

	while (f->units[i] != u)
		i++;
	f->units[i] = f->units[--f->n_units];
	worker_free(u->starting);
	free(u->unit);
	free(u);
}

/* ---- stop ---- */

static int put_on_record(struct flow *f, uint64_t incident, const char *unit)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	struct json_fields fields = json_fields_new();
	int64_t intent;
	int r;

	field_put_string(&fields, "unit", unit);
	detail = json_fields_done(&fields);
	if (!detail || !f->parts.ledger)
		return detail ? -ENODEV : -ENOMEM;
	r = ledger_intent(f->parts.ledger, incident, STEP, detail, &intent);
	return r < 0 ? r : add(f, incident, intent, unit, false);
}

int units_about_to_stop(struct journey *j)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < j->in->n_holders; i++) {
		const struct holder *holder = &j->in->holders[i];

		if (holder->outcome || holder->action != VERB_STOP_UNIT || !holder->restart_unit ||
		    !holder->unit || find(j->flow, j->in->number, holder->unit))
			continue;
		r = put_on_record(j->flow, j->in->number, holder->unit);
	}
	return r;
}

/* One that is slow to stop counts: it will be down, or its start waits for that. */
static bool was_stopped(const struct incident *in, const char *unit)
{
	for (size_t i = 0; i < in->n_holders; i++) {
		const struct holder *holder = &in->holders[i];

		if (holder->unit && !strcmp(holder->unit, unit) &&
		    holder->action == VERB_STOP_UNIT && holder->outcome &&
		    (!strcmp(holder->outcome, "stopped") || !strcmp(holder->outcome, "failed") ||
		     !strcmp(holder->outcome, "survived")))
			return true;
	}
	return false;
}

void units_were_stopped(struct journey *j)
{
	struct flow *f = j->flow;

	for (size_t i = f->n_units; i-- > 0;) {
		struct stopped_unit *u = f->units[i];

		if (u->incident != j->in->number || u->stopped)
			continue;
		u->stopped = was_stopped(j->in, u->unit);
		if (u->stopped)
			continue;
		ledger_outcome(f->parts.ledger, u->intent, -ECANCELED, NULL);
		forget(u);
	}
}

/* ---- start again ---- */

static int run(struct worker_link *link, void *userdata)
{
	const struct stopped_unit *u = userdata;
	_cleanup_(units_freep) struct units *units = NULL;
	int r;

	r = units_open(&units);
	if (r >= 0)
		r = units_start(units, u->unit);
	while (r >= 0 && (r = units_result(units, u->unit)) == 0)
		r = units_wait(units, UINT64_MAX);
	return r < 0 ? r : 0;
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
}

static void tell_holder(struct flow *f, struct incident *in, struct holder *holder, int r)
{
	_cleanup_(freep) char *reason = NULL;

	if (asprintf(&reason, "%s; its unit %s%s", holder->reason ?: "",
		     r < 0 ? "could not be started again: " : "was started again",
		     r < 0 ? strerror(-r) : "") < 0)
		reason = NULL;
	string_set(&holder->reason, reason);
	if (r >= 0)
		string_set(&holder->outcome, "restarted");
	if (f->parts.ledger)
		ledger_put_incident(f->parts.ledger, in);
	feed_send_holder(f->parts.feed, "holder.reported",
			 r < 0 ? SEVERITY_CRITICAL : SEVERITY_INFO, in, holder, NULL);
}

/* The incident may be over, and only the ledger's by now. Of several processes the first is told.
 */
static void tell(struct stopped_unit *u, int r)
{
	_cleanup_(incident_freep) struct incident *ended = NULL;
	struct flow *f = u->flow;
	struct incident *in = NULL;

	for (size_t i = 0; i < f->n_journeys && !in; i++)
		if (f->journeys[i]->in->number == u->incident)
			in = f->journeys[i]->in;
	if (!in && f->parts.ledger &&
	    ledger_get_incident(f->parts.ledger, u->incident, &ended) >= 0)
		in = ended;
	for (size_t i = 0; in && i < in->n_holders; i++) {
		struct holder *holder = &in->holders[i];

		if (holder->unit && !strcmp(holder->unit, u->unit) &&
		    holder->action == VERB_STOP_UNIT) {
			tell_holder(f, in, holder, r);
			return;
		}
	}
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct stopped_unit *u = userdata;
	struct flow *f = u->flow;

	if (r < 0)
		log_err(r,
			"Cannot start %s again, which was stopped for incident %" PRIu64
			", leaving it to the administrator",
			u->unit, u->incident);
	else
		log_notice(0, "Started %s again, its files are whole", u->unit);
	tell(u, r);
	if (f->parts.ledger)
		ledger_outcome(f->parts.ledger, u->intent, r, NULL);
	forget(u);
	flow_pump(f);
}

static const struct worker_ops ops = {
	.name = "hwp-unit",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
	.timeout_usec = START_TIMEOUT_USEC,
};

/* The incident has ended, or what is left of it is not the files'. */
static bool is_finished(struct flow *f, uint64_t incident)
{
	const struct incident *in = flow_get(f, incident);
	const struct repair *repair = in ? &in->repair : NULL;

	if (!repair)
		return true;
	if (!repair->state)
		return false;
	return !strcmp(repair->state, "done") || repair_is_in_quarantine(repair);
}

/* Would it come back only to hold what is being dealt with? */
static bool is_held_up(struct flow *f, const char *unit)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		const struct journey *j = f->journeys[i];

		if (!j->busy && j->stage == STAGE_REST)
			continue;
		for (size_t k = 0; k < j->in->n_holders; k++)
			if (j->in->holders[k].unit && !strcmp(j->in->holders[k].unit, unit))
				return true;
	}
	return false;
}

void units_start_again(struct flow *f)
{
	for (size_t i = 0; i < f->n_units; i++) {
		struct stopped_unit *u = f->units[i];
		int r;

		if (!u->stopped || u->starting || !is_finished(f, u->incident) ||
		    is_held_up(f, u->unit))
			continue;
		r = worker_start(f->parts.event, &ops, u, u, &u->starting);
		if (r < 0)
			log_err(r, "Cannot start %s again yet, the next change tries again",
				u->unit);
	}
}

/* ---- start and end of the daemon ---- */

static int load_one(int64_t intent, uint64_t incident, const char *step, struct json_object *detail,
		    void *userdata)
{
	struct json_object *unit;

	if (strcmp(step, STEP) || !detail || !json_object_object_get_ex(detail, "unit", &unit))
		return 0;
	return add(userdata, incident, intent, json_object_get_string(unit), true);
}

int units_load(struct flow *f)
{
	return ledger_unfinished(f->parts.ledger, load_one, f);
}

void units_free_all(struct flow *f)
{
	while (f->n_units)
		forget(f->units[f->n_units - 1]);
	free(f->units);
}
