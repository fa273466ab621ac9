// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * latency: how long from the kernel's event until somebody reads of it?
 *
 *   [latency] ──► edacbed, madvise(2) ──► a bare ring, hwpoisond, rasdaemon ──► a table, and JSON
 *
 * Listeners take turns, one event at a time, each after a pause in which everybody went to sleep.
 * The kernel's time of an event is that of our own copy of the daemon's BPF programs, which are
 * loaded in every turn. "Bare" is whoever reads that ring by epoll, and does nothing else. The
 * others have to say it in words, and to wake us up besides: that is in their time, too.
 *
 * For guests only: it loses a page for each memory failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/poison.h"
#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "range.h"

/* The daemon tells so many corrected errors at once, and sums up the rest of a minute. */
#define N_IN_TURN 16u
#define N_TURNS	  12u
#define N_ALL	  (N_IN_TURN * N_TURNS)

#define START_MSEC 20000
#define WAIT_MSEC  5000
#define PAUSE_USEC 60000u

#define RUNTIME_DIR "/run/hwpoisond-bench"
#define FIRE	    "/sys/kernel/debug/edacbed/fire"
#define RAS_BUFFER  "/sys/kernel/tracing/instances/rasdaemon/buffer_percent"

enum event_kind {
	CORRECTED,
	FAILURE,
	N_KINDS
};

enum listener {
	BARE,
	HWPOISOND,
	RASDAEMON,
	N_LISTENERS
};

static const char *const kind_names[] = { "mc_event", "memory_failure" };
static const char *const listener_names[] = { "bare", "hwpoisond", "rasdaemon" };

static struct {
	double usec[N_ALL];
	size_t n;
} results[N_KINDS][N_LISTENERS];

static const char *const tokens[] = { "\"io.hwpoisond.kernel.corrected\"",
				      "\"io.hwpoisond.kernel.memory_failure\"" };

struct bench {
	struct poison_bpf *programs;
	struct probes_bpf *probes;
	struct ring_buffer *ring;
	const char *daemon;
	bool has_rasdaemon;
	pid_t firer;
	int fire_fd;
	unsigned n_fired;
	/* of the event that was fired last */
	enum event_kind kind;
	char label[16];
	uint64_t seen_nsec, taken_nsec;
	uint64_t phys_start;
	/* of the one who listens */
	pid_t pid;
	int fd;
	char text[64 << 10];
	size_t n_bytes;
};

static _Noreturn void die(const char *what, int r)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(-r));
	exit(1);
}

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- events ---- */

static void lose_a_page(void)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, (size_t)page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		die("mmap", -errno);
	*page = 1;
	usleep(PAUSE_USEC);
	if (madvise(page, (size_t)page_bytes, MADV_HWPOISON) < 0)
		die("MADV_HWPOISON", -errno);
}

static void correct_an_error(unsigned n)
{
	char line[64];
	int fd = open(FIRE, O_WRONLY | O_CLOEXEC);

	snprintf(line, sizeof(line), "1 1 L%u.", n);
	usleep(PAUSE_USEC);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		die(FIRE, -errno);
	close(fd);
}

/* A process of its own, so that the reader sleeps while something happens. */
static void start_firer(struct bench *b)
{
	unsigned n = 0;
	int pair[2];
	char kind;

	if (pipe2(pair, O_CLOEXEC) < 0)
		die("pipe", -errno);
	b->firer = fork();
	if (b->firer < 0)
		die("fork", -errno);
	b->fire_fd = pair[1];
	if (b->firer)
		return;
	close(pair[1]);
	while (read(pair[0], &kind, 1) == 1) {
		n++;
		if (kind == CORRECTED)
			correct_an_error(n);
		else
			lose_a_page();
	}
	_exit(0);
}

static void fire(struct bench *b, enum event_kind kind)
{
	char byte = (char)kind;

	b->kind = kind;
	b->seen_nsec = b->taken_nsec = 0;
	b->n_bytes = 0;
	snprintf(b->label, sizeof(b->label), "L%u.", ++b->n_fired);
	if (write(b->fire_fd, &byte, 1) != 1)
		die("pipe", -errno);
}

/* ---- the bare ring ---- */

