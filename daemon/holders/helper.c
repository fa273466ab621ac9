// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * helper: a search runs in a child, and is given up when it gets stuck.
 *
 *   proc-scan, bpf-walk (in the child) -> [helper] -> find
 *
 * In:   a function that finds hits.
 * Out:  its hits one by one, and whether it came to its end: only an exit status says so, since
 *       whoever is killed leaves a pipe that ends as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "holders/helper.h"

struct hit_pipe {
	int fd;
	size_t n;
	struct hit buffer[256];
};

/* ---- in the child ---- */

int hit_flush(struct hit_pipe *to)
{
	const char *at = (const char *)to->buffer;
	size_t left = to->n * sizeof(*to->buffer);

	while (left > 0) {
		ssize_t n = write(to->fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		left -= (size_t)n;
	}
	to->n = 0;
	return 0;
}

int hit_put(struct hit_pipe *to, const struct hit *hit)
{
	to->buffer[to->n++] = *hit;
	return to->n < sizeof(to->buffer) / sizeof(*to->buffer) ? 0 : hit_flush(to);
}

int hits_put(struct hit_pipe *to, const struct hits *hits)
{
	int r = 0;

	for (size_t i = 0; i < hits->n; i++)
		for (size_t k = 0; r >= 0 && k < hits->all[i].n; k++)
			r = hit_put(to, &hits->all[i].all[k]);
	return r;
}

static _Noreturn void child_main(int (*run)(struct hit_pipe *to, const void *job), const void *job,
				 int fd, pid_t parent)
{
	struct hit_pipe to = { .fd = fd };
	int r;

	/* Nobody would end a stuck one whose parent is gone. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EPIPE);
	signal(SIGPIPE, SIG_IGN);
	r = run(&to, job);
	if (r >= 0)
		r = hit_flush(&to);
	_exit(-r & 0xff);
}

/* ---- ours ---- */

int helper_start(int (*run)(struct hit_pipe *to, const void *job), const void *job,
		 struct helper *ret)
{
	_cleanup_(closep) int from = -1, to = -1;
	pid_t parent = getpid();
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	from = pair[0];
	to = pair[1];
	ret->pid = fork();
	if (ret->pid < 0)
		return -errno;
	if (ret->pid == 0) {
		close(from);
		child_main(run, job, to, parent);
	}
	ret->fd = TAKE_FD(from);
	ret->n_bytes = ret->at = 0;
	return 0;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t helper_deadline(uint64_t patience_usec)
{
	return now_usec() + patience_usec;
}

static int wait_readable(int fd, uint64_t deadline_usec)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	do {
		uint64_t now = now_usec();
		uint64_t left_msec = now < deadline_usec ? (deadline_usec - now + 999) / 1000 : 0;

		r = poll(&p, 1, left_msec < INT32_MAX ? (int)left_msec : INT32_MAX);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

static int status_of_ended(struct helper *h)
{
	int status;

	while (waitpid(h->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	h->pid = 0;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPIPE;
}

/* A hit may come in two pieces. */
static int fill_buffer(struct helper *h, uint64_t deadline_usec)
{
	ssize_t n;
	int r;

	memmove(h->buffer, (char *)h->buffer + h->at, h->n_bytes - h->at);
	h->n_bytes -= h->at;
	h->at = 0;
	r = wait_readable(h->fd, deadline_usec);
	if (r < 0)
		return r;
	n = read(h->fd, (char *)h->buffer + h->n_bytes, sizeof(h->buffer) - h->n_bytes);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	if (n == 0)
		return status_of_ended(h);
	h->n_bytes += (size_t)n;
	return 1;
}

int helper_next(struct helper *h, uint64_t deadline_usec, struct hit *ret)
{
	while (h->n_bytes - h->at < sizeof(*ret)) {
		int r = fill_buffer(h, deadline_usec);

		if (r <= 0)
			return r;
	}
	memcpy(ret, (char *)h->buffer + h->at, sizeof(*ret));
	h->at += sizeof(*ret);
	return 1;
}

/* One that can't even be killed stays a zombie of ours: to wait for it would be to hang with it. */
void helper_done(struct helper *h)
{
	if (h->pid > 0) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, WNOHANG);
	}
	if (h->fd >= 0)
		close(h->fd);
	*h = (struct helper){ .fd = -1 };
}
