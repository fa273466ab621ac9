// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * poison: what the kernel did about a page that lost data.
 *
 *   kernel -> [poison.bpf] -> ring -> daemon/source/kernel.c
 *
 * In:   the tracepoint ras:memory_failure_event, at the end of memory_failure().
 * Out:  one record for each, or one more in n_lost where the ring is full.
 *
 * Copies facts and decides nothing. No helper here reads kernel memory, so it
 * loads under lockdown as well.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/poison.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* 24 bytes a record with its header: about 2700 pages may fail before user space reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} ring SEC(".maps");

__u64 n_lost;

SEC("tp_btf/memory_failure_event")
int BPF_PROG(on_memory_failure, unsigned long pfn, int page_type, int result)
{
	struct poison_event *event;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&n_lost, 1);
		return 0;
	}
	event->pfn = pfn;
	event->page_type = page_type;
	event->result = result;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
