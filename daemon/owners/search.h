/* SPDX-License-Identifier: GPL-2.0-or-later */
/* search: what the files of one question to the owners station share. */
#pragma once

#include "incident.h"
#include "locate/stack.h"
#include "owners/filesystem.h"
#include "owners/mounts.h"

/* Sectors of a block device, asked about at made-up addresses, that lost media lead to. */
struct behind {
	struct incident *in;
	struct range made_up;
	uint64_t phys_start; /* of the media */
};

/* The disk that was asked about last: most questions in a row are about the same one. */
struct known_disk {
	char name[STACK_NAME_BYTES]; /* "": none yet */
	dev_t dev;
	uint64_t length_bytes;
};

struct search {
	int proc_fd;
	int block_fd; /* /sys/class/block */
	struct known_disk disk;
	struct stack *stack;
	struct mounts *mounts;
	struct filesystem *filesystems;
	size_t n_filesystems;
	struct owner *former; /* what was found before, of all incidents */
	size_t n_former;
	struct behind *behind;
	size_t n_behind;
};

/* Bytes of one block device, and where they lie in memory. */
struct stretch {
	struct incident *in;
	const char *name;
	dev_t dev;
	struct range bytes; /* of this device */
	uint64_t phys_start; /* of the first of them */
};

struct filesystem *search_filesystem(struct search *s, dev_t dev); /* one that was asked; or NULL */

/*
 * The filesystem that is mounted from that device, opened once for all questions. Valid until the
 * next is opened. 1; 0: none is mounted there; or negative errno.
 */
int search_open_filesystem(struct search *s, dev_t dev, struct filesystem **ret);

/*
 * Add the owners of all of st: of the filesystem on that device, or on the devices that are built
 * on it. 0 or negative errno.
 */
int device_ask(struct search *s, const struct stretch *st);

/* What is mounted from that device, or from one above it; NULL: nothing that is found. */
const struct mount *device_mounted_above(const struct search *s, const char *name);
