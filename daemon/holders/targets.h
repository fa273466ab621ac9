/* SPDX-License-Identifier: GPL-2.0-or-later */
/* targets: which bytes of which files are lost, of all incidents. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "incident.h"
#include "range.h"

/* What stat(2) says of a file: its inode, or of a device node what it stands for. */
struct file_key {
	dev_t dev;		/* st_dev, or st_rdev of a device */
	uint64_t inode;		/* 0 for a device */
	mode_t type;		/* 0, S_IFBLK or S_IFCHR */
};

int file_key_compare(const struct file_key *l, const struct file_key *r);

/* A page of memory is no file: no file has such a key. */
struct file_key target_key_of_page(uint64_t phys_start);

struct target {
	struct file_key key;
	const char *path;	/* where the file can be opened, the incident's; NULL: nowhere */
	struct owner_id owner;	/* that a process holds by holding this file */
	struct range file_bytes;
	size_t incident;	/* its index */
};

struct targets {
	struct target *all;
	size_t n;
	bool has_devices;	/* some are device nodes */
	bool has_blocks;	/* ... of block devices */
	bool has_files;		/* some are files or devices */
	bool has_pages;		/* some are pages of memory */
};

/* One for each owner of each incident that processes can hold. 0 or -ENOMEM. */
int targets_of_incidents(const struct incident *const *incidents, size_t n, struct targets *ret);
int targets_add(struct targets *t, struct target target);	/* 0 or -ENOMEM */
void targets_done(struct targets *t);
