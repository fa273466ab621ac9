/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* poison-ring: the ring that all our event programs write to. Kernel side only. */
#ifndef HWPOISOND_POISON_RING_H
#define HWPOISOND_POISON_RING_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "bpf/poison.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, POISON_RING_BYTES);
} ring SEC(".maps");

__u64 n_lost;

/*
 * Set before this is loaded. Helpers that read kernel memory are forbidden under
 * lockdown=confidentiality; what is behind "if (may_read_memory)" is cut out then, and the rest
 * loads. Plain loads through the kernel's types are allowed always.
 */
const volatile _Bool may_read_memory = 1;

/* No longer than it must be: a storm fills the ring. NULL, and counted: there is no room. */
static __always_inline struct poison_event *new_event(__u32 kind, __u64 n_bytes)
{
	struct poison_event *event = bpf_ringbuf_reserve(&ring, n_bytes, 0);

	if (!event) {
		__sync_fetch_and_add(&n_lost, 1);
		return 0;
	}
	__builtin_memset(event, 0, n_bytes);
	event->seen_mono_nsec = bpf_ktime_get_ns();
	event->kind = kind;
	event->running_tid = (__s32)bpf_get_current_pid_tgid();
	return event;
}

/* What comes in storms, or by anybody's will, may take half of the ring and no more. */
static __always_inline int has_room_for_minor(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < POISON_RING_BYTES / 2;
}

/* What a failure is understood without. */
static __always_inline struct poison_event *new_minor_event(__u32 kind, __u64 n_bytes)
{
	if (has_room_for_minor())
		return new_event(kind, n_bytes);
	__sync_fetch_and_add(&n_lost, 1);
	return 0;
}

#endif
