// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrubs: Scrub and ScrubStatus: let the platform search the media, and wait for it.
 *
 *   source/scrub, source/nvdimm (something changed) <-> [scrubs] -> varlink
 *
 * A scrub counts as finished when the bus is idle and its count has moved on from what it was
 * before we started it; the news that something changed only makes us look.
 */
#include <errno.h>
#include <string.h>

#include "control/control_private.h"
#include "source/nvdimm.h"
#include "source/scrub.h"
#include "strv.h"

struct started {
	char bus[sizeof(((struct scrub_state *)NULL)->bus)];
	unsigned count_before;
};

struct scrub_waiter {
	struct control *control;
	struct varlink_call *call;
	struct scrub_waiter *next;
	size_t n_started;
	struct started started[];
};

static struct json_object *bus_to_json(const struct scrub_state *state)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "name", state->bus);
	field_put_string(&f, "provider", state->provider);
	field_put_bool(&f, "scrub_supported", state->supported);
	field_put_bool(&f, "scrub_active", state->active);
	field_put_uint(&f, "scrubs_finished", state->count);
	return f.object;
}

struct json_object *control_buses_to_json(const struct scrub_state *states, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < n; i++)
		json_object_array_add(array, bus_to_json(&states[i]));
	return array;
}

static const struct scrub_state *state_of(const struct scrub_state *states, size_t n,
					  const char *bus)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(states[i].bus, bus) || !strcmp(states[i].provider, bus))
			return &states[i];
	return NULL;
}

static struct json_fields reply_of(const struct scrub_state *states, size_t n)
{
	struct json_fields f = json_fields_new();

	field_put_object(&f, "buses", control_buses_to_json(states, n));
	return f;
}

void control_scrub_status(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	_cleanup_(freep) struct scrub_state *states = NULL;
	int n = scrub_states(&states);
	struct json_fields f;

	if (n < 0) {
		control_fail(call, n);
		return;
	}
	f = reply_of(states, (size_t)n);
	control_reply(call, &f);
}

/* States now of the buses that this client started; *ret_over if all are finished. */
static struct json_fields progress(const struct scrub_waiter *w, bool *ret_over)
{
	_cleanup_(freep) struct scrub_state *states = NULL;
	_cleanup_(freep) struct scrub_state *ours = calloc(w->n_started, sizeof(*ours));
	int n = scrub_states(&states);
	size_t n_ours = 0;

	if (n < 0 || !ours)
		return (struct json_fields){ .r = n < 0 ? n : -ENOMEM };

	*ret_over = true;
	for (size_t i = 0; i < w->n_started; i++) {
		const struct scrub_state *s = state_of(states, (size_t)n, w->started[i].bus);

		if (!s)
			continue; /* the bus went away, and its scrub with it */
		ours[n_ours++] = *s;
		if (s->active || s->count == w->started[i].count_before)
			*ret_over = false;
	}
	return reply_of(ours, n_ours);
}

static void waiter_unlink(struct scrub_waiter *w)
{
	struct scrub_waiter **at = &w->control->scrub_waiters;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

/* Tell the client where its scrubs are; frees the waiter when they are over. */
static void waiter_look(struct scrub_waiter *w)
{
	bool over = false;
	struct json_fields f = progress(w, &over);

	if (f.r < 0 || over) {
		waiter_unlink(w);
		control_reply(w->call, &f);
		free(w);
		return;
	}
	if (varlink_call_wants_more(w->call))
		varlink_continue(w->call, f.object);
	json_object_put(f.object);
}

static void waiter_gone(struct varlink_call *call, void *userdata)
{
	struct scrub_waiter *w = userdata;

	waiter_unlink(w);
	free(w);
	varlink_drop(call);
}

void control_scrub_changed(struct control *c, const char *bus, bool started, unsigned count)
{
	struct scrub_waiter *next;

	for (struct scrub_waiter *w = c->scrub_waiters; w; w = next) {
		next = w->next;
		waiter_look(w);
	}
}

static bool waiter_has(const struct scrub_waiter *w, const char *bus)
{
	for (size_t i = 0; i < w->n_started; i++)
		if (!strcmp(w->started[i].bus, bus))
			return true;
	return false;
}

static void choose_bus(struct scrub_waiter *w, const struct scrub_state *state)
{
	struct started *s;

	if (waiter_has(w, state->bus))
		return;
	s = &w->started[w->n_started++];
	memcpy(s->bus, state->bus, sizeof(s->bus));
	s->count_before = state->count;
}

/* Which buses? All errors that can be known before anything is started end the call here:
 * -ECANCELED. */
static int choose(struct varlink_call *call, struct json_object *names,
		  const struct scrub_state *states, size_t n, struct scrub_waiter *w)
{
	size_t n_names = names ? json_object_array_length(names) : 0;

	for (size_t i = 0; i < n_names; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		const struct scrub_state *state = state_of(states, n, name);
		const char *error = !state		? "NoSuchBus"
				    : !state->supported ? "NotSupported"
				    : state->active	? "Busy"
							: NULL;

		if (error) {
			control_error_string(call, error, state ? "what" : "bus", name);
			return -ECANCELED;
		}
		choose_bus(w, state);
	}
	for (size_t i = 0; !n_names && i < n; i++)
		if (states[i].supported && !states[i].active)
			choose_bus(w, &states[i]);
	if (w->n_started)
		return 0;

	for (size_t i = 0; i < n; i++)
		if (states[i].active) {
			control_error_string(call, "Busy", "what", states[i].bus);
			return -ECANCELED;
		}
	control_error_string(call, "NotSupported", "what", "scrub");
	return -ECANCELED;
}

static int start_all(const struct scrub_waiter *w)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->n_started; i++)
		r = scrub_start(w->started[i].bus);
	if (w->control->parts.nvdimm)
		nvdimm_scrub_started(w->control->parts.nvdimm);
	return r;
}

static void answer_started(struct scrub_waiter *w)
{
	bool over;
	struct json_fields f = progress(w, &over);

	control_reply(w->call, &f);
}

void control_scrub(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	_cleanup_(freep) struct scrub_state *states = NULL;
	_cleanup_(freep) struct scrub_waiter *w = NULL;
	int n = scrub_states(&states), r;

	if (n < 0) {
		control_fail(call, n);
		return;
	}
	w = calloc(1, sizeof(*w) + (size_t)n * sizeof(*w->started));
	if (!w) {
		control_fail(call, -ENOMEM);
		return;
	}
	w->control = c;
	w->call = call;
	r = choose(call, json_object_object_get(parameters, "buses"), states, (size_t)n, w);
	if (r < 0)
		return;
	r = start_all(w);
	if (r == -EBUSY)
		control_error_string(call, "Busy", "what", "scrub");
	else if (r < 0)
		control_fail(call, r);
	else if (!varlink_bool(parameters, "wait", false) && !varlink_call_wants_more(call))
		answer_started(w);
	else {
		w->next = c->scrub_waiters;
		c->scrub_waiters = w;
		varlink_call_notify(call, waiter_gone, NULL, w);
		waiter_look(TAKE(w));
	}
}
