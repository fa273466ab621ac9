// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * grace: processes that were asked to end, or made to.
 *
 *   respond -> [grace] -> repair
 *
 * In:   victims that were sent SIGTERM or SIGKILL, each with its own deadline.
 * Out:  the outcome of each, told as soon as it is known.
 *
 * One poll() waits for the end of all. That a process let go of the bytes makes no descriptor
 * readable, so we look for that every 100 ms. It has to be seen twice: a process that is about to
 * end gives up its memory before it is gone.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "respond/stop.h"
#include "respond/units.h"
#include "respond/victim.h"

#define LOOK_EVERY_USEC	 100000u
#define DEATH_TAKES_USEC 2000000u

/* It ended just before, or it is none of ours to signal. */
static void not_sent(struct respond_job *job, struct victim *t, int r)
{
	if (r != -ESRCH)
		victim_conclude(job, t, "failed", "holder.survived", r, "it cannot be signalled");
	else if (t->asked)
		victim_conclude(job, t, "terminated", "holder.terminated", 0, NULL);
	else
		victim_conclude(job, t, "exited", "holder.reported", 0, NULL);
}

void grace_terminate(struct respond_job *job, struct victim *t)
{
	int r = victim_send(t, SIGTERM);

	if (r < 0) {
		not_sent(job, t, r);
		return;
	}
	t->asked = true;
	victim_begin_phase(t, t->holder->grace_usec, VICTIM_GRACE);
}

void grace_kill(struct respond_job *job, struct victim *t)
{
	int r = victim_send(t, SIGKILL);

	if (r < 0) {
		not_sent(job, t, r);
		return;
	}
	victim_begin_phase(t, DEATH_TAKES_USEC, VICTIM_DYING);
}

static void gone(struct respond_job *job, struct victim *t)
{
	if (t->phase == VICTIM_GRACE)
		victim_conclude(job, t, "terminated", "holder.terminated", 0, NULL);
	else
		victim_conclude(job, t, "killed", "holder.terminated", 0,
				t->asked ? "it held the lost bytes after the grace period" : NULL);
}

static void look_in_grace(struct respond_job *job, struct victim *t, bool over)
{
	int r = victim_holds(job, t);

	if (r == -ESRCH)
		return; /* the next poll() tells how it ended */
	if (r == 0 && (over || t->let_go)) {
		victim_conclude(job, t, "survived", "holder.survived", 0, "it let go in time");
		return;
	}
	t->let_go = r == 0;
	if (!over)
		return;
	/* Whom we can't look into any more may be anything, only not known to hold lost data. */
	if (r < 0)
		victim_conclude(job, t, "failed", "holder.survived", r,
				"whether it still holds the lost bytes is not known");
	else
		grace_kill(job, t);
}

static void look(struct respond_job *job, struct victim *t, uint64_t now)
{
	bool over = now >= t->deadline_usec;

	if (t->phase == VICTIM_UNIT)
		stop_look(job, t, over);
	else if (victim_is_gone(t))
		gone(job, t);
	else if (t->phase == VICTIM_GRACE)
		look_in_grace(job, t, over);
	else if (over)
		victim_conclude(job, t, "failed", "holder.survived", -ETIMEDOUT,
				"SIGKILL did not end it, it is stuck in the kernel");
}

/* Until one ends, the next deadline, or it is time to look. */
static void sleep_on(struct respond_job *job, const struct victim *victims, size_t n_victims,
		     struct pollfd *fds)
{
	uint64_t now = victim_now_usec(), until = now + LOOK_EVERY_USEC;

	for (size_t i = 0; i < n_victims; i++) {
		bool waits = victims[i].phase != VICTIM_DONE && victims[i].pid_fd >= 0;

		fds[i] = (struct pollfd){ .fd = waits ? victims[i].pid_fd : -1, .events = POLLIN };
		if (waits && victims[i].deadline_usec < until)
			until = victims[i].deadline_usec;
	}
	/* Between two looks a job of systemd is as good a thing to wait for as any. */
	if (job->units && until > now)
		units_wait(job->units, until - now);
	else if (until > now)
		(void)poll(fds, n_victims, (int)((until - now + 999) / 1000));
}

static bool anyone_waits(const struct victim *victims, size_t n_victims)
{
	for (size_t i = 0; i < n_victims; i++)
		if (victims[i].phase != VICTIM_DONE)
			return true;
	return false;
}

void grace_wait(struct respond_job *job, struct victim *victims, size_t n_victims,
		struct pollfd *fds)
{
	while (anyone_waits(victims, n_victims)) {
		sleep_on(job, victims, n_victims, fds);
		for (size_t i = 0; i < n_victims; i++)
			if (victims[i].phase != VICTIM_DONE)
				look(job, &victims[i], victim_now_usec());
	}
}
