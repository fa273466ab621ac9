/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-load: how the programs that hear the kernel come into it. */
#pragma once

#include <stdint.h>

#include "programs-child.h"
#include "source/kernel-names.h"
#include "source/kernel.h"

struct poison_sums;

/* What stays of them: descriptors and counters, nothing of libbpf's. */
struct kernel_programs {
	int ring_fd;
	int fds[PROGRAMS_MAX_FDS]; /* they listen until these are closed; -1: none */
	void *poison_counters, *probes_counters, *page_counters; /* mapped; NULL: without */
	struct poison_sums *sums; /* likewise */
	bool index_is_huge; /* of hugetlb pages: it counts them */
	struct kernel_names page_types, results;
	bool tells_again; /* the tracepoint is not passed over for a page that was poisoned before */
};

/*
 * Load what this kernel has but `skip`, and tell what is missing by callbacks->on_degraded. Returns
 * as kernel_new(), after which ret is to be done with in any case.
 */
int kernel_programs_load(const struct kernel_callbacks *callbacks, void *userdata, uint32_t skip,
			 struct kernel_programs *ret, const char **ret_reason);
void kernel_programs_done(struct kernel_programs *p);

/* What found no room, since ever. */
void kernel_programs_losses(const struct kernel_programs *p, struct kernel_losses *ret);

/* Sums that were begun and that no record tells, since ever. */
uint64_t kernel_programs_n_untold_sums(const struct kernel_programs *p);
