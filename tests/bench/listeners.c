// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * listeners: see listeners.h.
 *
 * We sleep until there is something to read, as any reader does. Waking us up is part of the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "tests/bench/listeners.h"
#include "tests/bench/measure.h"

#define RUNTIME_DIR "/run/hwpoisond-bench"
#define RAS_BUFFER  "/sys/kernel/tracing/instances/rasdaemon/buffer_percent"

#define START_MSEC 20000
#define WAIT_MSEC  5000
#define QUIET_MSEC 100

/* As long as one of hwpoisond's. */
#define RELAY_LINE_BYTES 300

struct listener {
	enum who who;
	struct events *events;
	pid_t pid; /* of the process that listens; 0: we do */
	int fd; /* where its lines come from */
	struct ring_buffer *ring;
	/* what we wait for: in the ring, in lines */
	enum event_kind kind;
	unsigned number;
	const char *wanted;
	uint64_t taken_nsec, seen_nsec;
	char text[64 << 10];
	size_t n_bytes;
};

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- by the ring ---- */

static int on_bare_record(void *userdata, void *data, size_t n_bytes)
{
	struct listener *l = userdata;

	if (!events_is(data, l->kind, l->number))
		return 0;
	l->taken_nsec = now_nsec();
	l->seen_nsec = ((const struct poison_event *)data)->seen_mono_nsec;
	return 0;
}

static int open_ring(struct listener *l, int (*on_record)(void *, void *, size_t))
{
	l->ring = ring_buffer__new(events_ring_fd(l->events), on_record, l, NULL);
	return l->ring ? 0 : -errno;
}

static void listen_to_ring(struct listener *l)
{
	double end = wall_msec() + WAIT_MSEC;

	while (!l->taken_nsec && wall_msec() < end)
		ring_buffer__poll(l->ring, WAIT_MSEC);
}

/* ---- by lines ---- */

static bool is_about(struct listener *l, const char *line)
{
	if (l->who != RELAY)
		return strstr(line, l->wanted);
	l->seen_nsec = strtoull(line, NULL, 10);
	return true;
}

/* Takes whole lines off the text. True: it was among them. */
static bool take_lines(struct listener *l)
{
	bool found = false;
	char *end;

	while (!found && (end = memchr(l->text, '\n', l->n_bytes))) {
		size_t line_bytes = (size_t)(end + 1 - l->text);

		*end = '\0';
		found = is_about(l, l->text);
		l->n_bytes -= line_bytes;
		memmove(l->text, l->text + line_bytes, l->n_bytes);
	}
	return found;
}

/* The time at which it was read; 0: nothing more came. */
static uint64_t read_lines(struct listener *l, int wait_msec)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	uint64_t taken_nsec;
	ssize_t n;

	if (poll(&p, 1, wait_msec) <= 0)
		return 0;
	n = read(l->fd, l->text + l->n_bytes, sizeof(l->text) - l->n_bytes);
	taken_nsec = now_nsec();
	if (n <= 0)
		die("the listener has ended", n < 0 ? -errno : -EPIPE);
	l->n_bytes += (size_t)n;
	return taken_nsec;
}

/* When the wanted line was read; 0: it did not come. */
static uint64_t listen_to_lines(struct listener *l, const char *wanted)
{
	uint64_t taken_nsec = 0;

	l->wanted = wanted;
	while (!take_lines(l)) {
		taken_nsec = read_lines(l, WAIT_MSEC);
		if (!taken_nsec)
			break;
	}
	return taken_nsec;
}

/* What a lost page sets off is over before the next event, which would meet a busy daemon. */
static void wait_for_quiet(struct listener *l)
{
	listen_to_lines(l, "\"io.hwpoisond.poison.resolved\"");
	while (read_lines(l, QUIET_MSEC))
		l->n_bytes = 0;
	l->n_bytes = 0;
}

/* ---- processes ---- */

static int on_relay_record(void *userdata, void *data, size_t n_bytes)
{
	static char line[RELAY_LINE_BYTES];
	const struct poison_event *record = data;
	struct listener *l = userdata;

	if (record->kind != POISON_CORRECTED && record->kind != POISON_FAILURE)
		return 0; /* what comes around a failure */
	/* Who takes a record off the ring is the only one who knows its time. */
	memset(line, ' ', sizeof(line));
	snprintf(line, sizeof(line), "%llu", (unsigned long long)record->seen_mono_nsec);
	line[strlen(line)] = ' ';
	line[sizeof(line) - 1] = '\n';
	if (write(l->fd, line, sizeof(line)) != sizeof(line))
		_exit(1);
	return 0;
}

