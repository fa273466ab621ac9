/* SPDX-License-Identifier: GPL-2.0-or-later */
/* layout: where the bytes of an open file lie on the device, as the kernel has it. */
#pragma once

#include <stdbool.h>

#include "range.h"

enum layout_part {
	LAYOUT_DATA,
	LAYOUT_XATTR,
};

struct layout_run {
	struct range bytes; /* of the device, or realtime device, that this part is on */
	uint64_t file_offset_bytes;
	bool unwritten;
	bool shared; /* with another file, or with another place of this one */
};

/* Returns 0 to go on; anything else ends the walk and is its result. */
typedef int (*layout_function)(const struct layout_run *run, void *userdata);

/*
 * Every run of blocks of an open file or directory of "xfs" or "ext4". What has no place on the
 * device yet (delayed allocation), or lies in the inode itself, is left out: no block is its. 0 or
 * negative errno.
 */
int layout_read(int fd, const char *filesystem, enum layout_part part, layout_function f,
		void *userdata);
