// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: how long does it take to find who holds a page?
 *
 *   [holders] ──► mapper; find, the bare iterators, fuser, lsof ──► a table, and JSON
 *
 * All ways take turns, so that what else the machine does meanwhile is the same for each. "Bare" is
 * the same programs in the kernel with the same target, read to the end and thrown away: what is
 * above it, is ours. A machine that is busy distorts wall time, and CPU time hardly.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/bpf.h>

#include "bpf/holders.h"
#include "holders/bpf.h"
#include "holders/find.h"
#include "holders/holders.h"

#define N_PROCESSES "2000"
#define N_MAPPINGS  "70"
#define N_TARGETS   5000u
#define N_ROUNDS    9u

enum way {
	BARE,
	WALK,
	WALK_MANY,
	ANSWER,
	PROC,
	FUSER,
	LSOF,
	N_WAYS
};

struct result {
	const char *name, *key;
	double wall_msec[N_ROUNDS];
	double cpu_msec[N_ROUNDS];
	size_t n_found;
	bool is_missing;
};

static struct result results[N_WAYS] = {
	[BARE] = { "the bare iterators", "bare_iterators" },
	[WALK] = { "our walk", "walk" },
	[WALK_MANY] = { "... with 5000 targets", "walk_5000_targets" },
	[ANSWER] = { "our answer, every holder described", "answer" },
	[PROC] = { "parsing /proc", "proc" },
	[FUSER] = { "fuser FILE", "fuser" },
	[LSOF] = { "lsof -n -t FILE", "lsof" },
};

struct bench {
	const char *path;
	struct incident *one;
	struct targets targets, many;
	int proc_fd;
};

static _Noreturn void die(const char *what, int r)
{
	fprintf(stderr, "holders: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- clocks ---- */

static double now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of ourselves and of all that we waited for. */
static double cpu_msec(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double msec = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage u;

		getrusage(whose[i], &u);
		msec += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
	}
	return msec;
}

/* ---- the bare iterators ---- */

static void put_target(const struct bpf_programs *bpf, const struct file_key *file)
{
	struct holders_key key = {
		.inode = file->inode,
		.dev = major(file->dev) << 20 | minor(file->dev),
	};
	struct holders_file value = { .n_ranges = 1 };
	struct holders_range range = { 0, 1 };
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf->fds[BPF_RANGES], &zero, &range, 0) < 0 ||
	    bpf_map_update_elem(bpf->fds[BPF_FILES], &key, &value, 0) < 0)
		die("map", -errno);
}

static size_t read_to_end(int program_fd)
{
	static char buffer[64 << 10];
	int link_fd = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, NULL);
	int fd = bpf_iter_create(link_fd);
	size_t n_bytes = 0;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EAGAIN))
		n_bytes += n > 0 ? (size_t)n : 0;
	if (n < 0)
		die("iterator", -errno);
	close(fd);
	close(link_fd);
	return n_bytes / sizeof(struct holders_record);
}

static size_t run_bare(void)
{
	const struct bpf_programs *bpf = bpf_programs_get();
	size_t n;

	n = read_to_end(bpf->fds[BPF_FIND_MAPPED]);
	return n + read_to_end(bpf->fds[BPF_FIND_OPEN]);
}

/* ---- ours ---- */

static size_t run_find(const struct bench *b, const struct targets *targets)
{
	_cleanup_(hits_done) struct hits hits = {};
	int r = find_hits(b->proc_fd, targets, 0, &hits);

	if (r < 0)
		die("find", r);
	return hits.n;
}

static size_t run_answer(const struct bench *b)
{
	struct incident *in = b->one;
	int r = holders_find(b->proc_fd, &in, 1);

	if (r < 0)
		die("answer", r);
	return in->n_holders;
}

/* ---- others ---- */

