// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-load: see kernel-load.h.
 *
 *   bpf/poison.bpf.c, bpf/probes.bpf.c -> [kernel-load] -> kernel
 *
 * What a kernel lacks is recognised in its BTF before anything is loaded: one
 * program that cannot attach fails all of its object.
 */
#include "config.h"

#ifdef HAVE_BPF

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "source/kernel-load.h"

DEFINE_CLEANUP(struct btf *, btf__free);

struct loading {
	const struct kernel_callbacks *callbacks;
	void *userdata;
	const struct btf *btf;
	struct kernel_programs *programs;
};

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

#define N_TRACEPOINTS 5

struct tracepoint {
	struct bpf_program *program;
	const char *name;
	bool reads_memory; /* not allowed under lockdown=confidentiality */
};

static void list_tracepoints(struct loading *l, struct tracepoint ret[N_TRACEPOINTS])
{
	ret[0] = (struct tracepoint){ l->programs->poison->progs.on_mce_record, "mce_record",
				      false };
	ret[1] = (struct tracepoint){ l->programs->poison->progs.on_memory_failure_event,
				      "memory_failure_event", false };
	ret[2] = (struct tracepoint){ l->programs->poison->progs.on_signal_generate,
				      "signal_generate", true };
	ret[3] = (struct tracepoint){ l->programs->poison->progs.on_mc_event, "mc_event", true };
	ret[4] = (struct tracepoint){ l->programs->poison->progs.on_extlog_mem_event,
				      "extlog_mem_event", true };
}

static bool has(const struct btf *btf, const char *prefix, const char *name, __u32 kind)
{
	char full[96];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return btf__find_by_name_kind(btf, full, kind) > 0;
}

static void leave_out(struct loading *l, const struct tracepoint *t, const char *reason)
{
	char what[64];

	snprintf(what, sizeof(what), "kernel events: %s", t->name);
	bpf_program__set_autoload(t->program, false);
	l->callbacks->on_degraded(what, reason, l->userdata);
}

/* How many are left. */
static unsigned choose_tracepoints(struct loading *l, bool may_read)
{
	struct tracepoint all[N_TRACEPOINTS];
	unsigned n = 0;

	list_tracepoints(l, all);
	for (unsigned i = 0; i < N_TRACEPOINTS; i++) {
		if (!has(l->btf, "btf_trace_", all[i].name, BTF_KIND_TYPEDEF))
			leave_out(l, &all[i], "this kernel has no such tracepoint");
		else if (all[i].reads_memory && !may_read)
			leave_out(l, &all[i], "the program for it can't be loaded");
		else
			n++;
	}
	return n;
}

static int open_and_load(struct loading *l, bool may_read)
{
	int r;

	l->programs->poison = poison_bpf__open();
	if (!l->programs->poison)
		return -errno;
	if (!choose_tracepoints(l, may_read))
		return -ENOENT;
	r = poison_bpf__load(l->programs->poison);
	if (r >= 0)
		r = poison_bpf__attach(l->programs->poison);
	return r;
}

static int load(struct loading *l, const char **ret_reason)
{
	int r;

	r = open_and_load(l, true);
	if (r < 0 && r != -ENOENT) {
		/* Lockdown forbids some of them. */
		poison_bpf__destroy(l->programs->poison);
		l->programs->poison = NULL;
		r = open_and_load(l, false);
	}
	*ret_reason = "The BPF programs cannot be loaded";
	if (r == -ENOENT)
		*ret_reason = "This kernel has none of the tracepoints that tell of memory errors";
	if (r == -EPERM || r == -EACCES) {
		*ret_reason = "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)";
		return -EPERM;
	}
	return r;
}

static int load_probes(struct loading *l)
{
	bool failure = has(l->btf, "", "memory_failure", BTF_KIND_FUNC);
	struct probes_bpf *p;
	int r;

	if (!failure)
		return -ENOENT;
	p = l->programs->probes = probes_bpf__open();
	if (!p)
		return -errno;
	bpf_program__set_autoload(p->progs.on_dax_kill_procs,
				  has(l->btf, "", "mf_dax_kill_procs", BTF_KIND_FUNC));
	bpf_program__set_autoload(p->progs.on_soft_offline_return,
				  has(l->btf, "", "soft_offline_page", BTF_KIND_FUNC));
	r = bpf_map__reuse_fd(p->maps.ring, bpf_map__fd(l->programs->poison->maps.ring));
	if (r >= 0)
		r = probes_bpf__load(p);
	if (r >= 0)
		r = probes_bpf__attach(p);
	return r;
}

static void tell_no_probes(const struct loading *l)
{
	l->callbacks->on_degraded("kernel events: probes",
				  "the way of a page through memory_failure() can't be followed in "
				  "this kernel",
				  l->userdata);
}

static int load_all(struct loading *l, const char **ret_reason)
{
	_cleanup_(btf__freep) struct btf *btf = NULL;
	int r;

	l->btf = btf = btf__load_vmlinux_btf();
	if (!btf) {
		*ret_reason = "This kernel does not describe its types (no BTF)";
		return -ENOENT;
	}
	kernel_names_read(btf, "mf_action_page_type", "MF_MSG_", &l->programs->page_types);
	kernel_names_read(btf, "mf_result", "MF_", &l->programs->results);
	r = load(l, ret_reason);
	if (r < 0)
		return r;
	r = load_probes(l);
	if (r < 0) {
		probes_bpf__destroy(l->programs->probes);
		l->programs->probes = NULL;
		tell_no_probes(l);
	}
	return 0;
}

int kernel_programs_load(const struct kernel_callbacks *callbacks, void *userdata,
			 struct kernel_programs *ret, const char **ret_reason)
{
	struct loading l = { .callbacks = callbacks, .userdata = userdata, .programs = ret };
	int r;

	/* It would write to stderr what is an ordinary answer here. */
	libbpf_set_print(ignore_messages);
	r = load_all(&l, ret_reason);
	/* The kernel's types took some 10 MB, of which the allocator gives back nothing by itself.
	 */
	malloc_trim(0);
	return r;
}

void kernel_programs_done(struct kernel_programs *p)
{
	probes_bpf__destroy(p->probes);
	poison_bpf__destroy(p->poison);
	*p = (struct kernel_programs){ 0 };
}

int kernel_programs_ring_fd(const struct kernel_programs *p)
{
	return bpf_map__fd(p->poison->maps.ring);
}

static uint64_t count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void kernel_programs_count(const struct kernel_programs *p, uint64_t *ret_lost,
			   uint64_t *ret_corrected)
{
	*ret_lost = count_of((uint64_t *)&p->poison->bss->n_lost);
	if (p->probes)
		*ret_lost += count_of((uint64_t *)&p->probes->bss->n_lost);
	*ret_corrected = count_of((uint64_t *)&p->poison->bss->n_corrected_lost);
}

#endif
