/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line: one event as the sinks send it, shared by all of them; and what a sink owes its reader. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "feed/event.h"

struct line {
	unsigned n_refs;
	uint64_t seq;
	bool is_gap;
	uint64_t n_events;	/* that it stands for: of a gap, those dropped */
	char *text;		/* the JSON with its newline */
	size_t length_bytes;
	char *fields;		/* NULL: not described. What the journal wants beside it: "MESSAGE=..." */
};

/* 0 with one reference in *ret, or -ENOMEM. */
int line_new(const struct event_head *head, const char *data_text, struct line **ret);

/* In a sentence, for the journal: it takes longer than all else, and nobody else needs it. */
int line_describe(struct line *line, const struct event_head *head, struct json_object *data);

struct line *line_ref(struct line *line);
struct line *line_unref(struct line *line);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct line *, line_unref);

/* Events that did not reach a reader since the last one that did. */
struct gap {
	uint64_t n_dropped;
	uint64_t last_seq;
	uint64_t n_dropped_ever;
};

void gap_add(struct gap *gap, const struct line *line);

/*
 * The feed.gap that stands in the place of what was dropped, with the sequence number of the last of
 * it: numbers keep rising for this reader, and no other reader misses one. 0 or -ENOMEM.
 */
int gap_line(const struct gap *gap, struct line **ret);
