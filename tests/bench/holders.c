// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: how long does it take to find who holds a page?
 *
 *   [holders] ──► mapper; find, the bare iterators, fuser, lsof ──► rows, by measure
 *
 * All ways take turns, so that what else the machine does meanwhile is the same for each. "Bare" is
 * the same programs in the kernel with the same target, read to the end and thrown away: what is
 * above it, is ours. A machine that is busy distorts wall time much, and CPU time less.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "bpf/holders.h"
#include "holders/bpf.h"
#include "holders/find.h"
#include "holders/holders.h"
#include "measure.h"

#define NAME	    "holders"
#define N_PROCESSES "2000"
#define N_MAPPINGS  "70"
#define N_TARGETS   5000u
#define N_ROUNDS    9u

enum way {
	BARE_MAPPED,
	BARE_BOTH,
	WALK,
	WALK_MANY,
	ANSWER,
	COMMAND,
	PROC,
	FUSER,
	LSOF,
	N_WAYS
};

struct result {
	const char *name;
	double wall_msec[N_ROUNDS];
	double cpu_msec[N_ROUNDS];
	size_t n_found;
	bool is_missing;
};

static struct result results[N_WAYS] = {
	[BARE_MAPPED] = { "the bare iterator over mappings" },
	[BARE_BOTH] = { "... and the one over open files" },
	[WALK] = { "our walk over both" },
	[WALK_MANY] = { "... with 5000 targets" },
	[ANSWER] = { "... with every holder described" },
	[COMMAND] = { "hwpoisonctl holders FILE" },
	[PROC] = { "our reading of /proc" },
	[FUSER] = { "fuser FILE" },
	[LSOF] = { "lsof -n -t FILE" },
};

struct bench {
	const char *path;
	char *hwpoisonctl;
	struct incident *one;
	struct targets targets, many;
	int proc_fd;
};

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

static size_t run_bare(bool open_files)
{
	const struct bpf_programs *bpf = bpf_programs_get();
	size_t n;

	n = read_to_end(bpf->fds[BPF_FIND_MAPPED]);
	return open_files ? n + read_to_end(bpf->fds[BPF_FIND_OPEN]) : n;
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

/* What it prints, in a file; false: it is not installed. */
static bool run_tool(const char *const *argv, FILE *to)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(fileno(to), 1);
		dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die(argv[0], -errno);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 127;
}

/* fuser and lsof print pids; of ours, each begins a line. */
static size_t count_pids(FILE *from)
{
	bool in_word = false;
	size_t n = 0;
	int c;

	rewind(from);
	while ((c = getc(from)) != EOF) {
		n += !in_word && c >= '0' && c <= '9';
		in_word = c != ' ' && c != '\n';
	}
	return n;
}

static size_t run_other(const struct bench *b, enum way way, bool *ret_missing)
{
	const char *const argv[][5] = {
		[COMMAND] = { b->hwpoisonctl, "holders", b->path, NULL },
		[FUSER] = { "fuser", b->path, NULL },
		[LSOF] = { "lsof", "-n", "-t", b->path, NULL },
	};
	_cleanup_(fclosep) FILE *output = tmpfile();

	if (!output)
		die("tmpfile", -errno);
	*ret_missing = !run_tool(argv[way], output);
	return count_pids(output);
}

/* ---- all ---- */

static size_t run_way(const struct bench *b, enum way way, bool *ret_missing)
{
	switch (way) {
	case BARE_MAPPED:
	case BARE_BOTH:
		return run_bare(way == BARE_BOTH);
	case WALK:
	case PROC:
		return run_find(b, &b->targets);
	case WALK_MANY:
		return run_find(b, &b->many);
	case ANSWER:
		return run_answer(b);
	default:
		return run_other(b, way, ret_missing);
	}
}

/* Loading is not measured: the daemon does that once. */
static void prepare(const struct bench *b, enum way way)
{
	const char *reason;

	if (way == PROC)
		holders_bpf_free();
	else if (holders_bpf_new(0, &reason) < 0)
		die(reason, -EOPNOTSUPP);
	if (way == BARE_MAPPED)
		put_target(bpf_programs_get(), &b->targets.all[0].key);
}

