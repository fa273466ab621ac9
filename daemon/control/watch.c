// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watch: events as they happen, for a client that keeps its call open.
 *
 *   feed -> [watch] -> varlink
 *
 * The feed never waits for a reader, so neither do we: what does not fit into the client's queue is
 * counted, and the count is told as soon as there is room.
 */
#include <errno.h>

#include "control/control_private.h"

struct watcher {
	struct feed *feed;
	struct varlink_call *call;
	uint64_t id;
	uint64_t n_dropped;
};

static int tell(struct watcher *w, struct json_fields *f)
{
	int r = f->r < 0 ? f->r : varlink_continue(w->call, f->object);

	json_object_put(f->object);
	return r;
}

static int tell_gap(struct watcher *w)
{
	struct json_fields f;
	int r;

	if (!w->n_dropped)
		return 0;
	f = json_fields_new();
	field_put_uint(&f, "dropped", w->n_dropped);
	r = tell(w, &f);
	if (r >= 0)
		w->n_dropped = 0;
	return r;
}

static void on_event(struct json_object *event, void *userdata)
{
	struct watcher *w = userdata;
	struct json_fields f;

	if (tell_gap(w) >= 0) {
		f = json_fields_new();
		field_put_object(&f, "event", json_object_get(event));
		if (tell(w, &f) >= 0)
			return;
	}
	w->n_dropped++;
}

static void on_room(struct varlink_call *call, void *userdata)
{
	tell_gap(userdata);
}

static void on_gone(struct varlink_call *call, void *userdata)
{
	struct watcher *w = userdata;

	feed_unsubscribe(w->feed, w->id);
	free(w);
	varlink_drop(call);
}

void control_watch(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	_cleanup_(freep) struct watcher *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		control_fail(call, -ENOMEM);
		return;
	}
	w->feed = c->parts.feed;
	w->call = call;
	r = feed_subscribe(w->feed, on_event, w, &w->id);
	if (r < 0) {
		control_fail(call, r);
		return;
	}
	varlink_call_notify(call, on_gone, on_room, TAKE(w));
	varlink_continue(call, NULL);
}
