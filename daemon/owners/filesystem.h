/* SPDX-License-Identifier: GPL-2.0-or-later */
/* filesystem: one mounted filesystem, for as long as one question to the owners station takes. */
#pragma once

#include <stdbool.h>

#include "incident.h"
#include "owners/fsmap.h"
#include "owners/inside.h"
#include "owners/lost.h"
#include "owners/mounts.h"
#include "owners/views.h"
#include "owners/wanted.h"

struct filesystem {
	dev_t dev;			/* of the block device that it lies on */
	int fd;				/* -1: no way in */
	const struct mount *mount;	/* NULL: not mounted at any path, but in use */
	bool has_map;			/* view is good */
	struct fsmap_view view;
	dev_t log;			/* a device of its own that was asked about; or 0 */
	struct fsmap_view realtime;	/* the same, with device 0 */
	struct filesystem_question *questions;
	size_t n_questions;
	struct lost lost;		/* what is to be searched for */
	struct inside inside;		/* opened when names are asked for */
	struct views *views;		/* likewise */
	struct wanted wanted;		/* inodes that owners name, to be named in turn */
};

/*
 * Open what is mounted from block device `dev`. 1 and *ret, with fd -1 where it is mounted but
 * cannot be reached; 0: not mounted anywhere; or negative errno. mounts must outlive *ret.
 */
int filesystem_find(int proc_fd, const struct mounts *mounts, dev_t dev, struct filesystem *ret);

/*
 * The same for one that no mount table shows but some process has files open on. 1, 0 or negative
 * errno.
 */
int filesystem_find_unmounted(int proc_fd, dev_t dev, struct filesystem *ret);
void filesystem_done(struct filesystem *fs);

enum beside {
	BESIDE_NOT,
	BESIDE_LOG,
	BESIDE_REALTIME,
};

/* Has it `dev` beside its own device, and for what? */
enum beside filesystem_beside(struct filesystem *fs, dev_t dev);

/*
 * What does it keep in phys? Noted until filesystem_answer(), except where it can't be asked.
 * phys_of_fs as for owners_ask_fsmap(); of its realtime device, the address of byte 0 of that, less
 * REALTIME_START. 0 or negative errno.
 */
int filesystem_ask(struct filesystem *fs, uint64_t phys_of_fs, struct range phys,
		   struct incident *in);

/* Answer all that was asked, as owners of the incidents; the rest is to be searched for. */
int filesystem_answer(struct filesystem *fs);
bool filesystem_must_search(const struct filesystem *fs);

/* Search, beginning with inodes that processes have open, and tell the incidents. 0 or -ENOMEM. */
int filesystem_search(struct filesystem *fs, const uint64_t *in_use, size_t n_in_use,
		      const struct scan_how *how);

/*
 * An owner as it was found before: its names are tried again, before they are searched for. 0 or
 * -ENOMEM.
 */
int filesystem_try_names(struct filesystem *fs, const struct mounts *mounts,
			 const struct owner *former);

/* Find the names of all inodes that owners name. 0 or -ENOMEM. */
int filesystem_find_names(struct filesystem *fs, int proc_fd, const struct mounts *mounts);

/* Give one owner on this filesystem its mountpoint and paths. 0 or -ENOMEM. */
int filesystem_name_owner(const struct filesystem *fs, const struct mounts *mounts,
			  struct incident *in, struct owner *owner);
