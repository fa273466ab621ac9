// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * names: what the wanted inodes are called.
 *
 *   wanted -> [names] -> parents, dcache, paths
 *
 * In:   inodes, and how many names each must have.
 * Out:  the names, and it is known whether these are all: an inode counts its links.
 *
 * Each way goes on where the one before ended, so none is trusted for more than what it found. Only
 * the pass over all directories takes longer the more files there are.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "owners/dcache.h"
#include "owners/names.h"
#include "owners/parents.h"
#include "owners/paths.h"

/* Opening one inode takes as long as reading so many directory entries, and more. */
#define ENTRIES_PER_INODE 16u

/*
 * The kernel remembers one name of each. Where one is not enough, or where so many are asked for
 * that a pass over the directories is over sooner, asking would be in vain.
 */
static bool is_worth_asking(const struct inside *in, const struct wanted *wanted)
{
	struct statvfs fs;
	size_t n_missing = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		if (!wanted_is_missing(wanted, &wanted->all[i]))
			continue;
		if (wanted->all[i].n_names > 1)
			return false;
		n_missing++;
	}
	return fstatvfs(in->fs_fd, &fs) < 0 ||
	       n_missing <= 1 + (fs.f_files - fs.f_ffree) / ENTRIES_PER_INODE;
}

int names_find(const struct inside *in, const char *mount_root, struct wanted *wanted)
{
	bool asked = false;
	int r;

	r = parents_find(in, wanted);
	if (r == -ENOMEM)
		return r;
	if (!wanted_n_missing(wanted))
		return 0;

	if (is_worth_asking(in, wanted)) {
		asked = true;
		r = dcache_find(in, mount_root, wanted);
		if (r < 0 || !wanted_n_missing(wanted))
			return r;
	}
	r = paths_scan(in, wanted);
	if (r < 0 && r != -ENOMEM && !asked && dcache_find(in, mount_root, wanted) < 0)
		return -ENOMEM;
	return r;
}
