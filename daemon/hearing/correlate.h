/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * correlate: which of the kernel's reports belong to one failure?
 *
 *   source/kernel -> [correlate] -> hearing -> flow
 *
 * A machine check, the handling of its page, the files and the processes that the kernel tried come
 * as reports of their own, in any order between processors. They become one case for each page, which
 * stays here for those that find the page bad later. Bounded, and free of clocks and files: time is
 * what the reports say.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "page.h"
#include "range.h"
#include "source/kernel.h"

#define CASE_MAX_FILES	 16u
#define CASE_MAX_SIGNALS 32u

struct case_file {
	dev_t dev;
	uint64_t inode;
	struct range bytes;
};

struct case_signal {
	pid_t pid;
	uint64_t start_ticks;
	int code;
	uint64_t virt_start;
	char comm[16];
};

/* memory_failure() of one page. */
struct failure_case {
	uint64_t phys_start;
	pid_t running_tid;
	uint64_t begun_usec;		/* 0: not known */
	uint64_t ended_usec;		/* 0: it has not */
	bool has_returned;
	bool told;
	char page_type[32], result[32];
	struct page_facts page;		/* of a DAX page it shows one file at most: files has all */
	unsigned n_files, n_signals;
	/* Of these only so many mean anything. */
	struct case_file files[CASE_MAX_FILES];
	struct case_signal signals[CASE_MAX_SIGNALS];
};

struct correlate_callbacks {
	/* The kernel is through with a page, once for each. */
	void (*on_failure)(const struct failure_case *c, void *userdata);
	/* It has sent this signal itself, because of that page. */
	void (*on_signalled)(const struct failure_case *c, const struct kernel_report *signal,
			     void *userdata);
	/* More is known about where an incident in this range comes from. */
	void (*on_heard)(struct range phys, void *userdata);
	/* A test has given this page back. */
	void (*on_given_back)(struct range phys, void *userdata);
};

struct correlate;

struct correlate *correlate_new(const struct correlate_callbacks *callbacks, void *userdata);
struct correlate *correlate_free(struct correlate *c);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct correlate *, correlate_free);

void correlate_take(struct correlate *c, const struct kernel_report *report);

/* The youngest failure in this range that is over; NULL: none is known. Valid until the next report. */
const struct failure_case *correlate_case(const struct correlate *c, struct range phys);

/* Bits of enum incident_source for what was heard about this range; 0: nothing. */
uint32_t correlate_sources(const struct correlate *c, struct range phys);

/* The code of the signal that the kernel sent to this process for a page of the range; 0: none. */
int correlate_signalled(const struct correlate *c, struct range phys, pid_t pid,
			uint64_t start_ticks);
