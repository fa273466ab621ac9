/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * find: who touches these targets? By BPF where that is loaded, else by reading /proc. Both give
 * the same answer.
 */
#pragma once

#include "holders/hits.h"
#include "holders/targets.h"

/* pid 0: all processes. 0 or negative errno; *ret is the caller's to free either way. */
int find_hits(int proc_fd, const struct targets *targets, pid_t pid, struct hits *ret);