static int on_record(void *userdata, void *data, size_t n_bytes)
{
	const struct poison_event *event = data;
	struct bench *b = userdata;

	if (event->kind == POISON_CORRECTED && b->kind == CORRECTED &&
	    !strcmp(event->corrected.label, b->label)) {
		b->taken_nsec = now_nsec();
		b->seen_nsec = event->seen_mono_nsec;
	} else if (event->kind == POISON_FAILURE && b->kind == FAILURE) {
		b->taken_nsec = now_nsec();
		b->seen_nsec = event->seen_mono_nsec;
		b->phys_start = event->failure.pfn * PAGE_BYTES;
	}
	return 0;
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* 0, or negative errno: this kernel does not have it all. */
static int load(struct bench *b)
{
	int r;

	libbpf_set_print(be_silent);
	b->programs = poison_bpf__open();
	b->probes = probes_bpf__open();
	if (!b->programs || !b->probes)
		return -errno;
	r = poison_bpf__load(b->programs);
	if (r >= 0)
		r = bpf_map__reuse_fd(b->probes->maps.ring, bpf_map__fd(b->programs->maps.ring));
	if (r >= 0)
		r = probes_bpf__load(b->probes);
	if (r >= 0)
		r = poison_bpf__attach(b->programs);
	if (r >= 0)
		r = probes_bpf__attach(b->probes);
	if (r < 0)
		return r;
	b->ring = ring_buffer__new(bpf_map__fd(b->programs->maps.ring), on_record, b, NULL);
	return b->ring ? 0 : -errno;
}

static void listen_bare(struct bench *b)
{
	uint64_t end = now_nsec() + WAIT_MSEC * 1000000ull;

	while (!b->taken_nsec && now_nsec() < end)
		if (ring_buffer__poll(b->ring, WAIT_MSEC) < 0)
			die("ring", -errno);
}

/* ---- those who say it in words ---- */

static bool is_about(const struct bench *b, const char *line, enum listener who)
{
	if (b->kind == CORRECTED)
		return strstr(line, b->label);
	return strstr(line, tokens[b->kind]);
}

/* Reads lines until the one that we wait for, or the end of our patience. */
static bool listen_words(struct bench *b, enum listener who)
{
	struct pollfd p = { .fd = b->fd, .events = POLLIN };

	while (poll(&p, 1, WAIT_MSEC) > 0) {
		ssize_t n = read(b->fd, b->text + b->n_bytes, sizeof(b->text) - 1 - b->n_bytes);
		uint64_t taken = now_nsec();
		char *line_end;

		if (n <= 0)
			die(listener_names[who], n < 0 ? -errno : -EPIPE);
		b->n_bytes += (size_t)n;
		b->text[b->n_bytes] = '\0';
		while ((line_end = memchr(b->text, '\n', b->n_bytes))) {
			size_t line_bytes = (size_t)(line_end + 1 - b->text);
			bool found;

			*line_end = '\0';
			found = is_about(b, b->text, who);
			b->n_bytes -= line_bytes;
			memmove(b->text, b->text + line_bytes, b->n_bytes + 1);
			if (found) {
				b->taken_nsec = taken;
				return true;
			}
		}
	}
	return false;
}

static pid_t start_process(const char *const *argv, int out_fd)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork", -errno);
	if (pid > 0)
		return pid;
	if (out_fd < 0)
		out_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(out_fd, 1);
	dup2(open("/run/hwpoisond-bench/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), 2);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static void start_hwpoisond(struct bench *b)
{
	const char *const argv[] = { b->daemon,	  "--config",	   "/dev/null", "--state-dir",
				     RUNTIME_DIR, "--runtime-dir", RUNTIME_DIR, NULL };
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = RUNTIME_DIR "/events" };
	uint64_t end = now_nsec() + START_MSEC * 1000000ull;

	b->pid = start_process(argv, -1);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The control socket is the last thing that it makes. */
	while (access(RUNTIME_DIR "/io.hwpoisond", F_OK) < 0 && now_nsec() < end)
		usleep(20000);
	if (connect(b->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("hwpoisond does not start", -errno);
	usleep(500000);
}

static void start_rasdaemon(struct bench *b)
{
	static const char *const argv[] = { "rasdaemon", "-f", "-r", NULL };
	uint64_t end = now_nsec() + START_MSEC * 1000000ull;
	int pair[2], fd;

	if (pipe2(pair, O_CLOEXEC) < 0)
		die("pipe", -errno);
	b->pid = start_process(argv, pair[1]);
	close(pair[1]);
	b->fd = pair[0];
	/* Left as it is, it sleeps until half of its buffer is full: kernels from 6.1 on. */
	while ((fd = open(RAS_BUFFER, O_WRONLY | O_CLOEXEC)) < 0 && now_nsec() < end)
		usleep(20000);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(RAS_BUFFER, -errno);
	close(fd);
	usleep(1500000);
}

static void stop(struct bench *b)
{
	int status;

	kill(b->pid, SIGTERM);
	waitpid(b->pid, &status, 0);
	close(b->fd);
}

/* ---- turns ---- */

static void take_sample(struct bench *b, enum event_kind kind, enum listener who)
{
	fire(b, kind);
	if (who == BARE) {
		listen_bare(b);
	} else {
		uint64_t taken = listen_words(b, who) ? b->taken_nsec : 0;

		ring_buffer__consume(b->ring);
		b->taken_nsec = taken;
	}
	if (!b->seen_nsec || !b->taken_nsec)
		return;
	results[kind][who].usec[results[kind][who].n++] =
		((double)b->taken_nsec - (double)b->seen_nsec) / 1e3;
}

static void take_turn(struct bench *b, enum listener who)
{
	if (who == HWPOISOND)
		start_hwpoisond(b);
	else if (who == RASDAEMON)
		start_rasdaemon(b);
	for (unsigned i = 0; i < N_IN_TURN; i++)
		take_sample(b, CORRECTED, who);
	for (unsigned i = 0; i < N_IN_TURN && who != RASDAEMON; i++)
		take_sample(b, FAILURE, who);
	if (who != BARE)
		stop(b);
}

static int compare_doubles(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return (l > r) - (l < r);
}

static double percentile(enum event_kind kind, enum listener who, unsigned percent)
{
	size_t n = results[kind][who].n;

	return n ? results[kind][who].usec[(n - 1) * percent / 100] : 0;
}

static void print_row(enum event_kind kind, enum listener who, const char *name)
{
	double p50 = percentile(kind, who, 50);

	if (!results[kind][who].n) {
		printf("%-46s %s\n", name, "heard nothing");
		return;
	}
	printf("%-46s %9.0f %9.0f %9.0f %7.2f %7.2f %5zu\n", name, p50, percentile(kind, who, 90),
	       percentile(kind, who, 99), p50 / percentile(kind, BARE, 50),
	       results[kind][RASDAEMON].n ? percentile(kind, RASDAEMON, 50) / p50 : 0,
	       results[kind][who].n);
}

static void print_table(const struct bench *b)
{
	printf("From the kernel's event to whoever reads of it: %u events each, in turns.\n"
	       "\"x bare\": how many times what the bare ring takes; \"x ras\": how many times "
	       "faster "
	       "than rasdaemon.\n\n",
	       N_ALL);
	printf("%-46s %9s %9s %9s %7s %7s %5s\n", "", "p50 us", "p90 us", "p99 us", "x bare",
	       "x ras", "heard");
	print_row(CORRECTED, BARE, "mc_event, the bare ring");
	print_row(CORRECTED, HWPOISOND, "mc_event, hwpoisond's JSON line");
	if (b->has_rasdaemon)
		print_row(CORRECTED, RASDAEMON, "mc_event, rasdaemon's line, buffer_percent 0");
	else
		printf("rasdaemon is not installed\n");
	print_row(FAILURE, BARE, "memory_failure, the bare ring");
	print_row(FAILURE, HWPOISOND, "memory_failure, hwpoisond's JSON line");
}

static void print_json(void)
{
	printf("\n{\"benchmark\":\"latency\",\"events\":%u", N_ALL);
	for (int kind = 0; kind < N_KINDS; kind++) {
		const char *comma = "";

		printf(",\"%s\":{", kind_names[kind]);
		for (int who = 0; who < N_LISTENERS; who++) {
			if (!results[kind][who].n)
				continue;
			printf("%s\"%s\":{\"p50_usec\":%.1f,\"p90_usec\":%.1f,\"p99_usec\":%.1f,"
			       "\"heard\":%zu}",
			       comma, listener_names[who], percentile(kind, who, 50),
			       percentile(kind, who, 90), percentile(kind, who, 99),
			       results[kind][who].n);
			comma = ",";
		}
		printf("}");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct bench b;
	int r;

	if (argc != 2) {
		fputs("usage: latency HWPOISOND\n", stderr);
		return 2;
	}
	b.daemon = argv[1];
	b.has_rasdaemon = system("command -v rasdaemon >/dev/null") == 0;
	signal(SIGPIPE, SIG_IGN);
	mkdir(RUNTIME_DIR, 0755);
	start_firer(&b);
	r = load(&b);
	if (r < 0) {
		printf("SKIP: the BPF programs cannot be loaded here: %s\n", strerror(-r));
		return 77;
	}
	for (unsigned turn = 0; turn < N_TURNS; turn++)
		for (enum listener who = 0; who < N_LISTENERS; who++)
			if (who != RASDAEMON || b.has_rasdaemon)
				take_turn(&b, who);
	for (int kind = 0; kind < N_KINDS; kind++)
		for (int who = 0; who < N_LISTENERS; who++)
			qsort(results[kind][who].usec, results[kind][who].n, sizeof(double),
			      compare_doubles);
	print_table(&b);
	print_json();
	return 0;
}
