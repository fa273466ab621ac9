// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * feed: one event, to every sink.
 *
 *   every station -> flow -> [feed] -> event -> line -> socket, subscribers, file, journal
 *
 * In:   what happened.
 * Out:  a numbered event, the same everywhere.
 *
 * An event that one sink can't take goes to the others all the same; a sink that stops or starts to
 * work is logged once, not once an event. Monitoring is never the reason why a repair does not run.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "feed/event.h"
#include "feed/feed.h"
#include "feed/message.h"
#include "feed/sinks.h"
#include "json-fields.h"
#include "log.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define LAST_CALL_MSEC	100 /* for readers, when we end */
#define LAST_CALL_STEPS 20

struct subscriber {
	uint64_t id; /* 0: gone, while events are being told */
	feed_subscriber each;
	void *userdata;
};

struct feed {
	struct ledger *ledger;
	uint64_t seq; /* the last one, without a ledger */
	uint64_t n_sent;
	uint64_t n_unmade; /* for lack of memory */

	struct feed_journal *journal;
	struct feed_socket *socket;
	struct feed_file *file;
	bool seq_fails, journal_fails, socket_fails, file_fails;

	struct subscriber *subscribers;
	size_t n_subscribers;
	uint64_t last_subscriber;
	unsigned telling; /* depth of calls to subscribers */
};

/* Log the change, not the state. */
static void note(bool *fails, int r, const char *what)
{
	if (r < 0 && !*fails)
		log_warn(r, "%s", what);
	else if (r >= 0 && *fails)
		log_info(0, "No longer: %s", what);
	*fails = r < 0;
}

static int open_socket(struct feed *f, sd_event *event, const char *runtime_dir)
{
	_cleanup_(freep) char *path = NULL;
	int r;

	if (asprintf(&path, "%s/events", runtime_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = feed_socket_new(event, path, &f->socket);
	if (r < 0 && r != -ENOMEM) {
		log_warn(r, "Cannot listen on %s, going on without it", path);
		f->socket_fails = true;
		return 0;
	}
	return r;
}

int feed_new(sd_event *event, const struct feed_settings *settings, struct ledger *ledger,
	     struct feed **ret)
{
	_cleanup_(feed_freep) struct feed *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->ledger = ledger;

	if (settings->journal)
		r = feed_journal_new(
			event, settings->journal_socket ? settings->journal_socket : JOURNAL_SOCKET,
			&f->journal);
	if (r >= 0 && settings->socket)
		r = open_socket(f, event, settings->runtime_dir);
	if (r >= 0 && settings->file)
		r = feed_file_new(settings->file, &f->file);
	if (r < 0)
		return r;
	if (f->file)
		feed_reopen(f);

	*ret = TAKE(f);
	return 0;
}

/* Readers that keep up get the last events, too; for the others we do not wait. */
static void last_call(struct feed *f)
{
	for (int i = 0; i < LAST_CALL_STEPS; i++) {
		bool queued = f->socket && feed_socket_flush(f->socket);

		queued = (f->journal && feed_journal_flush(f->journal)) || queued;
		if (!queued)
			return;
		poll(NULL, 0, LAST_CALL_MSEC / LAST_CALL_STEPS);
	}
}

struct feed *feed_free(struct feed *f)
{
	if (!f)
		return NULL;

	last_call(f);
	feed_journal_free(f->journal);
	feed_socket_free(f->socket);
	feed_file_free(f->file);
	free(f->subscribers);
	free(f);
	return NULL;
}

static void note_seq(struct feed *f, int r)
{
	note(&f->seq_fails, r, "Cannot record event numbers, a crash may repeat some");
}

static uint64_t next_seq(struct feed *f)
{
	uint64_t seq;

	if (!f->ledger)
		return ++f->seq;
	note_seq(f, ledger_next_seq(f->ledger, &seq));
	return seq;
}

/* 0, also when there are none; -ENOMEM. */
static int tell_subscribers(struct feed *f, const struct line *line)
{
	_cleanup_(json_object_putp) struct json_object *event = NULL;
	size_t n_kept = 0;

	if (!f->n_subscribers)
		return 0;
	event = json_tokener_parse(line->text);
	if (!event)
		return -ENOMEM;
	f->telling++;
	for (size_t i = 0; i < f->n_subscribers; i++)
		if (f->subscribers[i].id)
			f->subscribers[i].each(event, f->subscribers[i].userdata);
	if (--f->telling > 0)
		return 0;

	for (size_t i = 0; i < f->n_subscribers; i++)
		if (f->subscribers[i].id)
			f->subscribers[n_kept++] = f->subscribers[i];
	f->n_subscribers = n_kept;
	return 0;
}

static void event_unmade(struct feed *f, const char *type)
{
	f->n_unmade++;
	log_err(-ENOMEM, "Cannot make event %s, going on without it", type);
}

/* A sentence is made of the members, which are read again where only their text is there. */
static int describe(struct line *line, const struct event_head *head, const char *data_text,
		    struct json_object *data)
{
	_cleanup_(json_object_putp) struct json_object *parsed = NULL;

	if (!data)
		data = parsed = json_tokener_parse(data_text);
	return data ? line_describe(line, head, data) : -ENOMEM;
}

static void send_to_journal(struct feed *f, struct line *line, const struct event_head *head,
			    const char *data_text, struct json_object *data)
{
	int r = feed_journal_ready(f->journal, line);

	if (r >= 0)
		r = describe(line, head, data_text, data);
	if (r >= 0)
		r = feed_journal_send(f->journal, line);
	else if (r == -ENOMEM)
		f->n_unmade++;
	note(&f->journal_fails, r, "Cannot write events to the journal, dropping them there");
}

/* data: of data_text, or NULL. */
static void send_as(struct feed *f, struct event_head head, const char *data_text,
		    struct json_object *data)
{
	_cleanup_(line_unrefp) struct line *line = NULL;

	head.seq = next_seq(f);
	if (!data_text || line_new(&head, data_text, &line) < 0) {
		event_unmade(f, head.type);
		return;
	}
	f->n_sent++;
	/* Who waits for it comes first, who keeps it after that. */
	if (f->socket)
		feed_socket_send(f->socket, line);
	assert(message_known(head.type));
	if (tell_subscribers(f, line) < 0)
		event_unmade(f, head.type);
	if (f->file)
		note(&f->file_fails, feed_file_send(f->file, line),
		     "Cannot write events to the file, dropping them there");
	if (f->journal)
		send_to_journal(f, line, &head, data_text, data);
	if (f->ledger)
		note_seq(f, ledger_reserve_seq(f->ledger));
}

void feed_send(struct feed *f, const char *type, enum severity severity, uint64_t incident,
	       struct json_object *data)
{
	struct event_head head = { .type = type, .severity = severity, .incident = incident };
	const char *text = "{}";

	if (data)
		text = json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE);
	send_as(f, head, text, data);
}

void feed_send_text(struct feed *f, const char *type, enum severity severity, const char *data_text)
{
	struct event_head head = { .type = type, .severity = severity };

	send_as(f, head, data_text, NULL);
}

/* Takes data, which is NULL when memory was out. */
static void send_about(struct feed *f, const char *type, enum severity severity,
		       const struct incident *in, const char *reason, struct json_object *data)
{
	_cleanup_(json_object_putp) struct json_object *owned = data;
	struct json_fields fields = { .object = owned };

	if (owned && reason)
		field_put_string(&fields, "reason", reason);
	if (owned && fields.r == 0)
		feed_send(f, type, severity, in->number, owned);
	else
		event_unmade(f, type);
}

void feed_send_incident(struct feed *f, const char *type, enum severity severity,
			const struct incident *in, const char *reason)
{
	send_about(f, type, severity, in, reason, incident_to_json(in));
}

/* An array with one element, which stays the caller's, too. NULL: out of memory. */
static struct json_object *array_of(struct json_object *one)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array_ext(1);

	if (!array || json_object_array_add(array, one) < 0)
		return NULL;
	json_object_get(one);
	return TAKE(array);
}

