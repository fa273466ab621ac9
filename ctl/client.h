/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client: call a method of the daemon and wait for its answer. */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "ctl.h"

struct client;

/*
 * Connect. 0; -ENOENT, -ECONNREFUSED: no daemon is there; -EACCES: it is not for this user; or
 * another negative errno. Silent, as is everything here but client_ask() and client_complain().
 */
int client_connect(const char *path, struct client **ret);
struct client *client_free(struct client *c);
DEFINE_CLEANUP(struct client *, client_free);

struct client_reply {
	struct json_object *parameters;	/* a new reference */
	char *error;			/* full name; NULL: it worked */
	bool continues;
};
void client_reply_done(struct client_reply *reply);

/* Send a call of io.hwpoisond. parameters are borrowed, NULL is none. 0 or negative errno. */
int client_call(struct client *c, const char *method, struct json_object *parameters, bool more);

/* Wait for the next reply. 0; -EBADMSG: no Varlink; -ECONNRESET: the daemon left; or another. */
int client_next(struct client *c, struct client_reply *ret);

/* One call, one reply; what went wrong is said on stderr. EXIT_FINE with *ret a new reference. */
int client_ask(const struct ctl *ctl, const char *method, struct json_object *parameters,
	       struct json_object **ret);

/* Is there a daemon that we may talk to? */
bool client_reachable(const struct ctl *ctl);

/* Say that an ordinary user cannot ask this without a daemon. EXIT_FAILED. */
int client_need_root(const char *command);

/* Say on stderr why it failed, by r, or by the reply's error if that is not NULL. An exit code. */
int client_complain(const struct ctl *ctl, int r, const struct client_reply *reply);
