/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * poison: what the kernel side hands to user space.
 *
 *   bpf/poison.bpf.c, bpf/probes.bpf.c, bpf/page.bpf.c -> [ring] -> daemon/source/kernel.c
 *
 * The only types that both sides of the ring know. Fixed widths, widest first, no holes: two
 * compilers and two privilege levels must see the same bytes.
 */
#ifndef HWPOISOND_POISON_H
#define HWPOISOND_POISON_H

#include <linux/types.h>

#define POISON_RING_BYTES (512 * 1024)
#define POISON_PAGE_BYTES 4096ull
#define POISON_LABEL_BYTES 64
#define POISON_COMM_BYTES  16
#define POISON_TYPE_BYTES  16
#define POISON_NAME_BYTES  64  /* of one component of a path, its NUL included */
#define POISON_NAMES_BYTES 320 /* of all of them */

enum poison_kind {
	POISON_CHECK,		/* mce_record */
	POISON_FAILURE,		/* memory_failure_event */
	POISON_SIGNAL,		/* signal_generate: SIGBUS with BUS_MCEERR_AR or _AO */
	POISON_CORRECTED,	/* mc_event or extlog_mem_event: the first one of a sum */
	POISON_ENTRY,		/* memory_failure() begins */
	POISON_RETURN,		/* memory_failure() ends */
	POISON_DAX,		/* mf_dax_kill_procs(): one owner that the kernel tried */
	POISON_SOFT_OFFLINE,	/* soft_offline_page() has emptied a page that still works */
	POISON_PAGE,		/* what the page was when its handling began */
	POISON_NAMES,		/* a name of the file that it was of: a struct poison_names */
	POISON_UNPOISON,	/* unpoison_memory(): a test gives a page back */
};

struct poison_check {
	__u64 status;
	__u64 phys_address;
	__u64 misc;
	__u32 bank;
	__u32 cpu;		/* that found it */
};

struct poison_failure {
	__u64 pfn;
	__s32 page_type;	/* enum mf_action_page_type, as the running kernel numbers it */
	__s32 result;		/* enum mf_result; POISON_RETURN: what memory_failure() returns */
};

struct poison_signal {
	__u64 virt_address;
	__u64 start_boot_nsec;	/* of the process: tells a reused pid */
	__s32 tgid;
	__s32 code;
	char comm[POISON_COMM_BYTES];
};

struct poison_corrected {
	__u64 phys_address;	/* 0: not known */
	__u32 count;
	__u32 controller;	/* UINT32_MAX: not known */
	char label[POISON_LABEL_BYTES];
};

struct poison_dax {
	__u64 inode;
	__u64 index;		/* in pages */
	__u64 n_pages;
	__u64 device;		/* the kernel's dev_t: major << 20 | minor */
};

/* Bits of poison_page.flags. */
#define POISON_PAGE_FILE       (1u << 0) /* inode and what follows is good */
#define POISON_PAGE_ANONYMOUS  (1u << 1)
#define POISON_PAGE_MERGED     (1u << 2) /* by KSM: index is nothing */
#define POISON_PAGE_DIRTY      (1u << 3)
#define POISON_PAGE_SWAPBACKED (1u << 4)

/* Read without a lock from a page that may change meanwhile: a hint. */
struct poison_page {
	__u64 pfn;		/* 0: the page whose failure this task handles */
	__u64 inode;
	__u64 index;		/* of the head page, in units that differ for huge pages */
	__u64 device;		/* of the superblock, as the kernel packs it */
	__u32 flags;
	__u32 tail;		/* how far behind the head page, in small pages */
	__u32 n_mapped;		/* by page tables; 0: not known */
	__u32 block_shift;	/* of the inode: on hugetlbfs that of the huge page */
	__u32 generation;
	__u32 n_links;
	__u32 mode;
	__u32 rdev;		/* of a block device's own page cache, packed likewise */
	char filesystem[POISON_TYPE_BYTES];
};

struct poison_event {
	__u64 seen_mono_nsec;	/* CLOCK_MONOTONIC */
	__u32 kind;		/* enum poison_kind */
	__s32 running_tid;	/* whoever was on the CPU: for one failure always the same */
	union {
		struct poison_check check;
		struct poison_failure failure;
		struct poison_signal signal;
		struct poison_corrected corrected;
		struct poison_dax dax;
		struct poison_page page;
	};
};

/* A record ends behind the member that its kind has. */
#define POISON_BYTES(member)                                                                       \
	(__builtin_offsetof(struct poison_event, member) +                                         \
	 sizeof(((struct poison_event *)0)->member))

/* Longer than the others, and begins as they do. */
struct poison_names {
	__u64 seen_mono_nsec;
	__u32 kind;
	__s32 running_tid;
	__u32 n_names;
	__u32 is_whole;		/* up to the root of the filesystem */
	char names[POISON_NAMES_BYTES]; /* each with its NUL, the file's own first */
};

#endif
