/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * helper: a search runs in a child, and is given up when it gets stuck.
 *
 * To look at a process's mappings is to wait for its mmap_lock, and somebody can hold that for as
 * long as a dead server does not answer. Who waits can be killed, so the waiting is done by a child
 * with nothing to lose.
 */
#pragma once

#include "holders/hits.h"

struct hit_pipe;	/* the child's end */

struct helper {		/* ours */
	pid_t pid;
	int fd;
	struct hit buffer[256];
	size_t n_bytes, at;
};

/*
 * Fork and run there; what `run` returns (0 or negative errno) comes out of helper_next() at the
 * end. 0 or negative errno.
 */
int helper_start(int (*run)(struct hit_pipe *to, const void *job), const void *job,
		 struct helper *ret);

/*
 * The next hit. 1; 0: that was all; -ETIMEDOUT: nothing until deadline_usec (CLOCK_MONOTONIC);
 * -EPIPE: it died; or another negative errno, the child's.
 */
int helper_next(struct helper *h, uint64_t deadline_usec, struct hit *ret);
void helper_done(struct helper *h);	/* kills what still runs */

uint64_t helper_deadline(uint64_t patience_usec);	/* from now */

/* In the child. 0 or negative errno. */
int hit_put(struct hit_pipe *to, const struct hit *hit);
int hit_flush(struct hit_pipe *to);
int hits_put(struct hit_pipe *to, const struct hits *hits);
