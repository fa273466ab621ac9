// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf: the programs that walk over all processes in the kernel, as long as they are loaded.
 *
 *   bpf/holders.bpf.c -> programs-load -> [bpf] -> bpf-walk
 *
 * In:   the programs, once, at start-up: that takes a child 25 ms.
 * Out:  seven descriptors.
 *
 * The skeleton is libbpf's and not the light one, whose loader reads kernel memory by a helper:
 * under lockdown=confidentiality that would not load what is loadable.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holders/bpf.h"
#include "holders/holders.h"

static struct bpf_programs *loaded;

const struct bpf_programs *bpf_programs_get(void)
{
	return loaded;
}

#ifdef HAVE_BPF

#include <stdio.h>
#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "bpf/holders.skel.h"
#include "cleanup.h"
#include "programs-child.h"
#include "programs-load.h"
#include "worker.h"

static_assert(BPF_N_FDS <= PROGRAMS_MAX_FDS, "they come from a child");

static struct bpf_programs *bpf_programs_free(struct bpf_programs *bpf)
{
	if (!bpf)
		return NULL;
	for (size_t i = 0; i < BPF_N_FDS; i++)
		closep(&bpf->fds[i]);
	free(bpf);
	return NULL;
}
DEFINE_CLEANUP(struct bpf_programs *, bpf_programs_free);

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* ---- in the child ---- */

struct answer {
	int r;
	char reason[256];
};

static struct bpf_object *open_holders(bool may_read, void *userdata, void **ret)
{
	struct holders_bpf *s = holders_bpf__open();

	*ret = s;
	return s ? s->obj : NULL;
}

static void destroy_holders(void *skeleton)
{
	holders_bpf__destroy(skeleton);
}

/* A walk over mappings without one over open files would be half of an answer. */
static void on_missing(unsigned program, const char *reason, void *userdata)
{
	struct answer *answer = userdata;

	answer->r = -EOPNOTSUPP;
	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

static void run_in_child(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata)
{
	static const struct program_object object = { open_holders, destroy_holders };
	const uint32_t *skip = userdata;
	struct programs_load load = { .skip = *skip, .on_missing = on_missing, .userdata = result };
	struct answer *answer = result;
	struct bpf_object *found;
	struct holders_bpf *s;
	void *skeleton;
	int r;

	/* It would write to stderr what is an ordinary answer here. */
	libbpf_set_print(ignore_messages);
	r = programs_load(&load, &object, &found, &skeleton);
	if (r < 0) {
		answer->r = r;
		snprintf(answer->reason, sizeof(answer->reason), "%s",
			 r == -EPERM ? "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)"
				     : "The BPF programs cannot be loaded");
	}
	if (answer->r < 0)
		return;
	s = skeleton;
	fds[BPF_FILES] = bpf_map__fd(s->maps.files);
	fds[BPF_RANGES] = bpf_map__fd(s->maps.ranges);
	fds[BPF_FIND_MAPPED] = bpf_program__fd(s->progs.find_mapped);
	fds[BPF_FIND_OPEN] = bpf_program__fd(s->progs.find_open);
	fds[BPF_TELL_MAPPED] = bpf_program__fd(s->progs.tell_mapped);
	fds[BPF_TELL_OPEN] = bpf_program__fd(s->progs.tell_open);
}

/* ---- in the daemon ---- */

static int load(struct bpf_programs *bpf, uint32_t skip, const char **ret_reason)
{
	static struct answer answer;
	int fds[PROGRAMS_MAX_FDS];
	int r;

	if (skip == PROGRAMS_ALL) {
		*ret_reason = "Switched off by SkipBPF=: holders are looked for in /proc";
		return -EOPNOTSUPP;
	}
	answer = (struct answer){ 0 };
	*ret_reason = "The loader of BPF programs failed";
	r = programs_load_in_child(run_in_child, &skip, &answer, sizeof(answer), fds);
	if (r < 0)
		return r;
	*ret_reason = answer.reason;
	if (answer.r < 0)
		return answer.r;
	memcpy(bpf->fds, fds, sizeof(bpf->fds));
	bpf->fds[BPF_LOCK] = memfd_create("hwpoisond-holders", MFD_CLOEXEC);
	*ret_reason = "No descriptors are left";
	return bpf->fds[BPF_LOCK] < 0 ? -errno : 0;
}

int holders_bpf_new(uint32_t skip, const char **ret_reason)
{
	_cleanup_(bpf_programs_freep) struct bpf_programs *bpf = NULL;
	int r;

	if (loaded)
		return 0;
	bpf = calloc(1, sizeof(*bpf));
	if (!bpf) {
		*ret_reason = "Out of memory";
		return -ENOMEM;
	}
	for (size_t i = 0; i < BPF_N_FDS; i++)
		bpf->fds[i] = -1;
	r = load(bpf, skip, ret_reason);
	if (r >= 0)
		r = bpf_walk_check(bpf, ret_reason);
	for (size_t i = 0; r >= 0 && i < BPF_N_FDS; i++)
		r = worker_keep_fd(bpf->fds[i]);
	if (r < 0)
		return r;
	loaded = TAKE(bpf);
	*ret_reason = NULL;
	return 0;
}

void holders_bpf_free(void)
{
	for (size_t i = 0; loaded && i < BPF_N_FDS; i++)
		worker_forget_fd(loaded->fds[i]);
	loaded = bpf_programs_free(loaded);
}

#else

int holders_bpf_new(uint32_t skip, const char **ret_reason)
{
	*ret_reason = "Built without BPF";
	return -EOPNOTSUPP;
}

void holders_bpf_free(void)
{
}

int bpf_walk(const struct bpf_programs *bpf, const struct targets *targets, pid_t pid,
	     struct hits *hits)
{
	return -EOPNOTSUPP;
}

#endif
