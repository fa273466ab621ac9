/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: memory errors, one at a time, and when the kernel saw each.
 *
 * The kernel's own where it can be made to report them (a guest with edacbed); elsewhere a program
 * in the kernel writes the same record into the ring of whoever listens.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/poison.h"

struct ring_buffer;

enum event_kind {
	CORRECTED,
	FAILURE,
	N_EVENT_KINDS
};

struct events;

bool events_are_real(void);

/*
 * Ready to make events. daemon: who listens, or 0: nobody but events_ring(). -EOPNOTSUPP: the
 * programs can't be loaded here.
 */
int events_new(pid_t daemon, struct events **ret);
struct events *events_free(struct events *e);

/* Fire one after a pause in which everybody went to sleep; returns at once. */
void events_fire(struct events *e, enum event_kind kind, unsigned number);

/* The ring with a copy of each event, and the record in it that this event made. */
int events_ring_fd(const struct events *e);
bool events_is(const struct poison_event *record, enum event_kind kind, unsigned number);

/* When the kernel saw the last one, by CLOCK_MONOTONIC; 0: it did not. For when nobody has read the
 * ring, and everybody has heard of it. */
uint64_t events_seen_nsec(struct events *e);

/* What each is called: the label of a corrected error. */
void events_label(unsigned number, char ret[16]);

/* When a line of this process was in the socket that we read; 0: never. */
void events_watch(struct events *e, pid_t sender);
uint64_t events_sent_nsec(const struct events *e);
