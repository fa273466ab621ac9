// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * put: records into a ring, as the programs of bpf/ would write them.
 *
 *   tests/bench/ring.c -> [put.bpf] -> the ring of the running daemon
 *
 * For machines whose kernel has nothing to report: what follows the tracepoint is the real thing.
 */
#include "bpf/poison-ring.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What to put: user space fills in all but the time. */
struct poison_event record;
__u64 seen_mono_nsec;
__u64 n_wanted;
__u64 n_put; /* of n_wanted; fewer when the ring was full */

static long put_one(__u32 i, void *context)
{
	struct poison_event *event = new_event(record.kind);
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
