/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: the root-only directory of a filesystem where a repair keeps its spare and quarantine
 * files.
 *
 * ROOT/.hwpoisond (mode 0700). Names are made from the incident and the page, so that the next
 * start finds what a crash left: "7-0x8021a000.quarantine", "7-0x8021a000.spare-0"; or from several
 * pages in a row, the first and how many: "7-0x8021a000+16.quarantine". A quarantine
 * whose block the platform refuses to clear stays for good: it keeps the block away from every
 * other file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "range.h"

#define STORE_DIRECTORY ".hwpoisond"

struct store_name {
	char text[64];
};

struct store_name store_quarantine_name(uint64_t incident, struct range pages);
struct store_name store_spare_name(uint64_t incident, uint64_t phys_start, unsigned n);

/*
 * Open the store of the filesystem on which root_fd lies, making it if needed and `create`. A
 * directory of that name that is not root's own, or is writable for others, is refused: -EPERM. An
 * fd; -ENOENT; -EROFS; ...
 */
int store_open(int root_fd, bool create);

/* fd or negative errno. New files are empty, mode 0600; -EEXIST for a name that is there. */
int store_create_file(int store_fd, const char *name);
int store_open_file(int store_fd, const char *name); /* O_RDWR; -ENOENT */

/* Empty it, unlink it, and make that durable. 0, also when it was not there. */
int store_remove_file(int store_fd, const char *name);

/* Give up one page of a file of several, and the file itself when it has no other left. 0 or
 * negative errno. */
int store_remove_page(int store_fd, const char *name, uint64_t offset_bytes);

/* Unlink every spare of this page, giving its block up at once: its extents are dropped before the
 * inode is, which XFS does in the background. */
void store_remove_spares(int store_fd, uint64_t incident, uint64_t phys_start);

/* Remove the directory itself if nothing is left in it. */
void store_remove_if_empty(int root_fd);
