/* SPDX-License-Identifier: GPL-2.0-or-later */
/* in_use: which inodes of a filesystem processes have open or mapped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* No more than these are looked at before all others; the search through all finds the rest. */
#define IN_USE_MAX 100000u

struct in_use {
	dev_t dev; /* st_dev of the filesystem */
	uint64_t *inodes; /* sorted, each once; the caller's to free() */
	size_t n;
	bool full; /* there may be more */
};

/*
 * One walk over all processes for n filesystems: fill in inodes of each. Regular files and
 * directories only. 0, -ENOMEM, or another negative errno of an unreadable /proc.
 */
int in_use_find(int proc_fd, struct in_use *filesystems, size_t n);
