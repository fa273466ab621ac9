/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * failures: pages that the kernel gave up, which can be a whole DIMM of them.
 *
 *   correlate -> hearing -> [failures] -> hearing
 *
 * In a period, the first ones are told at once and one by one; what follows is put together where
 * pages lie side by side and met the same end, and told when the period is over, or when there is
 * no room for more, many that met the same end at once. Every failure is in exactly one of what is
 * told, and so is every address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "hearing/correlate.h"
#include "range.h"

struct failure_run {
	struct range phys;		/* whole pages, side by side */
	uint64_t n;			/* failures: a page can fail again */
	char page_type[32], result[32];	/* of each */
};

struct failures;

/* As many runs are told together. */
#define FAILURES_TOGETHER 64u

/* All of one page type and result. `one` is the case itself where a run is told at once, else NULL. */
typedef void (*failures_tell)(const struct failure_run *runs, size_t n_runs,
			      const struct failure_case *one, void *userdata);

struct failures *failures_new(failures_tell tell, void *userdata);
struct failures *failures_free(struct failures *f); /* flushes; NULL is fine; returns NULL */
DEFINE_CLEANUP(struct failures *, failures_free);

/* True: this begins a period, at whose end failures_flush() is due. */
bool failures_take(struct failures *f, const struct failure_case *c);
/* Tell some of what is put together. True: there is more, and the period is not over. */
bool failures_flush(struct failures *f);