/* The number of words that it prints, which are pids; 127 as its status: it is not installed. */
static size_t run_tool(const char *const *argv, bool *ret_missing)
{
	int pair[2], status = 0;
	size_t n_words = 0;
	bool in_word = false;
	char c[4096];
	ssize_t n;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		die("pipe", -errno);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], 1);
		dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(pair[1]);
	while ((n = read(pair[0], c, sizeof(c))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			bool is_digit = c[i] >= '0' && c[i] <= '9';

			n_words += is_digit && !in_word;
			in_word = is_digit;
		}
	close(pair[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die(argv[0], -errno);
	*ret_missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
	return n_words;
}

/* ---- all ---- */

static size_t run_way(const struct bench *b, enum way way, bool *ret_missing)
{
	const char *const fuser[] = { "fuser", b->path, NULL };
	const char *const lsof[] = { "lsof", "-n", "-t", b->path, NULL };

	switch (way) {
	case BARE:
		return run_bare();
	case WALK:
	case PROC:
		return run_find(b, &b->targets);
	case WALK_MANY:
		return run_find(b, &b->many);
	case ANSWER:
		return run_answer(b);
	default:
		return run_tool(way == FUSER ? fuser : lsof, ret_missing);
	}
}

/* Loading is not measured: the daemon does that once. */
static void prepare(const struct bench *b, enum way way)
{
	const char *reason;

	if (way == PROC)
		holders_bpf_free();
	else if (holders_bpf_new(&reason) < 0)
		die(reason, -EOPNOTSUPP);
	if (way == BARE)
		put_target(bpf_programs_get(), &b->targets.all[0].key);
}

static void run_round(const struct bench *b, unsigned round)
{
	for (enum way way = 0; way < N_WAYS; way++) {
		struct result *result = &results[way];
		double cpu, wall;

		prepare(b, way);
		cpu = cpu_msec();
		wall = now_msec();
		result->n_found = run_way(b, way, &result->is_missing);
		result->wall_msec[round] = now_msec() - wall;
		result->cpu_msec[round] = cpu_msec() - cpu;
	}
}

static int compare_doubles(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return (l > r) - (l < r);
}

static void sort_results(void)
{
	for (enum way way = 0; way < N_WAYS; way++) {
		qsort(results[way].wall_msec, N_ROUNDS, sizeof(double), compare_doubles);
		qsort(results[way].cpu_msec, N_ROUNDS, sizeof(double), compare_doubles);
	}
}

static void print_table(void)
{
	const unsigned middle = N_ROUNDS / 2;
	double bare_wall = results[BARE].wall_msec[middle],
	       bare_cpu = results[BARE].cpu_msec[middle];

	printf("Who maps a page, or has it open: %s processes of %s mappings, %u rounds, medians.\n"
	       "\"x bare\": how many times what the bare iterators take.\n\n",
	       N_PROCESSES, N_MAPPINGS, N_ROUNDS);
	printf("%-36s %9s %9s %9s %9s %6s\n", "", "wall ms", "x bare", "CPU ms", "x bare", "found");
	for (enum way way = 0; way < N_WAYS; way++) {
		const struct result *result = &results[way];

		if (result->is_missing)
			printf("%-36s is not installed\n", result->name);
		else
			printf("%-36s %9.1f %9.2f %9.1f %9.2f %6zu\n", result->name,
			       result->wall_msec[middle], result->wall_msec[middle] / bare_wall,
			       result->cpu_msec[middle], result->cpu_msec[middle] / bare_cpu,
			       result->n_found);
	}
}

static void print_json(void)
{
	const unsigned middle = N_ROUNDS / 2;

	printf("\n{\"benchmark\":\"holders\",\"processes\":%s,\"mappings\":%s,\"rounds\":%u",
	       N_PROCESSES, N_MAPPINGS, N_ROUNDS);
	for (enum way way = 0; way < N_WAYS; way++) {
		const struct result *result = &results[way];

		if (!result->is_missing)
			printf(",\"%s\":{\"wall_msec\":%.3f,\"best_wall_msec\":%.3f,"
			       "\"cpu_msec\":%.3f,\"found\":%zu}",
			       result->key, result->wall_msec[middle], result->wall_msec[0],
			       result->cpu_msec[middle], result->n_found);
	}
	printf("}\n");
}

static pid_t start_mapper(const char *program, const char *path)
{
	int pair[2];
	char line[8];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		die("pipe", -errno);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], 1);
		execl(program, program, path, N_PROCESSES, N_MAPPINGS, NULL);
		_exit(127);
	}
	close(pair[1]);
	if (pid < 0 || read(pair[0], line, sizeof(line)) <= 0)
		die(program, -ECHILD);
	close(pair[0]);
	return pid;
}

/* The others are of files that nobody has. */
static void make_targets(struct bench *b, const struct stat *st)
{
	struct owner *o;

	b->one = incident_new((struct range){ 0, PAGE_BYTES }, SOURCE_BADBLOCKS);
	o = b->one ? incident_add_owner(b->one) : NULL;
	if (!o)
		die("incident", -ENOMEM);
	*o = (struct owner){
		.kind = OWNER_FILE_DATA,
		.dev = st->st_dev,
		.inode = st->st_ino,
		.length_bytes = PAGE_BYTES,
	};
	if (targets_of_incidents((const struct incident *const *)&b->one, 1, &b->targets) < 0)
		die("targets", -ENOMEM);
	for (unsigned i = 0; i < N_TARGETS; i++) {
		struct target t = b->targets.all[0];

		t.key.inode += (uint64_t)i << 32;
		if (targets_add(&b->many, t) < 0)
			die("targets", -ENOMEM);
	}
}

int main(int argc, char **argv)
{
	char path[] = "/var/tmp/hwpoisond-bench-XXXXXX";
	struct bench b = { .path = path };
	const char *reason;
	struct stat st;
	pid_t mapper;
	int fd;

	if (argc != 2) {
		fputs("usage: holders MAPPER\n", stderr);
		return 2;
	}
	if (holders_bpf_new(&reason) < 0) {
		printf("SKIP: %s\n", reason);
		return 0;
	}
	b.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, PAGE_BYTES) < 0 || fstat(fd, &st) < 0)
		die(path, -errno);
	close(fd);
	make_targets(&b, &st);
	mapper = start_mapper(argv[1], path);
	for (unsigned round = 0; round < N_ROUNDS; round++)
		run_round(&b, round);
	kill(mapper, SIGKILL);
	unlink(path);
	sort_results();
	print_table();
	print_json();
	holders_bpf_free();
	return 0;
}
