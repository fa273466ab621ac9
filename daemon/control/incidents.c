// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * incidents: Status, List, Export and Show: what is known of incidents now, and what is remembered.
 *
 *   flow (open ones), ledger (all) -> [incidents] -> varlink
 *
 * A list can be long: one DIMM can fail in a hundred thousand ranges. So a client that asks with
 * `more` gets it in batches, each made when it has read the one before, and our memory holds one
 * batch. Only the numbers are kept; an incident that ended or changed meanwhile is shown as it is
 * by then.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "control/control_private.h"
#include "source/scrub.h"

#define BATCH	     64u
#define LIST_AT_ONCE 4096u /* without `more` */

struct listing {
	struct control *control;
	bool export; /* records instead of incidents */
	struct varlink_call *call;
	uint64_t *numbers;
	size_t n_numbers;
	size_t n_told;
};

static struct json_object *count_by_state(const struct flow *flow, uint64_t *ret_bytes)
{
	struct json_fields f = json_fields_new();
	unsigned counts[INCIDENT_GONE + 1] = {};

	for (size_t i = 0; i < flow_n_open(flow); i++) {
		const struct incident *in = flow_open_at(flow, i);

		counts[in->state]++;
		*ret_bytes += in->phys.length_bytes;
	}
	for (unsigned s = INCIDENT_FOUND; s <= INCIDENT_GONE; s++)
		if (counts[s])
			field_put_uint(&f, incident_state_name(s), counts[s]);
	if (f.r < 0) {
		json_object_put(f.object);
		return NULL;
	}
	return f.object;
}

static void put_buses(struct json_fields *f)
{
	_cleanup_(freep) struct scrub_state *states = NULL;
	int n = scrub_states(&states);

	field_put_object(f, "buses", control_buses_to_json(states, n > 0 ? (size_t)n : 0));
}

/* What main() knows: the sources, and which of them are degraded. */
static void put_members(struct json_fields *f, struct json_object *members)
{
	_cleanup_(json_object_putp) struct json_object *owned = members;

	if (!owned)
		return;
	json_object_object_foreach (owned, name, value)
		field_put_object(f, name, json_object_get(value));
}

void control_status(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	struct json_fields f = json_fields_new();
	uint64_t n_bytes = 0;
	struct json_object *by_state = count_by_state(c->parts.flow, &n_bytes);

	field_put_string(&f, "version", PACKAGE_VERSION);
	field_put_uint(&f, "pid", (uint64_t)getpid());
	field_put_bool(&f, "dry_run", (*c->parts.policy)->dry_run);
	field_put_bool(&f, "ledger", c->parts.ledger);
	field_put_uint(&f, "open_incidents", flow_n_open(c->parts.flow));
	field_put_uint(&f, "open_bytes", n_bytes);
	field_put_object(&f, "by_state", by_state);
	put_buses(&f);
	field_put_uint(&f, "events_sent", feed_n_sent(c->parts.feed));
	field_put_uint(&f, "events_dropped", feed_n_dropped(c->parts.feed));
	if (c->parts.status)
		put_members(&f, c->parts.status(c->parts.userdata));
	control_reply(call, &f);
}

/* Open incidents are in memory and newer there; ended ones are in the ledger. NULL: no such. */
static struct json_object *find_incident(struct control *c, uint64_t number)
{
	const struct incident *open = flow_get(c->parts.flow, number);
	_cleanup_(incident_freep) struct incident *ended = NULL;

	if (open)
		return incident_to_json(open);
	if (!c->parts.ledger || ledger_get_incident(c->parts.ledger, number, &ended) < 0)
		return NULL;
	return incident_to_json(ended);
}

static struct listing *listing_free(struct listing *l)
{
	free(l->numbers);
	free(l);
	return NULL;
}

DEFINE_CLEANUP(struct listing *, listing_free);

