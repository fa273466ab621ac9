/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_private: what the methods of io.hwpoisond share. */
#pragma once

#include "control/control.h"
#include "control/varlink.h"
#include "json-fields.h"

#define CONTROL_INTERFACE   "io.hwpoisond"
#define CONTROL_MAX_LOOKUPS 4

struct lookup_job;
struct order;
struct scrub_waiter;

struct control {
	struct control_parts parts;
	struct varlink_server *server;
	gid_t readers;			/* group hwpoisond; -1: there is none */
	struct lookup_job *lookups[CONTROL_MAX_LOOKUPS];
	struct order *orders;		/* repairs and plans that are under way */
	struct scrub_waiter *scrub_waiters;
};

extern const struct varlink_interface control_interface;

/* Answer with what was written into f, or fail with f->r. Both end the call and free f->object. */
void control_reply(struct varlink_call *call, struct json_fields *f);
void control_error(struct varlink_call *call, const char *error, struct json_fields *f);

/* Error Failed, with the text of r. */
void control_fail(struct varlink_call *call, int r);

/* An error with one string: NoSuchBus, Busy, ... */
void control_error_string(struct varlink_call *call, const char *error, const char *name,
			  const char *value);

/* {"buses":[...]}, all or those that are named. NULL: out of memory. */
struct scrub_state;
struct json_object *control_buses_to_json(const struct scrub_state *states, size_t n);

/* Give up what runs for clients; they are gone already. */
void control_orders_forget(struct control *c);

/* The methods: userdata is the struct control. */
void control_status(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_list(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_export(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_show(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_watch(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_scrub(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_scrub_status(struct varlink_call *call, struct json_object *parameters,
			  void *userdata);
void control_resolve(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_holders(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_files(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_repair(struct varlink_call *call, struct json_object *parameters, void *userdata);
void control_policy_check(struct varlink_call *call, struct json_object *parameters,
			  void *userdata);
void control_policy_explain(struct varlink_call *call, struct json_object *parameters,
			    void *userdata);
void control_reload(struct varlink_call *call, struct json_object *parameters, void *userdata);
