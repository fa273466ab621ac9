// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * line: an event made ready once for all sinks.
 *
 *   feed -> event -> [line] -> journal, file, socket
 *
 * In:   the event.
 * Out:  its bytes. A hundred readers that are behind hold one copy between them.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/line.h"
#include "feed/message.h"
#include "json-text.h"

static int journal_priority(enum severity severity)
{
	return severity == SEVERITY_CRITICAL ? 2 : severity == SEVERITY_WARNING ? 4 : 6;
}

static char *journal_fields(const struct event_head *head, struct json_object *data)
{
	_cleanup_(freep) char *message = message_text(head->type, data);
	char incident[64] = "", *fields;

	if (!message)
		return NULL;
	if (head->incident)
		snprintf(incident, sizeof(incident), "HWPOISOND_INCIDENT=%llu\n",
			 (unsigned long long)head->incident);
	if (asprintf(&fields,
		     "MESSAGE=%s\n"
		     "MESSAGE_ID=%s\n"
		     "PRIORITY=%d\n"
		     "SYSLOG_IDENTIFIER=hwpoisond\n"
		     "HWPOISOND_TYPE=io.hwpoisond.%s\n"
		     "HWPOISOND_SEQ=%llu\n"
		     "%s",
		     message, message_id(head->type), journal_priority(head->severity), head->type,
		     (unsigned long long)head->seq, incident) < 0)
		return NULL;
	return fields;
}

int line_new(const struct event_head *head, const char *data_text, struct line **ret)
{
	_cleanup_(line_unrefp) struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return -ENOMEM;
	line->n_refs = 1;
	line->seq = head->seq;
	line->n_events = 1;
	line->text = event_text(head, data_text, &line->length_bytes);
	if (!line->text)
		return -ENOMEM;
	*ret = TAKE(line);
	return 0;
}

int line_describe(struct line *line, const struct event_head *head, struct json_object *data)
{
	line->fields = journal_fields(head, data);
	return line->fields ? 0 : -ENOMEM;
}

struct line *line_ref(struct line *line)
{
	line->n_refs++;
	return line;
}

struct line *line_unref(struct line *line)
{
	if (!line || --line->n_refs > 0)
		return NULL;
	free(line->text);
	free(line->fields);
	free(line);
	return NULL;
}

/* A gap that is dropped itself has had its events counted before. */
void gap_add(struct gap *gap, const struct line *line)
{
	gap->n_dropped += line->n_events;
	gap->n_dropped_ever += !line->is_gap;
	if (gap->last_seq < line->seq)
		gap->last_seq = line->seq;
}

int gap_line(const struct gap *gap, struct line **ret)
{
	_cleanup_(json_object_putp) struct json_object *data = json_object_new_object();
	_cleanup_(json_text_free) struct json_text text = json_text_new();
	_cleanup_(line_unrefp) struct line *line = NULL;
	struct event_head head = {
		.seq = gap->last_seq,
		.type = "feed.gap",
		.severity = SEVERITY_WARNING,
	};

	assert(gap->n_dropped);

	if (!data ||
	    json_object_object_add(data, "dropped", json_object_new_uint64(gap->n_dropped)) < 0)
		return -ENOMEM;
	text_put_uint(&text, "dropped", gap->n_dropped);
	if (!json_text_done(&text) || line_new(&head, text.text, &line) < 0 ||
	    line_describe(line, &head, data) < 0)
		return -ENOMEM;
	line->is_gap = true;
	line->n_events = gap->n_dropped;
	*ret = TAKE(line);
	return 0;
}