static int start_relay(struct listener *l)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	l->pid = fork();
	if (l->pid < 0)
		return -errno;
	if (l->pid > 0) {
		close(pair[1]);
		l->fd = pair[0];
		return 0;
	}
	l->fd = pair[1];
	if (open_ring(l, on_relay_record) < 0)
		_exit(1);
	while (ring_buffer__poll(l->ring, -1) >= 0)
		;
	_exit(1);
}

static pid_t start_process(const char *const *argv, int out_fd)
{
	pid_t pid = fork();
	int null_fd;

	if (pid)
		return pid;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(out_fd < 0 ? null_fd : out_fd, 1);
	dup2(null_fd, 2);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int start_hwpoisond(struct listener *l, const char *hwpoisond)
{
	const char *const argv[] = { hwpoisond,	  "--config",	   "/dev/null", "--state-dir",
				     RUNTIME_DIR, "--runtime-dir", RUNTIME_DIR, NULL };
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = RUNTIME_DIR "/events" };
	double end = wall_msec() + START_MSEC;

	/* With the incidents of the last time it would have other things to do first. */
	if (system("rm -rf " RUNTIME_DIR) != 0 || mkdir(RUNTIME_DIR, 0755) < 0)
		return -EIO;
	l->pid = start_process(argv, -1);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The control socket is the last thing that it makes. */
	while (access(RUNTIME_DIR "/io.hwpoisond", F_OK) < 0 && wall_msec() < end)
		usleep(20000);
	if (connect(l->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	usleep(500000);
	return 0;
}

/* Left as it is, it sleeps until half of its buffer is full, on kernels from 6.1 on. */
static int start_rasdaemon(struct listener *l)
{
	static const char *const argv[] = { "rasdaemon", "-f", "-r", NULL };
	double end = wall_msec() + START_MSEC;
	int pair[2], fd;

	if (system("command -v rasdaemon >/dev/null 2>&1"))
		return -ENOENT;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	l->pid = start_process(argv, pair[1]);
	close(pair[1]);
	l->fd = pair[0];
	while ((fd = open(RAS_BUFFER, O_WRONLY | O_CLOEXEC)) < 0 && wall_msec() < end)
		usleep(20000);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(RAS_BUFFER, -errno);
	close(fd);
	usleep(1500000);
	return 0;
}

int listener_new(enum who who, const char *hwpoisond, struct listener **ret)
{
	struct listener *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->who = who;
	l->fd = -1;
	if (who == HWPOISOND)
		r = start_hwpoisond(l, hwpoisond);
	else if (who == RASDAEMON)
		r = start_rasdaemon(l);
	if (r >= 0)
		r = events_new(who == HWPOISOND ? l->pid : 0, &l->events);
	if (r >= 0 && who == BARE)
		r = open_ring(l, on_bare_record);
	if (r >= 0 && who == RELAY)
		r = start_relay(l);
	if (r >= 0 && l->pid)
		events_watch(l->events, l->pid);
	if (r < 0) {
		listener_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct listener *listener_free(struct listener *l)
{
	/* First: the relay has inherited what ends the process that makes events. */
	if (l->pid > 0) {
		kill(l->pid, l->who == RELAY ? SIGKILL : SIGTERM);
		waitpid(l->pid, NULL, 0);
	}
	ring_buffer__free(l->ring);
	if (l->events)
		events_free(l->events);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return NULL;
}

bool listener_hear(struct listener *l, enum event_kind kind, unsigned number, struct heard *ret)
{
	uint64_t sent_nsec;
	char label[16];

	l->kind = kind;
	l->number = number;
	l->taken_nsec = l->seen_nsec = 0;
	events_label(number, label);
	events_fire(l->events, kind, number);
	if (l->who == BARE)
		listen_to_ring(l);
	else
		l->taken_nsec = listen_to_lines(
			l, kind == FAILURE ? "\"io.hwpoisond.kernel.memory_failure\"" : label);
	if (!l->seen_nsec)
		l->seen_nsec = events_seen_nsec(l->events);
	sent_nsec = events_sent_nsec(l->events);
	if (l->who == HWPOISOND && kind == FAILURE)
		wait_for_quiet(l);
	if (!l->seen_nsec || l->taken_nsec <= l->seen_nsec)
		return false;
	ret->read_usec = (double)(l->taken_nsec - l->seen_nsec) / 1e3;
	ret->sent_usec = sent_nsec > l->seen_nsec ? (double)(sent_nsec - l->seen_nsec) / 1e3 : 0;
	return true;
}
