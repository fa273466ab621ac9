/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: who has these bytes, in a filesystem without a reverse map? Its inodes are looked at.
 *
 * First those that processes have open, then those that had the bytes when last all were looked
 * at, then all. A search ends as soon as every byte has one owner that shares it with nobody.
 */
#pragma once

#include <stdbool.h>

#include "owners/around_poison.h"
#include "owners/itable.h"
#include "owners/look.h"
#include "owners/scan_how.h"

struct hints_writer;

struct scan {
	struct look look; /* fs_fd, filesystem and unowned are set by the caller */
	dev_t dev; /* the block device */
	const struct badblocks *poison; /* known to be bad on it */
	const struct scan_how *how;

	/* What came out. */
	bool finished; /* all inodes were looked at, or needed not be */
	bool unsure; /* some could not be */
	uint64_t n_hidden; /* inodes that have blocks, but nobody can be asked which; not counted
			      where only a realtime device is searched for */

	uint64_t n_done, n_total;
	bool all_seen; /* the search did not end early */
	struct around_poison device;
	struct itable *itable; /* ext4, where it can be read */
	struct hints_writer *hints;
};

/* These inodes first; whatever is wrong with them is no matter. 0 or -ENOMEM. */
int scan_some(struct scan *s, const uint64_t *inodes, size_t n);

/* Those that had the bytes the last time. 0 or -ENOMEM. */
int scan_hinted(struct scan *s);

/* All. 0 or -ENOMEM. */
int scan_all(struct scan *s);
void scan_done(struct scan *s);

/*
 * After scan_all(): what are the bytes that nobody was found to have? Kind of the first of them,
 * and up to where. OWNER_UNKNOWN: they are used, and who has them could not be found out.
 */
enum owner_kind scan_leftover(struct scan *s, struct range bytes, uint64_t *ret_end);

/* One more inode was done with. True: nobody needs to be looked for any more. */
bool scan_count(struct scan *s, uint64_t n);

/* Each filesystem's own way. */
int scan_ext4(struct scan *s);
enum owner_kind scan_ext4_leftover(struct scan *s, struct range bytes, uint64_t *ret_end);
int scan_xfs(struct scan *s);
enum owner_kind scan_xfs_leftover(struct scan *s, struct range bytes, uint64_t *ret_end);

/* What one inode's look came to. 0, or -ENOMEM, the only thing that ends a search early. */
int scan_looked(struct scan *s, int r);
