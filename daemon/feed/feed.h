/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed: one JSON object per event, the same to every sink: journal, file, socket, subscribers.
 *
 * Sending never blocks. A slow reader has a bounded queue; what does not fit is dropped, counted, and
 * told to that reader as io.hwpoisond.feed.gap as soon as there is room again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "incident.h"
#include "ledger/ledger.h"

enum severity {
	SEVERITY_INFO,
	SEVERITY_WARNING,
	SEVERITY_CRITICAL,
};

struct feed_settings {
	bool journal;
	bool socket;
	const char *file;		/* NULL: none */
	const char *runtime_dir;	/* where the socket `events` goes */
	const char *journal_socket;	/* NULL: journald's own; tests have another */
};

struct feed;

/*
 * The ledger gives sequence numbers and stays the caller's; NULL: they count from 1 in memory. The
 * strings are copied. 0 or negative errno; a sink that can't be opened is logged and left out (see
 * feed_n_failed_sinks), a file or journal is tried again.
 */
int feed_new(sd_event *event, const struct feed_settings *settings, struct ledger *ledger,
	     struct feed **ret);
struct feed *feed_free(struct feed *f);		/* sends what is queued for at most 100 ms */
DEFINE_CLEANUP(struct feed *, feed_free);

/*
 * Send "io.hwpoisond." + type, one of message.c's. incident 0: none. data is borrowed; NULL: {}.
 * Nothing to return: what can't be delivered is counted.
 */
void feed_send(struct feed *f, const char *type, enum severity severity, uint64_t incident,
	       struct json_object *data);

/* The same of no incident, with data as JSON text, for what somebody waits for. NULL: it could not be made. */
void feed_send_text(struct feed *f, const char *type, enum severity severity, const char *data_text);

/* data is the incident, with `reason` added when it is not NULL. */
void feed_send_incident(struct feed *f, const char *type, enum severity severity,
			const struct incident *in, const char *reason);

/* For holder.*: data is the incident with this one holder, which is "holder" besides. */
void feed_send_holder(struct feed *f, const char *type, enum severity severity,
		      const struct incident *in, const struct holder *holder, const char *reason);

void feed_reopen(struct feed *f);	/* SIGHUP: the file was rotated */

/* A subscriber in this process (Varlink Watch). The event is borrowed. */
typedef void (*feed_subscriber)(struct json_object *event, void *userdata);
int feed_subscribe(struct feed *f, feed_subscriber each, void *userdata, uint64_t *ret_id);
void feed_unsubscribe(struct feed *f, uint64_t id);

uint64_t feed_n_sent(const struct feed *f);
uint64_t feed_n_dropped(const struct feed *f);		/* of all sinks together */
unsigned feed_n_failed_sinks(const struct feed *f);	/* that take no events now */
