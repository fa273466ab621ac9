/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unowned: bytes of one filesystem's device whose owner is looked for, and who was found.
 *
 * What makes a search end early: a block that is not shared has one owner, so once that one is
 * proven nobody else needs to be looked at for its sake.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "incident.h"
#include "range.h"

/* An inode that has some of the bytes; the kernel itself said so. */
struct find {
	enum owner_kind kind;
	struct range bytes; /* of the device */
	uint64_t inode;
	uint32_t generation;
	mode_t mode;
	uint64_t n_links;
	uint64_t file_offset_bytes;
	bool shared; /* others may have the same bytes */
	bool nameless; /* an inode that no directory lists */
	bool slack; /* allocated with other bytes of this inode, and never written: where it has
		       none */
};

struct unowned_range {
	struct range bytes;
	uint64_t settled_bytes; /* have an owner that shares them with nobody */
	size_t first_find; /* index into finds, plus one; 0: none */
	size_t n_finds;
	bool truncated; /* more was found than is kept */
};

struct unowned_find {
	struct find find; /* clipped to its range */
	size_t next; /* as first_find */
};

struct unowned {
	struct unowned_range *ranges; /* sorted and disjoint after unowned_sort() */
	size_t n;
	struct unowned_find *finds;
	size_t n_finds;
	size_t n_settled; /* ranges of which every byte is */
};

int unowned_add(struct unowned *u, struct range bytes); /* 0 or -ENOMEM */
void unowned_sort(struct unowned *u); /* sort, merge what overlaps: before anything is found */
void unowned_done(struct unowned *u);

/* Index of the first range that ends behind this byte; n if there is none. */
size_t unowned_after(const struct unowned *u, uint64_t byte);
bool unowned_meets(const struct unowned *u, struct range bytes);

/*
 * Note what was found, as far as it meets the ranges; what is known already counts once. 1: it was
 * new, 0: not, or -ENOMEM.
 */
int unowned_found(struct unowned *u, const struct find *find);

/* Nobody needs to be looked for any more. */
bool unowned_settled(const struct unowned *u);
