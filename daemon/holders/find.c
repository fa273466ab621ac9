// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * find: who touches these targets?
 *
 *   targets -> [find] -> hits -> holders
 *                └ bpf-walk, or else proc-scan
 *
 * In:   targets. Of files, a walk by BPF knows; pages of memory are looked for in page tables.
 * Out:  hits, from whichever way worked.
 *
 * A process that is stuck in the kernel stops either way. The walk by BPF is given up as a whole,
 * for it can't be told to leave somebody out; reading /proc then goes on without that one process.
 */
#include <errno.h>
#include <unistd.h>

#include "cleanup.h"
#include "holders/bpf.h"
#include "holders/find.h"
#include "holders/helper.h"
#include "holders/proc-scan.h"
#include "log.h"

#define SECOND_USEC UINT64_C(1000000)
/* Twenty million mappings on a slow machine. */
#define WALK_PATIENCE_USEC (20 * SECOND_USEC)
/* One process, of which some have a million mappings. */
#define PROCESS_PATIENCE_USEC (5 * SECOND_USEC)
#define MAX_STUCK	      16

struct bpf_job {
	const struct bpf_programs *bpf;
	const struct targets *targets;
	pid_t pid;
};

static int run_bpf(struct hit_pipe *to, const void *job)
{
	const struct bpf_job *j = job;
	_cleanup_(hits_done) struct hits found = { .n_targets = j->targets->n };
	int r;

	r = bpf_walk(j->bpf, j->targets, j->pid, &found);
	return r < 0 ? r : hits_put(to, &found);
}

static int find_by_bpf(const struct bpf_programs *bpf, const struct targets *targets, pid_t pid,
		       struct hits *ret)
{
	_cleanup_(helper_done) struct helper helper = { .fd = -1 };
	struct bpf_job job = { bpf, targets, pid };
	uint64_t deadline = helper_deadline(WALK_PATIENCE_USEC);
	struct hit hit;
	int r;

	r = helper_start(run_bpf, &job, &helper);
	while (r >= 0 && (r = helper_next(&helper, deadline, &hit)) > 0)
		r = hits_add(ret, hit);
	return r;
}

static int run_proc(struct hit_pipe *to, const void *job)
{
	return proc_scan(job, to);
}

/* All behind job->after. -ETIMEDOUT with *ret_at: stuck at that one. */
static int scan_proc(const struct proc_scan_job *job, struct hits *ret, pid_t *ret_at)
{
	_cleanup_(helper_done) struct helper helper = { .fd = -1 };
	uint64_t deadline = helper_deadline(PROCESS_PATIENCE_USEC);
	struct hit hit;
	int r;

	*ret_at = 0;
	r = helper_start(run_proc, job, &helper);
	while (r >= 0 && (r = helper_next(&helper, deadline, &hit)) > 0) {
		if (hit.target != PROC_SCAN_AT) {
			r = hits_add(ret, hit);
			continue;
		}
		*ret_at = hit.pid;
		deadline = helper_deadline(PROCESS_PATIENCE_USEC);
	}
	return r;
}

static int find_by_proc(int proc_fd, const struct targets *targets, bool only_pages, pid_t pid,
			struct hits *ret)
{
	struct proc_scan_job job = { proc_fd, targets, only_pages, pid, 0 };

	for (unsigned n_stuck = 0; n_stuck < MAX_STUCK; n_stuck++) {
		pid_t at;
		int r = scan_proc(&job, ret, &at);

		if (r != -ETIMEDOUT || !at)
			return r;
		log_warn(0, "Process %d is stuck in the kernel, what it holds stays unknown", at);
		if (pid)
			return r;
		job.after = at;
	}
	return -ETIMEDOUT;
}

int find_hits(int proc_fd, const struct targets *targets, pid_t pid, struct hits *ret)
{
	const struct bpf_programs *bpf = bpf_programs_get();
	int r;

	*ret = (struct hits){ .n_targets = targets->n };
	if (!targets->n)
		return 0;
	if (bpf && targets->has_files) {
		r = find_by_bpf(bpf, targets, pid, ret);
		if (r >= 0 && targets->has_pages)
			return find_by_proc(proc_fd, targets, true, pid, ret);
		if (r >= 0)
			return 0;
		log_warn(r, "Cannot find holders by BPF, reading /proc instead");
		hits_clear(ret);
	}
	return find_by_proc(proc_fd, targets, !targets->has_files, pid, ret);
}
