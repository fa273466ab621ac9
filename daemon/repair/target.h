/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target: one owner's page, open, for the time of a repair. */
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
	uint32_t length_bytes; /* a page, or less at the end of the file */
	bool dax;
};

/*
 * Open owner by inode for writing. root_fd is any fd of a writable mount of that filesystem. On
 * failure *ret_reason is a machine word: "moved" (the inode is gone), "immutable", "append-only",
 * "read-only", "text-busy", "encoded" (its bytes on the media are not those of the file),
 * "io-error".
 */
int target_open(int root_fd, const char *filesystem, const struct owner *owner, uint64_t phys_start,
		struct target *ret, const char **ret_reason);
void target_close(struct target *t);

/* Does this page still lie on the block at dev_offset? 1, 0, or negative errno. */
int target_is_on(const struct target *t, uint64_t dev_offset_bytes);

/* Has its size changed so that the page is no longer all that was measured? */
bool target_changed_size(const struct target *t);

/* Can the page be read, and does it hold these bytes? 1 yes, 0 other bytes, negative errno: not
 * readable. */
int target_reads_as(const struct target *t, const struct salvaged_page *page);

/* Append the runs of this owner's bytes that are lost. 0 or -ENOMEM. */
int target_add_losses(const struct target *t, const struct salvaged_page *page,
		      struct incident *in);

/* The owner, with "page_offset_bytes" and "page_length_bytes": enough to find it
 * again after a crash. NULL: out of memory. */
struct json_object *target_to_json(const struct target *t);
