/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker-link: JSON lines over a socket, the wire between a worker and the daemon (see worker.h).
 */
#pragma once

#include <stdbool.h>

#include "worker.h"

/* Longest line either side accepts: a range with some ten thousand owners. */
#define WORKER_LINE_MAX_BYTES (32u << 20)

int worker_link_fd(const struct worker_link *link);

/* Whole line or negative errno; -EPIPE: nobody is there. Borrows the object. */
int worker_link_send(struct worker_link *link, struct json_object *line);

/*
 * One line. 0 with a new reference; -EAGAIN: none yet (never when `wait`); -EPIPE: the other end is
 * gone; -EBADMSG: not JSON; -E2BIG: too long.
 */
int worker_link_receive(struct worker_link *link, bool wait, struct json_object **ret);
