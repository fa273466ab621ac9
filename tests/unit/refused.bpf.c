// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* refused: three programs, of which any kernel takes one, takes one only when it may read memory,
 * and refuses one. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile _Bool may_read_memory = 1;

SEC("iter/task_file")
int good(void *ctx)
{
	return 0;
}

/* Some address: the verifier follows none that is just a number. */
SEC("iter/task_vma")
int bad(void *ctx)
{
	return *(volatile int *)0x1000;
}

/* Here it is the other way round than in earnest: no kernel takes what is behind this. */
SEC("iter/task")
int bad_when_reading(void *ctx)
{
	return may_read_memory ? *(volatile int *)0x1000 : 0;
}
