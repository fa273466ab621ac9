/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolve: the ways to find whose a range is, and what they are asked.
 *
 *   resolve, resolve-growth ──► [resolve-ways] ──► our stations, the bare ioctls, others' programs
 *
 * Each returns how many it found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "owners/mounts.h"

struct bench {
	const char *dir;
	const char *disk; /* "loop0" */
	const char *label;
	const char *device; /* "/dev/loop0" */
	dev_t dev; /* of the filesystem, which sysfs tells us otherwise */
	uint64_t n_files;
	bool is_xfs;
	bool has_map;
	size_t n; /* of ranges, this time */
	uint64_t *sectors; /* at least as many */
	int proc_fd;
	struct mounts *mounts;
	char bad[64]; /* a file of them, for those who are not us */
};

size_t run_bare(const struct bench *b); /* GETFSMAP and bulkstat of each range, and no more */
size_t run_unnamed(const struct bench *b); /* the same by us: inode, generation, offset */
size_t run_answer(const struct bench *b);
size_t run_list(const struct bench *b);
size_t run_with_hints(const struct bench *b);
size_t run_command(const struct bench *b); /* for one range */
size_t run_xfs_io(const struct bench *b);
size_t run_filefrag(const struct bench *b);
size_t run_debugfs(const struct bench *b);

/* ---- what is asked ---- */

void file_path(char *to, size_t n_bytes, const char *dir, uint64_t i);
uint64_t sector_of(const char *path); /* the first */

/* All but the sectors; the strings stay the caller's. */
void bench_open(const char *dir, const char *device, uint64_t n_files, const char *label,
		struct bench *ret);
void bench_done(struct bench *b);

/* ---- measuring ---- */

struct told {
	size_t n_found;
	double wall_msec;
	double cpu_msec;
	double peak_kib;
};

/*
 * In a child, whose memory is its own. More than once, and the time is the median of those after
 * the first; n_times 0: as often as is quick.
 */
void run_in_child(const struct bench *b, size_t (*run)(const struct bench *b), size_t n_times,
		  struct told *ret);

/* From the smallest filesystem to the largest: the time for one range, warm and cold. */
void measure_growth(struct bench *small, struct bench *large);
