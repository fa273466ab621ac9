// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/wait: a repair that waits for processes to let go goes on when one of them ends.
 *
 *   flow/repair -> [flow/wait] -> flow/repair
 *
 * By pidfd, so that waiting costs no wake-up. A process that only unmaps the page is not noticed:
 * then the repair waits for the next change of badblocks or mounts, or for an order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flow/flow-private.h"
#include "holders/process.h"

/* Any of them ending is reason enough to look again. */
#define MAX_WAITED_FOR 64u

struct waits {
	struct wait {
		int pid_fd;
		sd_event_source *source;
	} all[MAX_WAITED_FOR];
	size_t n;
};

void wait_cancel(struct journey *j)
{
	struct waits *waits = j->waits;

	j->waits = NULL;
	for (size_t i = 0; waits && i < waits->n; i++) {
		sd_event_source_disable_unref(waits->all[i].source);
		close(waits->all[i].pid_fd);
	}
	free(waits);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct journey *j = userdata;

	if (j->busy)
		return 0; /* the worker that told us of it is about to end; this comes again */
	wait_cancel(j);
	if (j->stage == STAGE_REST) {
		j->stage = STAGE_REPAIR;
		flow_pump(j->flow);
	}
	return 0;
}

static void wait_for_one(struct journey *j, const struct holder *holder)
{
	struct wait wait = { .pid_fd = syscall(SYS_pidfd_open, holder->pid, 0) };
	uint64_t ticks;

	if (wait.pid_fd < 0)
		return;
	/* A pid that is another's by now would never end for us. */
	if (process_start_ticks(j->flow->parts.proc_fd, holder->pid, &ticks) < 0 ||
	    ticks != holder->start_ticks ||
	    sd_event_add_io(j->flow->parts.event, &wait.source, wait.pid_fd, EPOLLIN, on_end, j) <
		    0) {
		close(wait.pid_fd);
		return;
	}
	j->waits->all[j->waits->n++] = wait;
}

void wait_for_holders(struct journey *j, const struct incident *in)
{
	const char *reason = in->repair.reason ?: "";
	/* A program that runs keeps all of its file, whichever page it maps. */
	bool runs = !strcmp(reason, "text-busy");

	wait_cancel(j);
	if (!runs && strcmp(reason, "held"))
		return;
	j->waits = calloc(1, sizeof(*j->waits));
	for (size_t i = 0; j->waits && i < in->n_holders && j->waits->n < MAX_WAITED_FOR; i++)
		if (runs || in->holders[i].maps || in->holders[i].open_writable)
			wait_for_one(j, &in->holders[i]);
}
