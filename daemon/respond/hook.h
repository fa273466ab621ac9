/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook: run a program of the administrator's, apart from us, and wait for it.
 *
 * Where systemd runs, as a transient service: the program has none of our privileges and none of
 * our restrictions, and all that it starts ends with it. Elsewhere as a child in a session of its
 * own. Either way with a time limit, a user, and limits on memory, processes and file sizes.
 * Blocks for up to the time limit and some seconds: call it in a worker.
 */
#pragma once

#include <stdint.h>

#define HOOK_MEMORY_BYTES    (512ull << 20)
#define HOOK_FILE_SIZE_BYTES (64ull << 20)
#define HOOK_TASKS	     256u

struct hook_job {
	const char *path;	/* absolute */
	const char *user;	/* by name; NULL: root */
	uint64_t timeout_usec;
	uint64_t incident;
	const char *directory;	/* where it may leave files */
	int input_fd;		/* its standard input, from where it stands; stays the caller's */
};

/*
 * 0: it ended with status 0, and nothing of it runs any more. -ETIME: it was ended at the time
 * limit; -EPROTO: it ended with another status or by a signal; -EPERM: somebody else than root
 * could have written the program; -EUSERS: no such user; or another negative errno: it was not run.
 */
int hook_run(const struct hook_job *job);

/* What hook_run() returned, as the end of a sentence that begins with the hook's path. */
const char *hook_explain(int r);

/* The two ways. The same contract, without the look at the program. */
int hook_run_as_service(const struct hook_job *job);
int hook_run_as_child(const struct hook_job *job);
