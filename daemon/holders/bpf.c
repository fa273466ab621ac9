// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf: the programs that walk over all processes in the kernel, as long as they are loaded.
 *
 *   bpf/holders.bpf.c -> [bpf] -> bpf-walk
 *
 * In:   the programs, once, at start-up: that takes 25 ms and, for the kernel's types, 13 MB.
 * Out:  seven descriptors; all else is given back.
 *
 * The skeleton is libbpf's and not the light one, whose loader reads kernel memory by a helper:
 * under lockdown=confidentiality that would not load what is loadable.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "holders/bpf.h"
#include "holders/holders.h"

static struct bpf_programs *loaded;

const struct bpf_programs *bpf_programs_get(void)
{
	return loaded;
}

#ifdef HAVE_BPF

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf/holders.skel.h"
#include "cleanup.h"
#include "worker.h"

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
DEFINE_CLEANUP(struct holders_bpf *, holders_bpf__destroy);

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* They outlive the skeleton. */
static int keep_fds(const struct holders_bpf *s, struct bpf_programs *bpf)
{
	_cleanup_(closep) int lock_fd = memfd_create("hwpoisond-holders", MFD_CLOEXEC);
	int fds[BPF_N_FDS] = {
		[BPF_LOCK] = lock_fd,
		[BPF_FILES] = bpf_map__fd(s->maps.files),
		[BPF_RANGES] = bpf_map__fd(s->maps.ranges),
		[BPF_FIND_MAPPED] = bpf_program__fd(s->progs.find_mapped),
		[BPF_FIND_OPEN] = bpf_program__fd(s->progs.find_open),
		[BPF_TELL_MAPPED] = bpf_program__fd(s->progs.tell_mapped),
		[BPF_TELL_OPEN] = bpf_program__fd(s->progs.tell_open),
	};

	for (size_t i = 0; i < BPF_N_FDS; i++) {
		bpf->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (bpf->fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int load(struct bpf_programs *bpf, const char **ret_reason)
{
	_cleanup_(holders_bpf__destroyp) struct holders_bpf *s = NULL;
	libbpf_print_fn_t old_print;
	int r;

	/* It would write to stderr what is an ordinary answer here. */
	old_print = libbpf_set_print(ignore_messages);
	s = holders_bpf__open_and_load();
	r = s ? 0 : -errno;
	libbpf_set_print(old_print);
	if (r == -EPERM || r == -EACCES) {
		*ret_reason = "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)";
		return -EPERM;
	}
	if (r < 0) {
		*ret_reason = "The BPF programs cannot be loaded";
		return r;
	}
	*ret_reason = "No descriptors are left";
	return keep_fds(s, bpf);
}

int holders_bpf_new(const char **ret_reason)
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
	r = load(bpf, ret_reason);
	/* The allocator gives back nothing of the kernel's types by itself. */
	malloc_trim(0);
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

int holders_bpf_new(const char **ret_reason)
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
