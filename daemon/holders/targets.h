/* SPDX-License-Identifier: GPL-2.0-or-later */
/* targets: which bytes of which files are lost, in the terms that /proc speaks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "incident.h"
#include "range.h"

/* What identifies a file: its inode, or for a device node what it stands for. */
struct file_key {
	dev_t dev;		/* st_dev, or st_rdev of a device */
	uint64_t inode;		/* 0 for a device */
	mode_t type;		/* 0, S_IFBLK or S_IFCHR */
};

struct target {
	struct file_key key;
	struct owner_id owner;	/* that a process holds by holding this file */
	struct range file_bytes;
	size_t incident;	/* its index */
};

struct targets {
	struct target *all;	/* sorted by key */
	size_t n;
	bool has_devices;	/* some are device nodes */
	bool has_blocks;	/* ... of block devices */
};

/* One for each owner of each incident that processes can hold. 0 or -ENOMEM. */
int targets_of_incidents(const struct incident *const *incidents, size_t n, struct targets *ret);
int targets_add(struct targets *t, struct target target);	/* 0 or -ENOMEM; then sort */
void targets_sort(struct targets *t);
void targets_done(struct targets *t);

/* The first target of that file, and how many there are: they follow each other. NULL: none. */
const struct target *targets_find(const struct targets *t, struct file_key key, size_t *ret_n);

/* What a process does with a target's bytes. */
struct hit {
	const struct target *target;	/* of the table, which stays as it is */
	bool mapped;		/* else open */
	bool writable;
	struct holder_mapping mapping;
};

/*
 * Of one process, bounded: a process that maps one page many thousand times is listed with the
 * first of them, but with each target that it holds.
 */
struct hits {
	struct hit *all;
	size_t n;
	size_t n_mappings;
	unsigned char *told;	/* of each target, what is among them already */
};

int hits_add(struct hits *h, const struct targets *t, struct hit hit);	/* 0 or -ENOMEM */
void hits_done(struct hits *h);
