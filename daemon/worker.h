/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker: what can take long runs in a forked child, so that the loop never blocks.
 *
 * A child can be stuck in the kernel, eat memory or crash on a bad page, and the daemon lives on;
 * its memory goes back when it ends, and SIGKILL cancels it at any time. It talks to us in JSON
 * lines over a socket pair. A child whose parent is gone gets an error from the next ask or tell
 * and must wind up: nothing irreversible is done without an answer from the living daemon.
 *
 * The child keeps no other descriptor of the daemon than stderr and those it is told of, runs
 * with default signal handling, and must not touch the event loop or the ledger.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

struct worker; /* the daemon's end */
struct worker_link; /* the child's end */

/* Runs in the child; what it returns (0 or negative errno) reaches on_done as r. */
typedef int (*worker_run)(struct worker_link *link, void *job);

/*
 * In the daemon, for each line of the child. `wants_reply`: the child waits for worker_reply().
 * The message is borrowed.
 */
typedef void (*worker_message)(struct worker *w, struct json_object *message, bool wants_reply,
			       void *userdata);

/* Once, at the end. -ETIME: it ran over its time and was killed; -ECHILD: it died by a signal. The
 * worker is freed by the caller, here or later. */
typedef void (*worker_done)(struct worker *w, int r, void *userdata);

struct worker_ops {
	const char *name; /* for logs and for the child's comm */
	worker_run run;
	worker_message on_message;
	worker_done on_done;
	uint64_t timeout_usec; /* 0: none */
	bool only_reads; /* can be killed anywhere, and is, as soon as the daemon is gone */
};

/*
 * Fork and run. `job` is what the child sees at the time of the fork; `userdata` is for the
 * daemon's two callbacks. 0 or negative errno.
 */
int worker_start(sd_event *event, const struct worker_ops *ops, void *job, void *userdata,
		 struct worker **ret);
int worker_reply(struct worker *w, struct json_object *reply); /* borrows reply */

/* Leave a descriptor of the daemon open in the children of all workers to come. 0 or -ENOSPC. */
int worker_keep_fd(int fd);
void worker_forget_fd(int fd);

/*
 * SIGKILL what still runs, without on_done; the loop reaps it. NULL is fine; returns NULL.
 */
struct worker *worker_free(struct worker *w);
DEFINE_CLEANUP(struct worker *, worker_free);

/* In the child: say something; or say it and wait for the answer (a new reference). -EPIPE: the
 * daemon is gone. Both borrow the message. */
int worker_tell(struct worker_link *link, struct json_object *message);
int worker_ask(struct worker_link *link, struct json_object *message, struct json_object **ret);

/* For tests and for hwpoisonctl: a link over a socket that somebody else answers. */
struct worker_link *worker_link_new(int fd); /* takes the fd */
struct worker_link *worker_link_free(struct worker_link *link);
DEFINE_CLEANUP(struct worker_link *, worker_link_free);