static int listing_add(struct listing *l, uint64_t number)
{
	if (!(l->n_numbers & (l->n_numbers - 1))) { /* full, at each power of two */
		size_t n_wanted = l->n_numbers ? 2 * l->n_numbers : 1;
		uint64_t *grown = reallocarray(l->numbers, n_wanted, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->numbers = grown;
	}
	l->numbers[l->n_numbers++] = number;
	return 0;
}

static int listing_add_incident(struct incident *in, void *userdata)
{
	_cleanup_(incident_freep) struct incident *owned = in;

	return listing_add(userdata, owned->number);
}

static int listing_new(struct control *c, bool all, struct listing **ret)
{
	_cleanup_(listing_freep) struct listing *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->control = c;
	if (all && c->parts.ledger)
		r = ledger_incidents(c->parts.ledger, true, listing_add_incident, l);
	else
		for (size_t i = 0; r >= 0 && i < flow_n_open(c->parts.flow); i++)
			r = listing_add(l, flow_open_at(c->parts.flow, i)->number);
	if (r < 0)
		return r;
	*ret = TAKE(l);
	return 0;
}

static int add_loss(const struct loss *loss, uint64_t lost_usec, void *userdata)
{
	struct json_fields f = json_fields_new();
	struct json_object *json;

	field_put_uint(&f, "inode", loss->inode);
	field_put_string(&f, "mountpoint", loss->mountpoint);
	field_put_strv(&f, "paths", loss->paths);
	field_put_uint(&f, "file_offset_bytes", loss->file_offset_bytes);
	field_put_uint(&f, "length_bytes", loss->length_bytes);
	field_put_uint(&f, "lost_usec", lost_usec);
	json = json_fields_done(&f);
	if (json && userdata && json_object_array_add(userdata, json) == 0)
		return 0;
	json_object_put(json);
	return -ENOMEM;
}

/* An incident with all that is remembered about it. NULL: no such, or out of memory. */
static struct json_object *find_record(struct control *c, uint64_t number)
{
	struct json_object *in = find_incident(c, number), *steps = NULL, *losses = NULL;
	struct json_fields f;

	if (!in)
		return NULL;
	if (c->parts.ledger) {
		ledger_steps(c->parts.ledger, number, &steps);
		losses = json_object_new_array();
		ledger_losses(c->parts.ledger, number, add_loss, losses);
	}
	f = json_fields_new();
	field_put_object(&f, "incident", in);
	field_put_object(&f, "steps", steps ?: json_object_new_array());
	field_put_object(&f, "losses", losses ?: json_object_new_array());
	return json_fields_done(&f);
}

/* The next incidents, n_max at most. */
static struct json_fields listing_batch(struct listing *l, size_t n_max)
{
	struct json_fields f = json_fields_new();
	struct json_object *array = json_object_new_array();

	for (size_t n = 0; array && n < n_max && l->n_told < l->n_numbers; l->n_told++) {
		uint64_t number = l->numbers[l->n_told];
		struct json_object *in = l->export ? find_record(l->control, number)
						   : find_incident(l->control, number);

		if (in && json_object_array_add(array, in) == 0)
			n++;
		else
			json_object_put(in); /* it ended, and there is no ledger to remember it */
	}
	if (!array)
		f.r = -ENOMEM;
	field_put_object(&f, l->export ? "records" : "incidents", array);
	return f;
}

static void listing_go_on(struct varlink_call *call, void *userdata)
{
	_cleanup_(listing_freep) struct listing *l = userdata;

	for (;;) {
		size_t n_told_before = l->n_told;
		struct json_fields f = listing_batch(l, BATCH);
		int r;

		if (f.r < 0 || l->n_told == l->n_numbers) {
			control_reply(call, &f);
			return;
		}
		r = varlink_continue(call, f.object);
		json_object_put(f.object);
		if (r < 0) { /* -EPIPE: listing_gone() comes soon */
			l->n_told = n_told_before;
			l = NULL;
			return;
		}
	}
}

static void listing_gone(struct varlink_call *call, void *userdata)
{
	listing_free(userdata);
	varlink_drop(call);
}

void control_list(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	_cleanup_(listing_freep) struct listing *l = NULL;
	struct json_fields f;
	int r;

	r = listing_new(userdata, varlink_bool(parameters, "all", false), &l);
	if (r < 0) {
		control_fail(call, r);
		return;
	}
	if (varlink_call_wants_more(call)) {
		varlink_call_notify(call, listing_gone, listing_go_on, l);
		listing_go_on(call, TAKE(l));
		return;
	}
	if (l->n_numbers > LIST_AT_ONCE) {
		f = json_fields_new();
		field_put_uint(&f, "n_incidents", l->n_numbers);
		control_error(call, "TooMany", &f);
		return;
	}
	f = listing_batch(l, LIST_AT_ONCE);
	control_reply(call, &f);
}

void control_export(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct listing *l = NULL;
	int r = listing_new(userdata, true, &l);

	if (r < 0) {
		control_fail(call, r);
		return;
	}
	l->export = true;
	varlink_call_notify(call, listing_gone, listing_go_on, l);
	listing_go_on(call, l);
}

void control_show(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	int64_t number = varlink_int(parameters, "incident", 0);
	struct json_fields f = json_fields_new();
	struct json_object *in, *steps = NULL;

	if (number <= 0) {
		json_object_put(f.object);
		varlink_error_parameter(call, "incident");
		return;
	}
	in = find_incident(c, (uint64_t)number);
	if (!in) {
		field_put_uint(&f, "incident", (uint64_t)number);
		control_error(call, "NoSuchIncident", &f);
		return;
	}
	field_put_object(&f, "incident", in);
	if (c->parts.ledger && ledger_steps(c->parts.ledger, (uint64_t)number, &steps) >= 0)
		field_put_object(&f, "steps", steps);
	control_reply(call, &f);
}
