/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * holders: what both sides of the walk over all processes know.
 *
 *   daemon/holders/bpf-walk.c <-> bpf/holders.bpf.c
 *
 * Fixed widths, widest first, no holes: two compilers and two privilege levels must see the same
 * bytes.
 */
#ifndef HWPOISOND_HOLDERS_H
#define HWPOISOND_HOLDERS_H

#include <linux/types.h>

#define HOLDERS_MAX_FILES  16384u	/* of one walk; more are looked for in several */
#define HOLDERS_MAX_RANGES 16384u	/* a power of two */

/* A file as the kernel knows it. */
struct holders_key {
	__u64 inode;	/* 0 for a device */
	__u32 dev;	/* the superblock's, or for what a device node stands: major << 20 | minor */
	__u32 type;	/* 0, S_IFBLK or S_IFCHR */
};

/* Which of its pages are looked for: a slice of the ranges, sorted, none touches another. */
struct holders_file {
	__u64 mapping;	/* its page cache, where (dev, inode) is not enough; else 0 */
	__u32 first_range;
	__u32 n_ranges;
};

struct holders_range {
	__u64 first_page;
	__u64 end_page;
};

#define HOLDERS_WRITABLE 1u	/* a store would reach the file; a descriptor can be written to */

/* One mapping or one open file of one task. */
struct holders_record {
	__u64 start_boot_nsec;	/* of the process: with its pid, never used twice */
	__u64 mapping;
	__u64 virt_start;	/* all 0 for an open file */
	__u64 virt_end;
	__u64 first_page;
	struct holders_key key;
	__u32 tgid;
	__u32 tid;
	__s32 fd;		/* -1 for a mapping */
	__u32 bits;
};

#endif
