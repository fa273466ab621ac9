/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * varlink: a small server for one Varlink interface, over json-c and sd-event.
 *
 * JSON objects, each ended by one NUL byte, on a unix stream socket; see https://varlink.org. A
 * connection answers its calls in the order they came: while one is open (it waits for a worker, or
 * it streams) the next is not even parsed. Everything is bounded: connections, the input of each,
 * its queue of replies. A client that breaks the protocol is logged once and closed; others notice
 * nothing.
 *
 * org.varlink.service (GetInfo, GetInterfaceDescription) and the standard errors are built in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

#define VARLINK_MAX_CONNECTIONS 64u
#define VARLINK_RESERVED	8u	/* the last ones, for peers that may change things */
#define VARLINK_MAX_MESSAGE	(1024u * 1024u)
#define VARLINK_MAX_REPLY	(16u * 1024u * 1024u)
#define VARLINK_MAX_PARAMETERS	6

struct varlink_server;
struct varlink_call;

struct varlink_peer {	/* as the kernel saw it at connect(2) */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups;	/* supplementary */
	size_t n_groups;
};

enum varlink_type {
	VARLINK_BOOL,
	VARLINK_INT,
	VARLINK_STRING,
	VARLINK_STRINGS,
};

struct varlink_parameter {
	const char *name;
	enum varlink_type type;
	bool required;
};

enum varlink_flags {
	VARLINK_CHANGES = 1 << 0,	/* only for peers that may change things */
	VARLINK_NEEDS_MORE = 1 << 1,	/* ExpectedMore without */
};

/*
 * Runs after the parameters were checked against the table: none unknown, none missing, all of the
 * right type. It owns the call and must end it once, now or later: varlink_reply(), varlink_error()
 * or varlink_drop(). The parameters live as long as the call.
 */
typedef void (*varlink_run)(struct varlink_call *call, struct json_object *parameters,
			    void *userdata);

struct varlink_method {
	const char *name;		/* "Show"; NULL ends the table */
	varlink_run run;
	unsigned flags;
	struct varlink_parameter parameters[VARLINK_MAX_PARAMETERS + 1];	/* NULL name ends it */
};

struct varlink_interface {	/* all static */
	const char *name;		/* "io.hwpoisond" */
	const char *description;	/* its IDL */
	const char *vendor;
	const char *product;
	const char *version;
	const char *url;
	const struct varlink_method *methods;
};

/* May this peer call methods of the interface (change: those that are VARLINK_CHANGES)? */
typedef bool (*varlink_may)(const struct varlink_peer *peer, bool change, void *userdata);

/* userdata goes to may() and to every method. */
int varlink_server_new(sd_event *event, const struct varlink_interface *interface, varlink_may may,
		       void *userdata, struct varlink_server **ret);

/* Closes all connections; open calls lose their client (on_gone). Not from inside a method. */
struct varlink_server *varlink_server_free(struct varlink_server *s);
DEFINE_CLEANUP(struct varlink_server *, varlink_server_free);

/*
 * Listen on path, with that mode, and that group unless it is -1. A socket file that nobody answers
 * is replaced; -EADDRINUSE: somebody does. The file is removed by varlink_server_free().
 */
int varlink_server_listen(struct varlink_server *s, const char *path, mode_t mode, gid_t group);

/* Pids of the connected peers: fills up to n, returns how many. */
size_t varlink_server_pids(const struct varlink_server *s, pid_t *ret, size_t n);

bool varlink_peer_in_group(const struct varlink_peer *peer, gid_t group);

bool varlink_call_wants_more(const struct varlink_call *call);

/*
 * on_gone: the client left while the call was open; whatever works for it can stop. The call is
 * still there, and is ended as any other (varlink_drop() suits). on_room: all replies so far are
 * sent, there is room for more; it may be called more often than varlink_continue() had none.
 * Either may be NULL.
 */
typedef void (*varlink_notify)(struct varlink_call *call, void *userdata);
void varlink_call_notify(struct varlink_call *call, varlink_notify on_gone, varlink_notify on_room,
			 void *userdata);

/*
 * One more reply of several; the call stays open. Parameters are borrowed; NULL is {}. -ENOBUFS:
 * the client reads too slowly, nothing was sent (see on_room); -EPIPE: it is gone.
 */
int varlink_continue(struct varlink_call *call, struct json_object *parameters);

/* The last reply, or an error ("io.hwpoisond.NoSuchIncident"). Both end the call and borrow. */
void varlink_reply(struct varlink_call *call, struct json_object *parameters);
void varlink_error(struct varlink_call *call, const char *error, struct json_object *parameters);
void varlink_error_parameter(struct varlink_call *call, const char *parameter);

/* End the call without a word: the client is gone, or its connection is closed for it. */
void varlink_drop(struct varlink_call *call);

/* A parameter, or the fallback where it is absent or null. Strings are borrowed. */
bool varlink_bool(struct json_object *parameters, const char *name, bool fallback);
int64_t varlink_int(struct json_object *parameters, const char *name, int64_t fallback);
const char *varlink_string(struct json_object *parameters, const char *name);
