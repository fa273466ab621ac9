// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve-growth: does one range take longer where there are more files?
 *
 *   resolve ──► [resolve-growth] ──► rows and claims
 *
 * Two filesystems, mounted at the same time, take turns: what else the machine does, and how many
 * processes it has, is in both. Each round asks about another file, of which the kernel knows the
 * name. Cold is when it has dropped all of its caches, the programs' own pages among them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "resolve.h"
#include "measure.h"

#define N_WARM_ROUNDS 21u
#define N_COLD_ROUNDS 5u
#define N_TIMES	      5u /* warm, in each round */

static const struct {
	const char *name;
	size_t (*run)(const struct bench *b);
} ways[] = {
	{ "the bare ioctls", run_bare },
	{ "ours, without names", run_unnamed },
	{ "ours", run_answer },
	{ "hwpoisonctl resolve", run_command },
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct figures {
	double wall_msec[N_WAYS][N_WARM_ROUNDS];
	unsigned n_rounds;
};

static void drop_caches(void)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/sys/vm/drop_caches", "we");

	sync();
	if (!f || fputs("3", f) < 0)
		die("drop_caches", -errno);
}

static void choose_file(struct bench *b)
{
	char path[4096];

	file_path(path, sizeof(path), b->dir, (uint64_t)random() % b->n_files);
	b->sectors[0] = sector_of(path);
}

static void run_round(struct bench *b, bool cold, struct figures *f)
{
	choose_file(b);
	for (size_t w = 0; w < N_WAYS; w++) {
		struct told told;

		if (cold)
			drop_caches();
		run_in_child(b, ways[w].run, cold ? 1 : N_TIMES, &told);
		if (!told.n_found) /* where others have mounts of their own there are more lines */
			die(ways[w].name, -ENOENT);
		f->wall_msec[w][f->n_rounds] = told.wall_msec;
	}
	f->n_rounds++;
}

static double print_way(const struct bench *b, const char *state, size_t way, struct figures *f,
			double small_msec)
{
	double msec = median(f->wall_msec[way], f->n_rounds);
	struct json_object *row;
	char name[128];

	snprintf(name, sizeof(name), "%s, 1 of %" PRIu64 " files, taking turns, %s: %s", b->label,
		 b->n_files, state, ways[way].name);
	row = row_new("resolve", name);
	row_put(row, "wall_msec", msec);
	if (small_msec > 0)
		row_put(row, "wall_x_small", msec / small_msec);
	row_print(row);
	return msec;
}

static void measure_state(struct bench *small, struct bench *large, bool cold)
{
	const char *state = cold ? "cold" : "warm";
	struct figures of_small = {}, of_large = {};
	char what[128];

	for (unsigned i = 0; i < (cold ? N_COLD_ROUNDS : N_WARM_ROUNDS); i++) {
		run_round(small, cold, &of_small);
		run_round(large, cold, &of_large);
	}
	for (size_t w = 0; w < N_WAYS; w++) {
		double small_msec = print_way(small, state, w, &of_small, 0);
		double ratio = print_way(large, state, w, &of_large, small_msec) / small_msec;

		if (ways[w].run != run_command || cold)
			continue;
		snprintf(what, sizeof(what),
			 "%s, %s: time of hwpoisonctl for one range with %" PRIu64
			 " files, in those with %" PRIu64,
			 large->label, state, large->n_files, small->n_files);
		claim_at_most("resolve", what, ratio, 1.5);
	}
}

static void make_room(struct bench *b)
{
	b->n = 1;
	b->sectors = calloc(1, sizeof(*b->sectors));
	if (!b->sectors)
		die("sectors", -ENOMEM);
}

void measure_growth(struct bench *small, struct bench *large)
{
	make_room(small);
	make_room(large);
	srandom(1);
	measure_state(small, large, false);
	measure_state(small, large, true);
}
