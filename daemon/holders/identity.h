/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity: as what a target shows up in mappings and among open files.
 *
 *   targets -> [identity] -> proc-scan, bpf-walk
 *
 * For most filesystems that is what stat(2) says of it. Not so on overlayfs, where mappings are of
 * the file below, and on btrfs, whose subvolumes have device numbers that only stat shows.
 */
#pragma once

#include "holders/targets.h"

struct identity {
	struct file_key key;
	bool open;		/* as an open file; else as a mapping */
	uint32_t target;	/* its index */
	uint64_t mapping;	/* BPF: the kernel's page cache of it; 0: the key is enough */
	struct file_key link;	/* /proc: what the mapping's own link leads to; dev 0: likewise */
};

struct identities {
	struct identity *all; /* sorted by key, mappings first */
	size_t n;
};

/*
 * Ask how the kernel shows a file: fd is open, and its first page mapped at `mapped` (NULL: it
 * can't be). Fills in what it finds out; the rest stays as it is.
 */
typedef void (*identity_ask)(int fd, const void *mapped, struct identity *as_mapping,
			     struct identity *as_open, void *userdata);

/* Of all targets; those whose file has a path and an unusual filesystem are asked. 0 or -ENOMEM. */
int identities_of(const struct targets *targets, identity_ask ask, void *userdata,
		  struct identities *ret);
void identities_done(struct identities *ids);

/* The first that fits, and how many do: they follow each other. NULL: none. */
const struct identity *identities_find(const struct identities *ids, struct file_key key, bool open,
				       size_t *ret_n);
