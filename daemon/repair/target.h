/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target: one owner's page, or pages in a row, open, for the time of a repair. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "incident.h"
#include "ledger/ledger.h"

struct target {
	const struct owner *owner; /* the incident's */
	int fd; /* O_RDWR; -1: not open */
	uint64_t page_offset_bytes; /* in the file, page-aligned */
	uint32_t n_pages;
	uint32_t length_bytes; /* of all of them, less at the end of the file */
	bool dax;
};

/*
 * Open owner by inode for writing; it has all of these physical pages. root_fd is any fd of a
 * writable mount of that filesystem. On failure *ret_reason is a machine word: "moved" (the inode
 * is gone), "immutable", "append-only", "read-only", "text-busy", "encoded" (its bytes on the media
 * are not those of the file), "io-error".
 */
int target_open(int root_fd, const char *filesystem, const struct owner *owner, struct range pages,
		struct target *ret, const char **ret_reason);
void target_close(struct target *t);

/* Do all its pages still lie on the blocks from dev_offset on? 1, 0, or negative errno. */
int target_is_on(const struct target *t, uint64_t dev_offset_bytes);

/* Does this one of its pages, the first is 0? 1, 0, or negative errno. */
int target_page_is_on(const struct target *t, uint32_t page, uint64_t dev_offset_bytes);

/* Has its size changed so that the pages are no longer all that was measured? */
bool target_changed_size(const struct target *t);

/* How many bytes of this page are the file's. */
uint32_t target_bytes_of(const struct target *t, uint32_t page);

/* Can the pages be read, and do they hold these bytes? saved are as many as it has. 1 yes, 0 other
 * bytes, negative errno: not readable. */
int target_reads_as(const struct target *t, const struct salvaged_page *saved);

/* Append the runs of this owner's bytes that are lost, each page's by itself. 0 or -ENOMEM. */
int target_add_losses(const struct target *t, const struct salvaged_page *saved,
		      struct incident *in);
int target_add_losses_of(const struct target *t, uint32_t page, const struct salvaged_page *saved,
			 struct incident *in);

/* The owner, with "page_offset_bytes" and "page_length_bytes": enough to find it
 * again after a crash. NULL: out of memory. */
struct json_object *target_to_json(const struct target *t);
