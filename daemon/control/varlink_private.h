/* SPDX-License-Identifier: GPL-2.0-or-later */
/* varlink_private: what the three files of the varlink server know of each other. */
#pragma once

#include "control/varlink.h"

#define VARLINK_SERVICE "org.varlink.service"

struct connection;

struct varlink_server {
	sd_event *event;
	const struct varlink_interface *interface;
	varlink_may may;
	void *userdata;
	int listen_fd;
	int spare_fd;		/* given up for a moment to turn a client away when we are out of fds */
	char *path;
	sd_event_source *listen_source;
	struct connection *connections[VARLINK_MAX_CONNECTIONS];
	uint64_t complaints_since_usec;
	unsigned n_complaints;	/* since then */
};

struct varlink_call {
	struct connection *connection;	/* NULL: the client is gone */
	struct json_object *message;
	struct json_object *parameters;	/* inside the message */
	bool more;
	bool oneway;
	varlink_notify on_gone;
	varlink_notify on_room;
	void *notify_userdata;
};

/* Clients must not be able to fill the journal: may this one more line be logged? */
bool varlink_may_complain(struct varlink_server *s);
void varlink_forget(struct varlink_server *s, const struct connection *c);

/* Takes the fd and the peer's groups, also when it fails. Not yet in server->connections. */
int connection_new(struct varlink_server *s, int fd, struct varlink_peer *peer,
		   struct connection **ret);
struct connection *connection_free(struct connection *c);
DEFINE_CLEANUP(struct connection *, connection_free);

struct varlink_server *connection_server(struct connection *c);
const struct varlink_peer *connection_peer(const struct connection *c);

bool connection_is_broken(const struct connection *c);	/* and will be closed soon */

/* Bytes that wait to be sent. */
size_t connection_n_queued(const struct connection *c);

/* Queue text and its NUL, send what the socket takes. A failure closes the connection soon. */
void connection_send(struct connection *c, const char *text, size_t n_bytes);

/* Its open call: at most one. NULL lets the connection go on with the next message. */
void connection_set_call(struct connection *c, struct varlink_call *call);

/* The client broke the protocol, or can't be served: log it and close soon. */
void connection_fail(struct connection *c, int r, const char *what);

/* One message, without its NUL. */
void varlink_dispatch(struct connection *c, const char *text, size_t n_bytes);

extern const struct varlink_method varlink_service_methods[];

/* An error with one parameter, a string of n_bytes; ends the call. */
void varlink_error_with(struct varlink_call *call, const char *error, const char *key,
			const char *value, size_t n_bytes);

/* The connection is being closed. */
void varlink_call_orphan(struct varlink_call *call);
