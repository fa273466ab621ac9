// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stop: stop the unit of a process that holds lost bytes.
 *
 *   respond -> [stop] -> units; grace waits
 *
 * In:   a victim that was found to hold the lost bytes just now.
 * Out:  its outcome, when both the process has ended and systemd says that the unit has stopped, or
 *       when the grace period is over.
 *
 * How a unit ends is its own business: KillMode=, TimeoutStopSec= and ExecStop= say it, and systemd
 * goes on with that after our patience has ended. We send no signal here, ever.
 */
#include <errno.h>
#include <string.h>

#include "holders/process.h"
#include "respond/stop.h"
#include "respond/units.h"

/* It may have moved to another unit since it was judged, by fork and exec of a service manager. */
static bool is_in_its_unit(const struct respond_job *job, const struct victim *t)
{
	_cleanup_(holder_done) struct holder now = {};

	return process_describe(job->proc_fd, t->holder->pid, &now) >= 0 && now.unit &&
	       now.start_ticks == t->holder->start_ticks && t->holder->unit &&
	       !strcmp(now.unit, t->holder->unit);
}

static const char *explain(int r)
{
	switch (r) {
	case -ENOENT:
		return "systemd does not know its unit";
	case -ECANCELED:
		return "stopping its unit was cancelled";
	case -ETIME:
		return "its unit did not stop in the time that systemd gives it";
	default:
		return "its unit cannot be stopped";
	}
}

void stop_begin(struct respond_job *job, struct victim *t)
{
	int r = 0;

	if (!is_in_its_unit(job, t)) {
		victim_conclude(job, t, "failed", "holder.survived", -ESRCH,
				"it is not in the unit any more that it was judged in");
		return;
	}
	if (!job->units)
		r = units_open(&job->units);
	if (r < 0) {
		victim_conclude(job, t, "failed", "holder.survived", r,
				"systemd cannot be asked to stop its unit");
		return;
	}
	r = units_stop(job->units, t->holder->unit);
	if (r < 0) {
		victim_conclude(job, t, "failed", "holder.survived", r, explain(r));
		return;
	}
	victim_begin_phase(t, t->holder->grace_usec, VICTIM_UNIT);
}

/* The job is done, and yet it lives: KillMode=process leaves some behind. */
static void look_at_survivor(struct respond_job *job, struct victim *t)
{
	int r = victim_holds(job, t);

	if (r == -ESRCH)
		return; /* the next look finds it gone */
	if (r == 0)
		victim_conclude(job, t, "survived", "holder.survived", 0,
				"its unit was stopped, and it let go");
	else
		victim_conclude(job, t, "failed", "holder.survived", r,
				"its unit was stopped, and it still holds the lost bytes");
}

void stop_look(struct respond_job *job, struct victim *t, bool over)
{
	int r = units_result(job->units, t->holder->unit);

	if (victim_is_gone(t) && (r != 0 || over))
		victim_conclude(job, t, "stopped", "holder.terminated", 0,
				r > 0 ? NULL : "its unit is not done with stopping");
	else if (r < 0)
		victim_conclude(job, t, "failed", "holder.survived", r, explain(r));
	else if (over && r == 0)
		victim_conclude(job, t, "failed", "holder.survived", -ETIMEDOUT,
				"its unit is still being stopped");
	else if (over)
		look_at_survivor(job, t);
}
