/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hits: which processes touch which targets, whoever found it out.
 *
 *   proc-scan, bpf-walk -> [hits] -> holders
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One mapping of a target's lost bytes, or one open file. Plain bytes: it travels over a pipe. */
struct hit {
	uint64_t start_ticks;	/* of the process: see process.h */
	uint64_t virt_start;	/* of the lost bytes in the mapping; 0 for an open file */
	uint64_t length_bytes;
	uint32_t target;	/* its index */
	pid_t pid;
	bool mapped;		/* else open */
	bool writable;		/* a store would reach the file */
};

/*
 * Of one process, bounded: one that maps a page many thousand times, or has it open as often, is
 * listed with the first of them, but with each target that it holds.
 */
struct process_hits {
	pid_t pid;
	pid_t tid;		/* whose mappings are taken: its other threads have the same */
	uint64_t start_ticks;
	struct hit *all;
	size_t n;
	size_t n_mappings;
	unsigned char *told;	/* of each target, what is among them already; NULL: look */
};

struct hits {
	struct process_hits *all;	/* sorted by pid */
	size_t n;
	size_t n_targets;		/* in the table that they are about */
};

/* The process's own, made where it is new. NULL: out of memory. Valid until the next is made. */
struct process_hits *hits_of_process(struct hits *h, pid_t pid, uint64_t start_ticks);

int hits_add(struct hits *h, struct hit hit); /* 0 or -ENOMEM */
void hits_clear(struct hits *h); /* keeps n_targets */
void hits_done(struct hits *h);
