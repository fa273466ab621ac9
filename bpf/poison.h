/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * poison: what the kernel side hands to user space.
 *
 *   bpf/poison.bpf.c -> [ring] -> daemon/source/kernel.c
 *
 * The only types that both sides of the ring know. Fixed widths, widest first, no holes: two
 * compilers and two privilege levels must see the same bytes.
 */
#ifndef HWPOISOND_POISON_H
#define HWPOISOND_POISON_H

#include <linux/types.h>

/* ras:memory_failure_event. The numbers are the running kernel's own; its BTF names them. */
struct poison_event {
	__u64 pfn;
	__s32 page_type;	/* enum mf_action_page_type */
	__s32 result;		/* enum mf_result */
};

#endif
