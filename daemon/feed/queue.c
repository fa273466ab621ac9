// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * queue: between us and a reader that is slow.
 *
 *   feed -> line -> [queue] -> journal, socket
 *
 * In:   lines, as they come.
 * Out:  the same in order, with one feed.gap in the place of each run that did not fit.
 *
 * A gap is told when the queue is down to half, not at the first free byte: a reader that is always
 * a little too slow gets long runs with few gaps, rather than a gap after every line.
 */
#include <errno.h>
#include <stdlib.h>

#include "feed/queue.h"

struct queue_item {
	struct queue_item *next;
	struct line *line;
};

static int append(struct queue *q, struct line *line)
{
	struct queue_item *item = malloc(sizeof(*item));

	if (!item)
		return -ENOMEM;
	*item = (struct queue_item){ .line = line_ref(line) };
	*(q->first ? q->end : &q->first) = item;
	q->end = &item->next;
	q->length_bytes += line->length_bytes;
	return 0;
}

/* Without memory for it the gap stays, and is told later. */
static void tell_gap(struct queue *q)
{
	_cleanup_(line_unrefp) struct line *line = NULL;

	if (!q->gap.n_dropped || q->length_bytes > QUEUE_MAX_BYTES / 2)
		return;
	if (gap_line(&q->gap, &line) < 0 || append(q, line) < 0)
		return;
	q->gap.n_dropped = 0;
}

int queue_push(struct queue *q, struct line *line)
{
	tell_gap(q);
	if (!q->gap.n_dropped && line->length_bytes <= QUEUE_MAX_BYTES - q->length_bytes &&
	    append(q, line) == 0)
		return 1;
	gap_add(&q->gap, line);
	return 0;
}

struct line *queue_first(const struct queue *q)
{
	return q->first ? q->first->line : NULL;
}

static void remove_first(struct queue *q)
{
	struct queue_item *item = q->first;

	q->first = item->next;
	q->length_bytes -= item->line->length_bytes;
	line_unref(item->line);
	free(item);
}

void queue_pop(struct queue *q)
{
	remove_first(q);
	tell_gap(q);
}

void queue_drop(struct queue *q)
{
	for (; q->first; remove_first(q))
		gap_add(&q->gap, q->first->line);
}

void queue_done(struct queue *q)
{
	while (q->first)
		remove_first(q);
}
