/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack: block devices that lie on one another, partitions and device-mapper, in both directions.
 *
 *   sysfs, device-mapper -> [stack] -> owners, holders, repair, lookup
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "locate/dm_table.h"
#include "range.h"

#define STACK_NAME_BYTES 64

struct stack;

/* A run of bytes of one block device. */
struct stack_piece {
	char name[STACK_NAME_BYTES]; /* "pmem0p1", "dm-0" */
	dev_t dev;
	struct range bytes; /* of this device */
	uint64_t at_bytes; /* where they begin on the device that was asked about */
};

struct stack_pieces {
	struct stack_piece *all;
	size_t n;
};

/* What is built right on one device. */
struct stack_level {
	struct stack_pieces pieces; /* sorted by at_bytes; those of two devices may overlap */
	bool partitioned; /* it has partitions: what no piece covers is their table's */
	bool mapped; /* volumes use parts of it: what no piece covers, no volume has */
	/*
	 * Something uses it in a way that cannot be followed, so that what no piece covers may be
	 * there: "dm-3 (home, crypt)", "md0". Empty where there is none.
	 */
	char opaque[160];
	char opaque_name[STACK_NAME_BYTES]; /* its name alone */
};

/*
 * A snapshot of all device-mapper tables. sysfs_block_fd is an open /sys/class/block (or a copy),
 * which stays the caller's and must outlive *ret. 0 or negative errno. A table that cannot be read
 * makes its device one that cannot be followed.
 */
int stack_new(int sysfs_block_fd, struct stack **ret);
struct stack *stack_free(struct stack *s); /* NULL is fine; returns NULL */
void stack_freep(struct stack **s);

typedef int (*stack_table_reader)(dev_t dev, struct dm_table *ret);
int stack_new_with(int sysfs_block_fd, stack_table_reader read_table, struct stack **ret);

void stack_pieces_done(struct stack_pieces *pieces);
void stack_level_done(struct stack_level *level);

/*
 * What is built right on device `name` and meets these bytes of it. *ret is the caller's to
 * stack_level_done(). 0; -ENODEV: no such device; -E2BIG: more pieces than are kept; or another
 * negative errno.
 */
int stack_above(const struct stack *s, const char *name, struct range bytes,
		struct stack_level *ret);

/*
 * Every device through which these bytes of `name` can be reached, itself included and first. The
 * same results.
 */
int stack_reach(const struct stack *s, const char *name, struct range bytes,
		struct stack_pieces *ret);

/*
 * A gigabyte of a striped volume can be in a hundred thousand pieces. Each costs some calls to find,
 * and is an object in somebody's answer.
 */
#define STACK_MAX_BELOW 8192u

/*
 * Where these bytes of `name` lie: on disks, in the order of `name`. A device that cannot be
 * followed further down is taken for a disk. -ERANGE: past its end; -E2BIG: over STACK_MAX_BELOW
 * pieces; else the same results.
 */
int stack_below(const struct stack *s, const char *name, struct range bytes,
		struct stack_pieces *ret);

/* The disks that one device is made of; a disk is made of itself. */
struct stack_disks {
	char (*names)[STACK_NAME_BYTES];
	size_t n;
	/* A device on the way of which it cannot be told where its bytes are: "dm-3", "md0"; or "" */
	char opaque[STACK_NAME_BYTES];
};

/* 0, -ENODEV, or another negative errno. *ret is the caller's to stack_disks_done(). */
int stack_disks(const struct stack *s, const char *name, struct stack_disks *ret);
void stack_disks_done(struct stack_disks *disks);
