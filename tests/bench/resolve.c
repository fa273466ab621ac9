// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve: how long does it take to find whose a range is?
 *
 *   resolve.sh ──► [resolve] ──► resolve-ways, resolve-growth ──► rows and claims
 *
 * Each way runs in a process of its own, so that its peak memory is its own, and the ways take
 * turns. What takes less than a millisecond is asked again there, and the median counts; the CPU
 * time is that of the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolve.h"
#include "measure.h"

#define MANY_RANGES 1000u

/* A DIMM that fails: asked about where the filesystem has a reverse map and as many files. */
#define MAX_RANGES 100000u
#define N_ROUNDS   15u

static const char usage[] =
	"usage: resolve fill DIR N_FILES | resolve measure DIR DISK N_FILES LABEL |\n"
	"       resolve growth LABEL DIR DISK N_FILES DIR DISK N_FILES\n";

/* ---- files of one block, a hundred to a directory ---- */

static void make_directories(const char *dir, uint64_t i)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%03" PRIu64, dir, i / 100000);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%03" PRIu64 "/%03" PRIu64, dir, i / 100000,
		 i / 100 % 1000);
	mkdir(path, 0755);
}

static int fill(const char *dir, uint64_t n_files)
{
	static char block[4096] = "a file of one block";

	for (uint64_t i = 0; i < n_files; i++) {
		_cleanup_(closep) int fd = -1;
		char path[4096];

		if (i % 100 == 0)
			make_directories(dir, i);
		file_path(path, sizeof(path), dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
			die(path, -errno);
	}
	sync();
	return 0;
}

/* ---- which ranges ---- */

static bool asks_all(const struct bench *b)
{
	return b->has_map && b->n_files >= MAX_RANGES;
}

static void choose(struct bench *b)
{
	size_t n = asks_all(b) ? MAX_RANGES : MANY_RANGES;
	char path[4096];
	FILE *f;

	b->sectors = calloc(n, sizeof(*b->sectors));
	if (!b->sectors)
		die("sectors", -ENOMEM);
	srandom(1);
	for (size_t i = 0; i < n; i++) {
		file_path(path, sizeof(path), b->dir, (uint64_t)random() % b->n_files);
		b->sectors[i] = sector_of(path) + (uint64_t)random() % 8;
	}
	snprintf(b->bad, sizeof(b->bad), "/tmp/hwpoisond-bench-%d", (int)getpid());
	f = fopen(b->bad, "we");
	if (!f)
		die(b->bad, -errno);
	fclose(f);
}

static void write_bad(const struct bench *b)
{
	FILE *f = fopen(b->bad, "we");

	for (size_t i = 0; f && i < b->n; i++)
		fprintf(f, "%" PRIu64 "\n", b->sectors[i]);
	if (!f || fclose(f))
		die(b->bad, -errno);
}

/* ---- measuring ---- */

struct way {
	const char *name;
	size_t (*run)(const struct bench *b);
	bool xfs_only, ext4_only;
	bool needs_map;
	bool no_map_only;
	bool one_only;
};

static const struct way ways[] = {
	{ "the bare ioctls", run_bare, .xfs_only = true, .needs_map = true },
	{ "ours, without names", run_unnamed, .xfs_only = true, .needs_map = true },
	{ "ours", run_answer },
	{ "ours, as a list", run_list, .needs_map = true },
	{ "ours, with hints of an earlier search", run_with_hints, .no_map_only = true },
	{ "hwpoisonctl resolve", run_command, .needs_map = true, .one_only = true },
	{ "xfs_io fsmap, awk", run_xfs_io, .xfs_only = true, .needs_map = true },
	{ "debugfs icheck, ncheck", run_debugfs, .ext4_only = true },
	{ "find, filefrag, awk", run_filefrag },
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct figures {
	double wall_msec[N_ROUNDS];
	double cpu_msec[N_ROUNDS];
	size_t n_rounds;
	double peak_kib;
	size_t n_found;
};

static void run_once(const struct bench *b, const struct way *way, struct figures *ret)
{
	struct told told;

	run_in_child(b, way->run, 0, &told);
	ret->wall_msec[ret->n_rounds] = told.wall_msec;
	ret->cpu_msec[ret->n_rounds++] = told.cpu_msec;
	ret->n_found = told.n_found;
	if (told.peak_kib > ret->peak_kib)
		ret->peak_kib = told.peak_kib;
}

static bool applies(const struct bench *b, const struct way *way)
{
	return !(way->xfs_only && !b->is_xfs) && !(way->ext4_only && b->is_xfs) &&
	       !(way->needs_map && !b->has_map) && !(way->no_map_only && b->has_map) &&
	       !(way->one_only && b->n > 1);
}

static void print_way(const struct bench *b, const struct way *way, struct figures *f)
{
	char name[128];
	struct json_object *row;

	snprintf(name, sizeof(name), "%s, %zu of %" PRIu64 " files: %s", b->label, b->n, b->n_files,
		 way->name);
	row = row_new("resolve", name);
	row_put(row, "wall_msec", median(f->wall_msec, f->n_rounds));
	row_put(row, "cpu_msec", median(f->cpu_msec, f->n_rounds));
	row_put(row, "peak_kib", f->peak_kib);
	row_put(row, "n_found", (double)f->n_found);
	row_print(row);
}

/* Of rounds, in which the two took turns: the machine's load is in both. */
static double median_ratio(const struct figures *ours, const struct figures *theirs)
{
	size_t n = ours->n_rounds < theirs->n_rounds ? ours->n_rounds : theirs->n_rounds;
	double ratios[N_ROUNDS];

	for (size_t i = 0; i < n; i++)
		ratios[i] = ours->wall_msec[i] / theirs->wall_msec[i];
	return median(ratios, n);
}

static void claim(const struct bench *b, const struct figures *all)
{
	char what[128];

	snprintf(what, sizeof(what), "%s, %zu of %" PRIu64 " files", b->label, b->n, b->n_files);
	if (b->has_map) {
		strncat(what, ": our wall time, in those of the bare ioctls", 50);
		claim_at_most("resolve", what, median_ratio(&all[1], &all[0]), 1.2);
		snprintf(what, sizeof(what),
			 "%s, %zu of %" PRIu64 " files: MiB of memory, as a list", b->label, b->n,
			 b->n_files);
		claim_at_most("resolve", what, all[3].peak_kib / 1024, 20.0);
	} else if (!b->is_xfs) {
		strncat(what, ": our wall time, in those of icheck and ncheck", 50);
		claim_at_most("resolve", what, median_ratio(&all[2], &all[7]), 1.0);
	}
}

/* What takes seconds is not taken many times. */
static bool is_enough(const struct figures *f)
{
	double total = 0;

	for (size_t i = 0; i < f->n_rounds; i++)
		total += f->wall_msec[i];
	return total > 3000;
}

static void measure(struct bench *b, size_t n_ranges)
{
	struct figures all[N_WAYS] = {};

	b->n = n_ranges;
	write_bad(b);
	for (unsigned round = 0; round < N_ROUNDS; round++)
		for (size_t w = 0; w < N_WAYS; w++)
			if (applies(b, &ways[w]) && !is_enough(&all[w]))
				run_once(b, &ways[w], &all[w]);
	claim(b, all); /* the medians of the rows sort the rounds */
	for (size_t w = 0; w < N_WAYS; w++)
		if (all[w].n_rounds)
			print_way(b, &ways[w], &all[w]);
}

static int measure_all(const char *dir, const char *device, uint64_t n_files, const char *label)
{
	struct bench b;

	bench_open(dir, device, n_files, label, &b);
	choose(&b);
	measure(&b, 1);
	measure(&b, MANY_RANGES);
	if (asks_all(&b))
		measure(&b, MAX_RANGES);
	unlink(b.bad);
	bench_done(&b);
	return 0;
}

/* Of the small one, and of the large one. */
static int compare_sizes(const char *label, char **small, char **large)
{
	struct bench a, b;

	bench_open(small[0], small[1], strtoull(small[2], NULL, 0), label, &a);
	bench_open(large[0], large[1], strtoull(large[2], NULL, 0), label, &b);
	measure_growth(&a, &b);
	bench_done(&a);
	bench_done(&b);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 6 && !strcmp(argv[1], "measure"))
		return measure_all(argv[2], argv[3], strtoull(argv[4], NULL, 0), argv[5]);
	if (argc == 9 && !strcmp(argv[1], "growth"))
		return compare_sizes(argv[2], argv + 3, argv + 6);
	fputs(usage, stderr);
	return 2;
}
