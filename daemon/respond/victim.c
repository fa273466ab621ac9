// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * victim: one process that is being acted upon.
 *
 *   respond -> [victim] <- grace
 *
 * In:   a holder as it was when it was found, some time ago.
 * Out:  the same process, or nobody.
 *
 * A pid is a number that somebody else may have by now; a pid fd is a process for good. So it is
 * opened first and compared afterwards: by then the pid can't change hands without our noticing.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

#include "holders/holders.h"
#include "holders/process.h"
#include "respond/victim.h"

int victim_open(const struct respond_job *job, struct victim *t)
{
	uint64_t start_ticks;
	int r;

	assert(t->pid_fd < 0);

	/* To kill(2) these are whole groups of processes. */
	if (t->holder->pid <= 0)
		return -EINVAL;
	t->pid_fd = pidfd_open(t->holder->pid, 0);
	if (t->pid_fd < 0)
		return -errno;
	r = process_start_ticks(job->proc_fd, t->holder->pid, &start_ticks);
	if (!r && start_ticks != t->holder->start_ticks)
		r = -ESRCH;
	if (!r)
		r = victim_holds(job, t);
	if (r < 0)
		victim_close(t);
	return r;
}

/*
 * The incident with the owners alone for which this process was judged: that it holds another file
 * that lost the same bytes is another rule's business. 1 if it was judged by mapping one of them, 0
 * by having one open, -ENOMEM.
 */
static int judged_part(const struct incident *in, const struct holder *holder, struct incident *ret)
{
	bool by_mapping = false;

	*ret = *in;
	ret->n_owners = 0;
	ret->owners = calloc(in->n_owners + 1, sizeof(*ret->owners));
	if (!ret->owners)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_owners; i++) {
		const struct held_owner *held = holder_find_held(holder,
								 owner_id_of(&in->owners[i]));

		if (!held || !held->judged)
			continue;
		ret->owners[ret->n_owners++] = in->owners[i];
		by_mapping = by_mapping || held->maps;
	}
	return by_mapping;
}

int victim_holds(const struct respond_job *job, const struct victim *t)
{
	struct incident judged;
	int r, bits;

	if (victim_is_gone(t))
		return -ESRCH;
	r = judged_part(job->in, t->holder, &judged);
	if (r < 0)
		return r;
	bits = r ? HOLDS_MAPPED : HOLDS_MAPPED | HOLDS_OPEN;
	r = holder_check(job->proc_fd, &judged, t->holder->pid, t->holder->start_ticks);
	free(judged.owners);
	/* Some of its threads may outlive its memory. */
	if (r == -ESRCH)
		return victim_is_gone(t) ? -ESRCH : 0;
	return r < 0 ? r : (r & bits) != 0;
}

bool victim_is_gone(const struct victim *t)
{
	struct pollfd p = { .fd = t->pid_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

uint64_t victim_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void victim_begin_phase(struct victim *t, uint64_t usec, enum victim_phase phase)
{
	t->deadline_usec = victim_now_usec() + usec;
	t->phase = phase;
}

void victim_close(struct victim *t)
{
	closep(&t->pid_fd);
	t->pid_fd = -1;
}

int victim_send(const struct victim *t, int signal_number)
{
	return pidfd_send_signal(t->pid_fd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

int victim_queue(const struct victim *t, int signal_number, int value)
{
	siginfo_t info = {};

	info.si_signo = signal_number;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	return pidfd_send_signal(t->pid_fd, signal_number, &info, 0) < 0 ? -errno : 0;
}

static int add_remark(struct holder *holder, const char *remark, int r)
{
	_cleanup_(freep) char *both = NULL;

	if (asprintf(&both, "%s%s%s%s%s", holder->reason ? holder->reason : "",
		     holder->reason ? "; " : "", remark, r < 0 ? ": " : "",
		     r < 0 ? strerror(-r) : "") < 0) {
		both = NULL;
		return -ENOMEM;
	}
	free(holder->reason);
	holder->reason = TAKE(both);
	return 0;
}

void victim_conclude(struct respond_job *job, struct victim *t, const char *outcome,
		     const char *event, int r, const char *remark)
{
	int made = 0;

	if (remark)
		made = add_remark(t->holder, remark, r);
	if (!made)
		made = string_set(&t->holder->outcome, outcome);
	if (!job->r)
		job->r = r < 0 ? r : made;

	victim_close(t);
	t->phase = VICTIM_DONE;
	job->each(job->in, t->holder, event, job->userdata);
}
