/* SPDX-License-Identifier: GPL-2.0-or-later */
/* victim: one process that is being acted upon. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "respond/respond.h"

enum victim_phase {
	VICTIM_DONE,		/* its outcome is known and told */
	VICTIM_GRACE,		/* SIGTERM was sent */
	VICTIM_DYING,		/* SIGKILL was sent */
	VICTIM_UNIT,		/* its unit is being stopped */
};

struct respond_job {		/* what does not change while we respond */
	int proc_fd;
	struct incident *in;
	respond_each each;
	void *userdata;
	struct units *units;	/* systemd, once it is needed */
	int r;			/* the first failure */
};

struct victim {
	struct holder *holder;
	int pid_fd;		/* -1: not open */
	enum victim_phase phase;
	uint64_t deadline_usec;	/* CLOCK_MONOTONIC: end of the phase */
	bool asked;		/* SIGTERM came before SIGKILL */
	bool let_go;		/* when we looked last */
};

/*
 * Open the process and make sure that it is the one that policy judged. 1: it holds the lost
 * bytes; 0: it does no longer; -ESRCH: it is gone; another negative errno: who knows. pid_fd is
 * open when >= 0.
 */
int victim_open(const struct respond_job *job, struct victim *t);
int victim_holds(const struct respond_job *job, const struct victim *t); /* the same, later */
bool victim_is_gone(const struct victim *t);
void victim_close(struct victim *t);
void victim_begin_phase(struct victim *t, uint64_t usec, enum victim_phase phase);
uint64_t victim_now_usec(void);	/* of the clock that deadlines are by */

/* 0 or negative errno. */
int victim_send(const struct victim *t, int signal_number);

/* With a number that the handler finds in si_value.sival_int, and si_code SI_QUEUE. */
int victim_queue(const struct victim *t, int signal_number, int value);

/*
 * Its outcome is known: set it, add a remark to its reason (NULL: none), tell. r negative: that is
 * why, and the job's failure.
 */
void victim_conclude(struct respond_job *job, struct victim *t, const char *outcome,
		     const char *event, int r, const char *remark);

/* grace.c: SIGTERM, or SIGKILL at once; how it ends is for grace_wait() to find out. */
void grace_terminate(struct respond_job *job, struct victim *t);
void grace_kill(struct respond_job *job, struct victim *t);

/* Until every victim's outcome is known. fds: room for all of them. */
void grace_wait(struct respond_job *job, struct victim *victims, size_t n_victims,
		struct pollfd *fds);
