// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * put: records into a ring, as the programs of bpf/ would write them; and when a line left.
 *
 *   tests/bench/events.c -> [put.bpf] -> the ring of the running daemon
 *
 * For machines whose kernel has nothing to report: what follows the tracepoint is the real thing.
 */
#include "bpf/poison-ring.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What to put: user space fills in all but the time. */
struct poison_event record;
__u64 seen_mono_nsec;
__u64 n_wanted;
__u64 n_put; /* of n_wanted; fewer when the ring was full */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
	int tgid;
};

#pragma clang attribute pop

/* A line is in the socket when its sender wakes the reader. */
__s32 sender_tgid, reader_tgid;
__u64 sent_mono_nsec;

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	if (!sent_mono_nsec && (__s32)(bpf_get_current_pid_tgid() >> 32) == sender_tgid &&
	    task->tgid == reader_tgid)
		sent_mono_nsec = bpf_ktime_get_ns();
	return 0;
}

static long put_one(__u32 i, void *context)
{
	struct poison_event *event = new_event(record.kind, sizeof(*event));
	__u64 seen;

	if (!event)
		return 1;
	seen = event->seen_mono_nsec;
	*event = record;
	event->seen_mono_nsec = seen_mono_nsec = seen;
	bpf_ringbuf_submit(event, 0);
	n_put++;
	return 0;
}

SEC("syscall")
int put_records(void *context)
{
	n_put = 0;
	bpf_loop(n_wanted, put_one, 0, 0);
	return 0;
}
