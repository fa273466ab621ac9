// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repairs: Repair: an administrator's order, or the question what it would do.
 *
 *   varlink -> [repairs] -> flow, and back when it is done
 *
 * A repair that has begun does not end because its client left: the call stays with the order, and
 * the answer goes nowhere.
 */
#include <errno.h>
#include <string.h>

#include "control/control_private.h"

struct order {
	struct control *control;
	struct varlink_call *call;
	uint64_t number;
	struct order *next;
};

static void order_free(struct order *o)
{
	struct order **at = &o->control->orders;

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
	free(o);
}

static void reply_failed(struct order *o, int r, const char *reason, const char *detail)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "incident", o->number);
	field_put_string(&f, "reason", reason ? reason : "failed");
	field_put_string(&f, "detail", detail ? detail : strerror(-r));
	control_error(o->call, "RepairFailed", &f);
}

static void on_repaired(const struct incident *in, int r, const char *reason, const char *detail,
			void *userdata)
{
	struct order *o = userdata;
	struct json_fields f;

	if (r < 0) {
		reply_failed(o, r, reason, detail);
	} else {
		f = json_fields_new();
		field_put_object(&f, "incident", in ? incident_to_json(in) : NULL);
		control_reply(o->call, &f);
	}
	order_free(o);
}

static void on_planned(struct json_object *plan, int r, const char *reason, void *userdata)
{
	struct order *o = userdata;
	struct json_fields f;

	if (r < 0) {
		reply_failed(o, r, reason, NULL);
	} else {
		f = json_fields_new();
		field_put_object(&f, "plan", json_object_get(plan));
		control_reply(o->call, &f);
	}
	order_free(o);
}

void control_orders_forget(struct control *c)
{
	while (c->orders) {
		struct order *o = c->orders;

		flow_forget_order(c->parts.flow, o);
		varlink_drop(o->call);
		order_free(o);
	}
}

static void reply_refused(struct varlink_call *call, uint64_t number, int r)
{
	struct json_fields f = json_fields_new();

	if (r == -ENOENT) {
		field_put_uint(&f, "incident", number);
		control_error(call, "NoSuchIncident", &f);
		return;
	}
	if (r == -EPERM) {
		field_put_uint(&f, "incident", number);
		field_put_string(&f, "reason", "dry-run");
		field_put_string(&f, "detail", "DryRun=yes is in force, nothing is repaired");
		control_error(call, "RepairFailed", &f);
		return;
	}
	json_object_put(f.object);
	if (r == -EBUSY)
		control_error_string(call, "Busy", "what", "repair");
	else
		control_fail(call, r);
}

void control_repair(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	int64_t number = varlink_int(parameters, "incident", 0);
	struct order *o;
	int r;

	if (number <= 0) {
		varlink_error_parameter(call, "incident");
		return;
	}
	o = calloc(1, sizeof(*o));
	if (!o) {
		control_fail(call, -ENOMEM);
		return;
	}
	*o = (struct order){ c, call, (uint64_t)number, c->orders };
	c->orders = o;

	if (varlink_bool(parameters, "dry_run", false))
		r = flow_plan_repair(c->parts.flow, o->number, on_planned, o);
	else
		r = flow_order_repair(c->parts.flow, o->number, on_repaired, o);
	if (r < 0) {
		order_free(o);
		reply_refused(call, (uint64_t)number, r);
	}
}
