/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf: the programs that walk over all processes in the kernel, as long as they are loaded. */
#pragma once

#include "holders/hits.h"
#include "holders/targets.h"

enum bpf_fd {
	BPF_LOCK,
	BPF_FILES,		/* maps */
	BPF_RANGES,
	BPF_FIND_MAPPED,	/* programs: what fits the maps */
	BPF_FIND_OPEN,
	BPF_TELL_MAPPED,	/* ... and everything */
	BPF_TELL_OPEN,
	BPF_N_FDS,
};

/*
 * Descriptors only: a worker inherits them, and needs no privilege to use them. The maps are shared
 * by whoever walks; take the lock, which ends with the process that took it.
 */
struct bpf_programs {
	int fds[BPF_N_FDS];
};

const struct bpf_programs *bpf_programs_get(void);	/* NULL: not loaded, see holders.h */

/*
 * Find hits in one walk. Run it in a helper: it may block, and leaves the lock to be given back by
 * the end of the process. pid 0: all processes. 0 or negative errno.
 */
int bpf_walk(const struct bpf_programs *bpf, const struct targets *targets, pid_t pid,
	     struct hits *hits);

/* Does a walk over ourselves tell the truth? 0, or negative errno with a sentence. */
int bpf_walk_check(const struct bpf_programs *bpf, const char **ret_reason);
