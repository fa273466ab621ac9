/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file_bad: which bytes of a file lie on bad blocks: the reverse of who owns a bad block. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "incident.h"
#include "source/badblocks.h"

struct bad_piece {
	enum owner_kind kind;	/* file-data, directory, xattr, extent-map; unwritten: none are lost */
	bool realtime;		/* of the realtime device; else of the filesystem's own */
	struct range dev_bytes;
	uint64_t file_offset_bytes;
};

struct file_bad {
	struct bad_piece *pieces;	/* by kind, then file offset */
	size_t n;
	const char *why_incomplete;	/* a sentence that lasts for ever; NULL: these are all */
};

/* More pieces than this of one file are left out, and the answer is not complete then. */
#define FILE_BAD_MAX_PIECES 4096u

/*
 * fd: a regular file or directory, opened to read. bad: normalized, bytes of the block device below
 * its filesystem. realtime_bad: the same of its realtime device, if the file's data are there
 * (realtime_has_file()); NULL: that is not known. 0; or negative errno: the file cannot be asked
 * where it lies.
 */
int file_bad_find(int fd, const struct badblocks *bad, const struct badblocks *realtime_bad,
		  struct file_bad *ret);
void file_bad_done(struct file_bad *f);

/* Are these bytes lost? Those that were never written are not. */
bool bad_piece_is_lost(const struct bad_piece *piece);
