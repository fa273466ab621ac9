/* SPDX-License-Identifier: GPL-2.0-or-later */
/* extent: where pages of a file lie on its block device, by FIEMAP; and the call that moves them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "range.h"

struct extent {
	uint64_t dev_offset_bytes; /* of the first page, on the filesystem's block device */
	uint64_t length_bytes; /* so many of the bytes lie there one behind the other */
	bool mapped; /* false: a hole, or past the end: the rest means nothing then */
	bool unwritten; /* some of them */
	bool shared; /* some of them */
};

/*
 * Where do these bytes of a file lie? They are whole pages. FIEMAP with FIEMAP_FLAG_SYNC: a dirty
 * page that is not yet where it will go is written first. 0 or negative errno.
 */
int extent_of(int fd, struct range file_bytes, struct extent *ret);
int extent_of_page(int fd, uint64_t file_offset_bytes, struct extent *ret);

/* FICLONERANGE(2): make ret's bytes at to_offset the same block as from's. 0 or negative errno. */
int extent_share(int from_fd, uint64_t from_offset, uint64_t length_bytes, int to_fd,
		 uint64_t to_offset);
