/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel: what the hardware and the kernel's own error handling report, by BPF.
 *
 * Optional in every part. What this kernel lacks or refuses is told as degraded, and the rest is
 * heard; without anything kernel_new() fails with a reason.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "page.h"
#include "range.h"

struct kernel_source;

enum report_kind {
	REPORT_CHECK,		/* a machine check with an address: phys, corrected, label, count */
	REPORT_FAILURE,		/* ras:memory_failure_event: phys, page_type, result */
	REPORT_SIGNAL,		/* SIGBUS for lost memory, which anybody can forge: pid and below */
	REPORT_CORRECTED,	/* phys (empty: not known, or of many), count, controller, label */
	REPORT_ENTRY,		/* memory_failure() begins: phys */
	REPORT_RETURN,		/* and ends: phys, error */
	REPORT_DAX,		/* a file whose mappers it looks for: dev, inode, file_range */
	REPORT_PAGE,		/* what the page was when memory_failure() began: page; phys or empty */
	REPORT_NAME,		/* a path of the file that it was of: name */
	REPORT_UNPOISON,	/* a test has given the page back: phys */
};

/* One thing that happened. Strings are borrowed, and valid during the call alone. */
struct kernel_report {
	enum report_kind kind;
	uint64_t seen_usec;		/* CLOCK_MONOTONIC */
	pid_t running_tid;		/* the same for all that belongs to one failure */
	struct range phys;
	bool corrected;
	/* From the running kernel's BTF: "dax", "dirty-lru"; "recovered", "failed", "delayed",
	 * "ignored"; "unknown" otherwise. */
	const char *page_type, *result;
	int error;			/* 0 or negative errno */
	pid_t pid;
	uint64_t start_ticks;		/* as in struct holder */
	const char *comm;
	int code;			/* BUS_MCEERR_AR or BUS_MCEERR_AO */
	uint64_t virt_start;
	uint64_t count;
	int controller;			/* -1: not known */
	const char *label;		/* of the DIMM, or what stands for it */
	dev_t dev;			/* of the superblock: not st_dev on every filesystem */
	uint64_t inode;
	struct range file_range;
	const struct page_facts *page;
	const char *name;
};

/* What did not fit into the ring, since the programs were loaded. */
struct kernel_losses {
	uint64_t n_reports;	/* of all kinds, corrected errors apart */
	uint64_t n_failures;	/* of memory, told by none of the reports that came */
	uint64_t n_corrected;	/* errors: these are reported as well, as one count labelled "lost" */
};

struct kernel_callbacks {
	void (*on_report)(const struct kernel_report *report, void *userdata);
	/* Corrected errors are being added up that no report tells of: kernel_take_sums() does. */
	void (*on_sums)(void *userdata);
	/* More was lost: it is so much now. */
	void (*on_lost)(const struct kernel_losses *total, void *userdata);
	/* A part that this kernel lacks, or does not let us hear. */
	void (*on_degraded)(const char *what, const char *reason, void *userdata);
};

/*
 * `skip`: programs to leave out, as bits of programs.h. 0, or negative errno with *ret_reason a
 * static sentence: -EOPNOTSUPP built without BPF, -ENOENT no BTF or nothing to listen to, -EPERM not
 * allowed to.
 */
int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       uint32_t skip, struct kernel_source **ret, const char **ret_reason);
struct kernel_source *kernel_free(struct kernel_source *k);
DEFINE_CLEANUP(struct kernel_source *, kernel_free);

/*
 * Of a storm of corrected errors only the first of each page is reported at once. The others, since
 * the last call: a report for each page or DIMM that had some. True: there were any.
 */
bool kernel_take_sums(struct kernel_source *k);
