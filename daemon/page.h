/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page: what one page of plain memory was used for when the kernel gave it up.
 *
 *   source/kernel -> correlate -> flow -> owners
 *
 * Read from the kernel's own records without a lock: a hint that owners/ confirms where it can.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE_NAME_BYTES 320

enum page_use {
	PAGE_UNSEEN,		/* this kernel does not let us look */
	PAGE_FILE,
	PAGE_ANONYMOUS,
	PAGE_OTHER,		/* of the kernel, or of nobody */
};

struct page_facts {
	enum page_use use;
	bool dirty;		/* as far as the page knew: a store by a process may not be in it */
	bool swapbacked;	/* no file on a disk has it: tmpfs, anonymous */
	uint32_t n_mapped;	/* by how many page tables; 0: not known */
	uint64_t page_bytes;	/* more than PAGE_BYTES: hugetlb, which is lost whole */
	/* In the file; of an anonymous page the address at which it was first mapped, 0: not known. */
	uint64_t offset_bytes;
	/* Of a file: */
	dev_t dev;		/* of the superblock: not st_dev on every filesystem */
	dev_t rdev;		/* of a block device whose own page cache it was */
	uint64_t inode;
	uint32_t generation;
	uint32_t n_links;
	mode_t mode;
	char filesystem[16];
	char name[PAGE_NAME_BYTES]; /* from the filesystem's own root: "/dir/file"; "": not known */
};
