/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue: lines that a reader has not taken yet, at most QUEUE_MAX_BYTES of them. */
#pragma once

#include <stddef.h>

#include "feed/line.h"

#define QUEUE_MAX_BYTES (1u << 20)

struct queue_item;

struct queue {		/* zeroed is empty */
	struct queue_item *first;
	struct queue_item **end;	/* where the next one goes; NULL: first */
	size_t length_bytes;
	struct gap gap;			/* what did not fit and was not told yet */
};

void queue_done(struct queue *q);

/* Put at the end, or count as dropped: 1 or 0. Once something was dropped, all is, until queue_pop()
 * made enough room to tell it. */
int queue_push(struct queue *q, struct line *line);

struct line *queue_first(const struct queue *q);	/* borrowed; NULL: empty */
void queue_pop(struct queue *q);

/* Nobody will take them: count all as dropped. */
void queue_drop(struct queue *q);