void feed_send_holder(struct feed *f, const char *type, enum severity severity,
		      const struct incident *in, const struct holder *holder, const char *reason)
{
	struct json_fields data = { .object = incident_to_json(in) };
	_cleanup_(json_object_putp) struct json_object *one = holder_to_json(holder);
	struct json_object *holders = one ? array_of(one) : NULL;

	if (!data.object || !holders)
		data.r = -ENOMEM;
	/* Of thousands of holders only this one: each event would be as long as all of them. */
	field_put_object(&data, "holders", holders);
	field_put_object(&data, "holder", json_object_get(one));
	send_about(f, type, severity, in, reason, json_fields_done(&data));
}

void feed_reopen(struct feed *f)
{
	if (f->file)
		note(&f->file_fails, feed_file_reopen(f->file),
		     "Cannot open the file for events, trying again with each");
}

int feed_subscribe(struct feed *f, feed_subscriber each, void *userdata, uint64_t *ret_id)
{
	struct subscriber *grown = reallocarray(f->subscribers, f->n_subscribers + 1,
						sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	f->subscribers = grown;
	grown[f->n_subscribers++] = (struct subscriber){
		.id = ++f->last_subscriber,
		.each = each,
		.userdata = userdata,
	};
	*ret_id = f->last_subscriber;
	return 0;
}

void feed_unsubscribe(struct feed *f, uint64_t id)
{
	for (size_t i = 0; i < f->n_subscribers; i++) {
		if (f->subscribers[i].id != id)
			continue;
		/* Whoever walks over them now will remove it. */
		if (f->telling)
			f->subscribers[i].id = 0;
		else
			f->subscribers[i] = f->subscribers[--f->n_subscribers];
		return;
	}
}

uint64_t feed_n_sent(const struct feed *f)
{
	return f->n_sent;
}

uint64_t feed_n_dropped(const struct feed *f)
{
	return f->n_unmade + (f->journal ? feed_journal_n_dropped(f->journal) : 0) +
	       (f->socket ? feed_socket_n_dropped(f->socket) : 0) +
	       (f->file ? feed_file_n_dropped(f->file) : 0);
}

unsigned feed_n_failed_sinks(const struct feed *f)
{
	return (unsigned)f->journal_fails + (unsigned)f->socket_fails + (unsigned)f->file_fails;
}
