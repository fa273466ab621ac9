/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause: stop the processes that could touch a page, for the milliseconds of its repair.
 *
 * Only to spare them a SIGBUS (measured on 6.1: readers get it too, the pin unmaps the page): the
 * pin alone already keeps stores off the old block. SIGSTOP by pidfd, then wait until every thread
 * stands. A process that was stopped before is left as it is, and is not continued.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "incident.h"
#include "policy/policy.h"

struct paused {
	struct paused_process {
		pid_t pid;
		uint64_t start_ticks;
		int pid_fd; /* -1: not stopped by us (yet) */
	} * all;
	size_t n;
};

/*
 * Who could store: maps the lost bytes shared and writable, or has the file open for writing, and
 * does not stand already. 0 or -ENOMEM; free *ret with pause_done() in both cases.
 */
int pause_candidates(int proc_fd, const struct incident *in, struct paused *ret);

/* Why this process must not be paused, as the rest of "process 7 (x) ...", or NULL: it may be. */
const char *pause_refusal(const struct policy_context *policy, const struct incident *in,
			  const struct holder *holder);

/* The same as {"pids":[{"pid","start_ticks"}]}: goes on record before pause_stop(). NULL: out of
 * memory. */
struct json_object *pause_to_json(const struct paused *p);

/* Stop them all. 0; -EBUSY: one does not stand after a second, and those that were stopped run
 * again. A process that is gone is no obstacle. */
int pause_stop(int proc_fd, struct paused *p);

/* SIGCONT to those that we stopped, and only to those. */
void pause_continue(struct paused *p);

/* After a crash: continue those of a record that are still the same process and still stopped. */
void pause_continue_recorded(int proc_fd, struct json_object *record);

void pause_done(struct paused *p); /* continues who is still stopped, frees */
