// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * probes: memory_failure() from within, for what its tracepoint does not tell.
 *
 *   kernel -> [probes.bpf] -> the ring of poison.bpf -> daemon/source/kernel.c
 *
 * In:   functions of the kernel, which may be named or shaped otherwise in another: all of this is
 *       optional.
 * Out:  when the handling of a page begins and how it ends, also where the tracepoint is passed
 * over (a page that was poisoned before); and each file of a DAX page that the kernel tried, which
 *       with reflinks can be many.
 */
#include "bpf/poison-ring.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EHWPOISON 133

/* Of n_lost, failures of pages that were poisoned before, for which the tracepoint may be passed
 * over. */
__u64 n_again_lost;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct address_space {
	struct inode *host;
};

#pragma clang attribute pop

SEC("fentry/memory_failure")
int BPF_PROG(on_memory_failure, unsigned long pfn, int flags)
{
	struct poison_event *event = new_minor_event(POISON_ENTRY, POISON_BYTES(failure));

	if (!event)
		return 0;
	event->failure.pfn = pfn;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("fexit/memory_failure")
int BPF_PROG(on_memory_failure_return, unsigned long pfn, int flags, int result)
{
	struct poison_event *event;

	/* Else the tracepoint has told already. */
	if (result == -EHWPOISON)
		event = new_event(POISON_RETURN, POISON_BYTES(failure));
	else
		event = new_minor_event(POISON_RETURN, POISON_BYTES(failure));
	if (!event) {
		if (result == -EHWPOISON)
			__sync_fetch_and_add(&n_again_lost, 1);
		return 0;
	}
	event->failure.pfn = pfn;
	event->failure.result = result;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("fentry/mf_dax_kill_procs")
int BPF_PROG(on_dax_kill_procs, struct address_space *mapping, unsigned long index,
	     unsigned long n_pages)
{
	struct poison_event *event = new_event(POISON_DAX, POISON_BYTES(dax));

	if (!event)
		return 0;
	event->dax.inode = mapping->host->i_ino;
	event->dax.device = mapping->host->i_sb->s_dev;
	event->dax.index = index;
	event->dax.n_pages = n_pages;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("fexit/soft_offline_page")
int BPF_PROG(on_soft_offline_return, unsigned long pfn, int flags, int result)
{
	struct poison_event *event;

	if (result < 0)
		return 0;
	event = new_event(POISON_SOFT_OFFLINE, POISON_BYTES(failure));
	if (!event)
		return 0;
	event->failure.pfn = pfn;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
