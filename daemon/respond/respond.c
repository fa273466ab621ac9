// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * respond: do to holders what policy said.
 *
 *   policy -> [respond] -> repair
 *
 * In:   an incident whose holders have verdicts.
 * Out:  what became of each holder, in its outcome and as one event.
 *
 * All signals go out before the first wait, and all memory is there before the first signal: half
 * of a response would be worse than none. User space can't send BUS_MCEERR_AO or _AR, so what a
 * holder gets is plainly a signal of ours.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "respond/stop.h"
#include "respond/units.h"
#include "respond/victim.h"

/* The reason of a dry run: what we would have done. */
static void pretend(struct respond_job *job, struct victim *t)
{
	const struct holder *h = t->holder;
	char would[96];

	switch (h->action) {
	case VERB_SIGNAL:
		snprintf(would, sizeof(would), "would send signal %d", h->signal_number);
		break;
	case VERB_TERMINATE:
		snprintf(would, sizeof(would),
			 "would send SIGTERM, then SIGKILL after %g s if it still holds the bytes",
			 (double)h->grace_usec / 1e6);
		break;
	case VERB_KILL:
		strcpy(would, "would send SIGKILL");
		break;
	case VERB_STOP_UNIT:
		snprintf(would, sizeof(would), "would stop its unit");
		break;
	case VERB_REPORT:
		victim_conclude(job, t, "reported", "holder.reported", 0, NULL);
		return;
	}
	victim_conclude(job, t, "dry-run", "holder.reported", 0, would);
}

static void send_signal(struct respond_job *job, struct victim *t)
{
	int r = victim_queue(t, t->holder->signal_number, (int)(job->in->number & INT_MAX));

	if (r == -ESRCH)
		victim_conclude(job, t, "exited", "holder.reported", 0, NULL);
	else if (r < 0)
		victim_conclude(job, t, "failed", "holder.survived", r, "it cannot be signalled");
	else
		victim_conclude(job, t, "signalled", "holder.signalled", 0, NULL);
}

static void act(struct respond_job *job, struct victim *t)
{
	int r;

	if (t->holder->action == VERB_REPORT) {
		victim_conclude(job, t, "reported", "holder.reported", 0, NULL);
		return;
	}
	r = victim_open(job, t);
	if (r == -ESRCH) {
		victim_conclude(job, t, "exited", "holder.reported", 0,
				"it had ended before it was acted upon");
		return;
	}
	if (r < 0) {
		victim_conclude(job, t, "failed", "holder.survived", r,
				"whether it still holds the lost bytes is not known");
		return;
	}
	if (!r) {
		victim_conclude(job, t, "survived", "holder.survived", 0,
				"it had let go before it was acted upon");
		return;
	}

	switch (t->holder->action) {
	case VERB_SIGNAL:
		send_signal(job, t);
		break;
	case VERB_TERMINATE:
		grace_terminate(job, t);
		break;
	case VERB_KILL:
		grace_kill(job, t);
		break;
	case VERB_STOP_UNIT:
		stop_begin(job, t);
		break;
	case VERB_REPORT:
		assert(false); /* dealt with above */
	}
}

int respond_to_holders(int proc_fd, struct incident *in, bool dry_run, respond_each each,
		       void *userdata)
{
	struct respond_job job = {
		.proc_fd = proc_fd, .in = in, .each = each, .userdata = userdata
	};
	_cleanup_(freep) struct victim *victims = NULL;
	_cleanup_(freep) struct pollfd *fds = NULL;

	assert(proc_fd >= 0);
	assert(in);
	assert(each);

	if (!in->n_holders)
		return 0;
	victims = calloc(in->n_holders, sizeof(*victims));
	fds = calloc(in->n_holders, sizeof(*fds));
	if (!victims || !fds)
		return -ENOMEM;

	for (size_t i = 0; i < in->n_holders; i++) {
		victims[i] = (struct victim){ .holder = &in->holders[i], .pid_fd = -1 };
		if (dry_run)
			pretend(&job, &victims[i]);
		else
			act(&job, &victims[i]);
	}
	grace_wait(&job, victims, in->n_holders, fds);
	units_free(job.units);
	return job.r;
}
