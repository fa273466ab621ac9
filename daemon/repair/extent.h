/* SPDX-License-Identifier: GPL-2.0-or-later */
/* extent: where one page of a file lies on its block device, by FIEMAP; and the two calls that move
 * it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct extent {
	uint64_t dev_offset_bytes; /* of this page, on the filesystem's block device */
	bool mapped; /* false: a hole, or past the end: the rest means nothing then */
	bool unwritten;
	bool shared;
};

/* FIEMAP with FIEMAP_FLAG_SYNC: a dirty page that is not yet where it will go is written first. 0
 * or negative errno. */
int extent_of_page(int fd, uint64_t file_offset_bytes, struct extent *ret);

/* FICLONERANGE(2): make ret's bytes at to_offset the same block as from's. 0 or negative errno. */
int extent_share(int from_fd, uint64_t from_offset, uint64_t length_bytes, int to_fd,
		 uint64_t to_offset);