static void run_round(const struct bench *b, unsigned round)
{
	for (enum way way = 0; way < N_WAYS; way++) {
		struct result *result = &results[way];
		double cpu, wall;

		prepare(b, way);
		cpu = cpu_msec();
		wall = wall_msec();
		result->n_found = run_way(b, way, &result->is_missing);
		result->wall_msec[round] = wall_msec() - wall;
		result->cpu_msec[round] = cpu_msec() - cpu;
	}
}

static void print_results(void)
{
	double bare_wall = median(results[BARE_BOTH].wall_msec, N_ROUNDS);
	double bare_cpu = median(results[BARE_BOTH].cpu_msec, N_ROUNDS);

	print_title(NAME,
		    "Who maps a page, or has it open: " N_PROCESSES " processes of " N_MAPPINGS
		    " mappings. Medians; x bare: how many times the two bare iterators.");
	for (enum way way = 0; way < N_WAYS; way++) {
		struct result *result = &results[way];
		struct json_object *row = row_new(NAME, result->name);
		double wall = median(result->wall_msec, N_ROUNDS);
		double cpu = median(result->cpu_msec, N_ROUNDS);

		if (!result->is_missing) {
			row_put(row, "wall_msec", wall);
			row_put(row, "wall_x_bare", wall / bare_wall);
			row_put(row, "best_wall_msec", result->wall_msec[0]); /* sorted by now */
			row_put(row, "cpu_msec", cpu);
			row_put(row, "cpu_x_bare", cpu / bare_cpu);
			row_put(row, "found", (double)result->n_found);
		}
		row_print(row);
	}
}

static void claim_all(void)
{
	struct result *walk = &results[WALK], *bare = &results[BARE_BOTH], *fuser = &results[FUSER];
	double wall = median(walk->wall_msec, N_ROUNDS), cpu = median(walk->cpu_msec, N_ROUNDS);

	claim_at_most(NAME, "our walk, times the bare iterators: wall",
		      wall / median(bare->wall_msec, N_ROUNDS), 1.2);
	claim_at_most(NAME, "our walk, times the bare iterators: CPU",
		      cpu / median(bare->cpu_msec, N_ROUNDS), 1.2);
	if (!fuser->is_missing)
		claim_at_least(NAME, "fuser, times our walk: wall",
			       median(fuser->wall_msec, N_ROUNDS) / wall, 15);
}

static pid_t start_mapper(const char *build, const char *path)
{
	_cleanup_(freep) char *program = NULL;
	int pair[2];
	char line[8];
	pid_t pid;

	if (asprintf(&program, "%s/tests/bench/mapper", build) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		die("mapper", -errno);
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

static struct bench prepare_all(char *path, const char *build)
{
	struct bench b = {
		.path = path,
		.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	_cleanup_(closep) int fd = mkostemp(path, O_CLOEXEC);
	struct stat st;

	if (fd < 0 || ftruncate(fd, PAGE_BYTES) < 0 || fstat(fd, &st) < 0)
		die(path, -errno);
	if (asprintf(&b.hwpoisonctl, "%s/hwpoisonctl", build) < 0)
		die("hwpoisonctl", -ENOMEM);
	make_targets(&b, &st);
	return b;
}

int main(void)
{
	const char *build = getenv("BUILDDIR") ?: ".", *reason;
	char path[] = "/var/tmp/hwpoisond-bench-XXXXXX";
	struct bench b;
	pid_t mapper;

	if (holders_bpf_new(0, &reason) < 0) {
		printf("SKIP: %s\n", reason);
		return 77;
	}
	b = prepare_all(path, build);
	mapper = start_mapper(build, path);
	for (unsigned round = 0; round < N_ROUNDS; round++)
		run_round(&b, round);
	kill(mapper, SIGKILL);
	unlink(path);
	print_results();
	claim_all();
	return 0;
}
