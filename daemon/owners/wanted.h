/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wanted: the inodes of one filesystem whose names a question asks for, and the names so far. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * More names than this of one inode, and more bytes of all names together, are left out. A tree of
 * directories can be made deeper than any path that could be told.
 */
#define WANTED_MAX_NAMES      1024u
#define WANTED_MAX_PATH_BYTES (64u << 10)
#define WANTED_MAX_BYTES      (64u << 20)

struct wanted_inode {
	uint64_t inode;
	uint32_t generation;	/* 0: any */
	uint64_t n_names;	/* how many there must be: its links, 1 for a directory */
	char **fs_paths;	/* found so far: "/dir/file" from the filesystem's own root */
	size_t n_paths;
};

/* Zero-initialized: empty. In the order in which they were added, each once. */
struct wanted {
	struct wanted_inode *all;
	size_t n;
	uint32_t *slots;	/* by hash: position in `all`, plus one */
	size_t n_slots;
	size_t n_bytes;		/* of all names */
	bool full;		/* WANTED_MAX_BYTES is reached */
};

/* Add an inode, or find it. NULL: out of memory. Valid until the next one is added. */
struct wanted_inode *wanted_add(struct wanted *w, uint64_t inode);
struct wanted_inode *wanted_find(const struct wanted *w, uint64_t inode);
void wanted_done(struct wanted *w);

/* It has fewer names than it must have, and another one would be kept. */
bool wanted_is_missing(const struct wanted *w, const struct wanted_inode *inode);
size_t wanted_n_missing(const struct wanted *w);

/* Note a name of one of them. 1; 0: known already, or one too many; -ENOMEM. */
int wanted_note(struct wanted *w, struct wanted_inode *inode, const char *fs_path);
