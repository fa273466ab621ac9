// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * names: what the wanted inodes are called.
 *
 *   wanted -> [names] -> parents, dcache, near, paths
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
#include "owners/near.h"
#include "owners/parents.h"
#include "owners/paths.h"

/* Opening one inode takes as long as reading so many directory entries, and more. */
#define ENTRIES_PER_INODE 16u

/* And looking around it as long as so many. */
#define ENTRIES_PER_LOOK 2048u

static uint64_t n_inodes(const struct inside *in)
{
	struct statvfs fs;

	return fstatvfs(in->fs_fd, &fs) < 0 ? UINT64_MAX : fs.f_files - fs.f_ffree;
}

/*
 * How many are without a name, where one is enough for each: the kernel remembers one, and near an
 * inode lies one. Else, or where a pass over the directories is over sooner, asking is in vain.
 */
static uint64_t n_to_ask(const struct wanted *wanted)
{
	uint64_t n_missing = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		if (!wanted_is_missing(wanted, &wanted->all[i]))
			continue;
		if (wanted->all[i].n_names > 1)
			return UINT64_MAX;
		n_missing++;
	}
	return n_missing;
}

int names_find(const struct inside *in, const char *mount_root, struct wanted *wanted)
{
	bool asked = false;
	uint64_t n_all;
	int r;

	r = parents_find(in, wanted);
	if (r == -ENOMEM)
		return r;
	if (!wanted_n_missing(wanted))
		return 0;

	n_all = n_inodes(in);
	if (n_to_ask(wanted) <= 1 + n_all / ENTRIES_PER_INODE) {
		asked = true;
		r = dcache_find(in, mount_root, wanted);
		if (r < 0 || !wanted_n_missing(wanted))
			return r;
	}
	if (n_to_ask(wanted) <= n_all / ENTRIES_PER_LOOK) {
		r = near_find(in, mount_root, wanted);
		if (r == -ENOMEM || !wanted_n_missing(wanted))
			return r;
	}
	r = paths_scan(in, wanted);
	if (r < 0 && r != -ENOMEM && !asked && dcache_find(in, mount_root, wanted) < 0)
		return -ENOMEM;
	return r;
}
