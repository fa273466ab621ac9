/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holders: which processes map the lost bytes, or have the file open.
 *
 *   owners -> [holders] -> policy
 *
 * In: incidents with owners. Out: holders of each, replaced whole, sorted by pid. One walk over all
 * processes for all incidents. A mapping counts where it covers the page of a lost byte, since the
 * kernel takes away whole pages. Processes that run our own program are left out. May block on a
 * process that is stuck in the kernel: call it in a worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "incident.h"

/*
 * Load the BPF programs that find holders from then on, here and in workers; without them /proc is
 * read, for the same answer, several times slower. `skip`: as
 * in programs.h; one of ours is as good as all. 0, or negative errno with *ret_reason a static
 * sentence: -EOPNOTSUPP built without BPF or left out, -EPERM not allowed to.
 */
int holders_bpf_new(uint32_t skip, const char **ret_reason);
void holders_bpf_free(void);

/* proc_fd: an open /proc, stays the caller's. 0 or negative errno. */
int holders_find(int proc_fd, struct incident **incidents, size_t n_incidents);

/*
 * Does this process (pid and start time) still map, or have open, an owner's lost bytes? Bits
 * below, 0: no longer, -ESRCH: that process is gone (or the pid is another's now).
 */
#define HOLDS_MAPPED 1
#define HOLDS_OPEN   2
int holder_check(int proc_fd, const struct incident *in, pid_t pid, uint64_t start_ticks);

/*
 * All holders of one file's bytes (length 0: to the end), as for hwpoisonctl holders. Appends to
 * in->holders. 0 or negative errno, such as that of a path that can't be opened.
 */
int holders_of_file(int proc_fd, const char *path, uint64_t offset_bytes, uint64_t length_bytes,
		    struct incident *in);
