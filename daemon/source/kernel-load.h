/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-load: how the programs that hear the kernel come into it. */
#pragma once

#include "source/kernel-names.h"
#include "source/kernel.h"

struct poison_bpf;
struct probes_bpf;

/* Zeroed: none. */
struct kernel_programs {
	struct poison_bpf *poison;
	struct probes_bpf *probes; /* NULL: without */
	struct kernel_names page_types;
	struct kernel_names results;
};

/*
 * Load what this kernel has, and tell what it lacks by callbacks->on_degraded. As kernel_new(); ret
 * is to be done with after a failure as well.
 */
int kernel_programs_load(const struct kernel_callbacks *callbacks, void *userdata,
			 struct kernel_programs *ret, const char **ret_reason);
void kernel_programs_done(struct kernel_programs *p);

int kernel_programs_ring_fd(const struct kernel_programs *p);
/* How many records found no room, and how many corrected errors were in no record; since ever. */
void kernel_programs_count(const struct kernel_programs *p, uint64_t *ret_lost,
			   uint64_t *ret_corrected);
