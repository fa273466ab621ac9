// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * worker: see worker.h. This file is the daemon's end: start, listen, time out, reap.
 *
 * The end of a worker is its pidfd becoming readable, not the end of its socket: a child that was
 * killed leaves us both, in any order, and what it said before counts either way. A worker that
 * does not say farewell has crashed, whatever its exit status.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "footprint.h"
#include "log.h"
#include "worker.h"
#include "worker-link.h"

#define MAX_KEPT 16 /* and one of them is the link's */

/* Messages, before others get their turn: what follows from one can take milliseconds. */
#define N_AT_ONCE 16u

struct worker {
	const struct worker_ops *ops;
	void *userdata;
	sd_event *event;
	pid_t pid;
	int pid_fd;
	struct worker_link *link;
	sd_event_source *readable, *ended, *late;
	sd_event_source *more; /* it has said more than was taken, or NULL */
	bool said_farewell;
	int farewell;
};

/* ---- what the child keeps ---- */

static int kept[MAX_KEPT]; /* sorted */
static size_t n_kept;

static void keep(int fd)
{
	size_t at = n_kept;

	for (; at > 0 && kept[at - 1] > fd; at--)
		kept[at] = kept[at - 1];
	kept[at] = fd;
	n_kept++;
}

int worker_keep_fd(int fd)
{
	if (n_kept == MAX_KEPT - 1)
		return -ENOSPC;
	keep(fd);
	return 0;
}

void worker_forget_fd(int fd)
{
	size_t n = 0;

	for (size_t i = 0; i < n_kept; i++)
		if (kept[i] != fd)
			kept[n++] = kept[i];
	n_kept = n;
}

/* The link's too. All between two that stay, at once. */
static void close_others(int link_fd)
{
	unsigned first = 3;

	keep(link_fd);
	for (size_t i = 0; i < n_kept; i++) {
		unsigned fd = (unsigned)kept[i];

		if (fd > first)
			close_range(first, fd - 1, 0);
		first = fd + 1;
	}
	close_range(first, ~0U, 0);
}

/* ---- the child ---- */

/* Not even a search of hours, in which nothing is said, goes on for a daemon that was killed. */
static void die_with(pid_t daemon)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != daemon)
		_exit(1);
}

static _Noreturn void child_main(const struct worker_ops *ops, pid_t daemon, int fd, void *job)
{
	_cleanup_(json_object_putp) struct json_object *farewell = NULL;
	struct worker_link *link;
	sigset_t none;
	int r;

	sigemptyset(&none);
	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, ops->name);
	if (ops->only_reads)
		die_with(daemon);
	close_others(fd);

	link = worker_link_new(fd);
	if (!link)
		_exit(1);
	r = ops->run(link, job);

	farewell = json_object_new_object();
	json_object_object_add(farewell, "farewell", json_object_new_int(r));
	worker_link_send(link, farewell);
	_exit(0);
}

static void on_line(struct worker *w, struct json_object *line)
{
	struct json_object *message;

	if (json_object_object_get_ex(line, "farewell", &message)) {
		w->said_farewell = true;
		w->farewell = json_object_get_int(message);
	} else if (json_object_object_get_ex(line, "ask", &message)) {
		w->ops->on_message(w, message, true, w->userdata);
	} else if (json_object_object_get_ex(line, "tell", &message)) {
		w->ops->on_message(w, message, false, w->userdata);
	}
}

/* What the child has said so far. 0: more may come, 1: it closed its end; -EAGAIN: it has said more
 * than is taken at once. */
static int drain(struct worker *w, unsigned n_max)
{
	while (n_max--) {
		_cleanup_(json_object_putp) struct json_object *line = NULL;
		int r = worker_link_receive(w->link, false, &line);

		if (r == -EAGAIN)
			return 0;
		if (r < 0) {
			if (r != -EPIPE)
				log_warn(r,
					 "Worker %s said what can't be understood, giving up on it",
					 w->ops->name);
			return 1;
		}
		on_line(w, line);
	}
	return -EAGAIN;
}

static void finish(struct worker *w, int r)
{
	w->readable = sd_event_source_disable_unref(w->readable);
	w->ended = sd_event_source_disable_unref(w->ended);
	w->late = sd_event_source_disable_unref(w->late);
	w->more = sd_event_source_disable_unref(w->more);
	w->ops->on_done(w, r, w->userdata); /* may free w */
}

static void drain_all(struct worker *w)
{
	while (drain(w, N_AT_ONCE) == -EAGAIN)
		;
}

static int on_more(sd_event_source *source, void *userdata);

/* The rest may be in our own buffer already, and then nothing else wakes us for it. */
static void take_some(struct worker *w)
{
	int r = drain(w, N_AT_ONCE);

	w->more = sd_event_source_disable_unref(w->more);
	if (r > 0)
		w->readable = sd_event_source_disable_unref(w->readable);
	if (r == -EAGAIN && sd_event_add_defer(w->event, &w->more, on_more, w) < 0)
		drain_all(w);
}

static int on_more(sd_event_source *source, void *userdata)
{
	take_some(userdata);
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	take_some(userdata);
	return 0;
}

/* It stays ended, so we come back here until all is taken. */
static int on_ended(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct worker *w = userdata;

	if (drain(w, N_AT_ONCE) == -EAGAIN)
		return 0;
	waitpid(w->pid, NULL, WNOHANG);
	w->pid = 0;
	footprint_own_heap();
	finish(w, w->said_farewell ? w->farewell : -ECHILD);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct worker *w = userdata;

	drain_all(w);
	kill(w->pid, SIGKILL);
	finish(w, -ETIME);
	return 0;
}

static int watch(struct worker *w, sd_event *event)
{
	int r;

	r = sd_event_add_io(event, &w->readable, worker_link_fd(w->link), EPOLLIN, on_readable, w);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &w->ended, w->pid_fd, EPOLLIN, on_ended, w);
	if (r < 0)
		return r;
	/* What it said must be heard before its end is. */
	r = sd_event_source_set_priority(w->ended, SD_EVENT_PRIORITY_NORMAL + 1);
	if (r < 0 || !w->ops->timeout_usec)
		return r;
	return sd_event_add_time_relative(event, &w->late, CLOCK_MONOTONIC, w->ops->timeout_usec, 0,
					  on_late, w);
}

int worker_start(sd_event *event, const struct worker_ops *ops, void *job, void *userdata,
		 struct worker **ret)
{
	_cleanup_(worker_freep) struct worker *w = NULL;
	_cleanup_(closep) int ours = -1, theirs = -1;
	pid_t daemon = getpid();
	int pair[2], r;

	assert(ops->run && ops->on_message && ops->on_done);

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct worker){ .ops = ops, .userdata = userdata, .pid_fd = -1 };
	w->event = sd_event_ref(event);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];

	fflush(NULL);
	w->pid = fork();
	if (w->pid < 0)
		return -errno;
	if (w->pid == 0)
		child_main(ops, daemon, theirs, job);

	w->link = worker_link_new(ours);
	if (!w->link)
		return -ENOMEM;
	TAKE_FD(ours);
	w->pid_fd = syscall(SYS_pidfd_open, w->pid, 0);
	if (w->pid_fd < 0)
		return -errno;
	r = watch(w, event);
	if (r < 0)
		return r;

	*ret = TAKE(w);
	return 0;
}

int worker_reply(struct worker *w, struct json_object *reply)
{
	return worker_link_send(w->link, reply);
}

static int on_dead(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	waitpid((pid_t)(intptr_t)userdata, NULL, WNOHANG);
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_set_floating(source, false); /* which was all that kept it */
	return 0;
}

/*
 * It ends in a moment, or, where it is stuck in the kernel, much later: we don't wait for it, the
 * loop does. Where it can't, the child stays a zombie until we end.
 */
static void reap_later(struct worker *w)
{
	sd_event_source *source;

	if (w->pid_fd < 0 || sd_event_add_io(w->event, &source, w->pid_fd, EPOLLIN, on_dead,
					     (void *)(intptr_t)w->pid) < 0)
		return;
	if (sd_event_source_set_io_fd_own(source, true) >= 0)
		TAKE_FD(w->pid_fd);
	sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->readable);
	sd_event_source_disable_unref(w->ended);
	sd_event_source_disable_unref(w->late);
	sd_event_source_disable_unref(w->more);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		if (waitpid(w->pid, NULL, WNOHANG) == 0)
			reap_later(w);
	}
	if (w->pid_fd >= 0)
		close(w->pid_fd);
	worker_link_free(w->link);
	sd_event_unref(w->event);
	free(w);
	return NULL;
}
