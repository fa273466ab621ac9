// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dcache: names that the kernel still has in memory.
 *
 *   ask -> [dcache] -> filesystem
 *
 * In:   wanted inodes.
 * Out:  a name of each that is in use, or was looked up lately: no directory is read for it, and no
 *       process searched. It is the cache of our own searches, too: what they found has been looked
 *       up by that.
 *
 * An inode is opened by its number, and /proc/self/fd says what the kernel would call it. For a
 * directory it finds out if it must. For a file that nobody has looked up it says "/", which is
 * wrong; so the text is only a hint, and counts when a lookup arrives at the inode.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "owners/dcache.h"
#include "owners/handle.h"
#include "owners/mountinfo.h"

/*
 * Asking for an inode that is not in memory costs a read of the disk: of many, we ask on as long as
 * the kernel remembers most.
 */
#define MISSES_BEFORE 32u
#define HITS_PER_MISS 4u

/* A path of the kernel's own, which ends with a page. */
int dcache_text_of(int fd, char ret[static PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, PATH_MAX);
	if (n <= 0 || n == PATH_MAX || *ret != '/')
		return -ENOENT;
	ret[n] = '\0';
	return 0;
}

/* 1: it was a name; 0: not; -ENOMEM. */
static int try_name(const struct inside *in, struct wanted *wanted, struct wanted_inode *inode,
		    const char *fs_path)
{
	if (inside_leads_to(in, fs_path, inode->inode) <= 0)
		return 0;
	return wanted_note(wanted, inode, fs_path);
}

/* As seen through the mount; or, of a part that it does not show, from the filesystem's root. */
static int try_text(const struct inside *in, const char *mount_root, const char *mounted_at,
		    struct wanted *wanted, struct wanted_inode *inode, const char *text)
{
	const char *top = strcmp(mount_root, "/") ? mount_root : "";
	const char *below = text + (strcmp(mounted_at, "/") ? strlen(mounted_at) : 0);
	char fs_path[2 * PATH_MAX];
	int r;

	if (path_is_below(text, mounted_at)) {
		snprintf(fs_path, sizeof(fs_path), "%s%s", top, *below || *top ? below : "/");
		r = try_name(in, wanted, inode, fs_path);
		if (r)
			return r;
	}
	return try_name(in, wanted, inode, text);
}

int dcache_take_text(const struct inside *in, const char *mount_root, struct wanted *wanted,
		     struct wanted_inode *inode, const char *text)
{
	char mounted_at[PATH_MAX];

	if (strlen(mount_root) >= PATH_MAX || dcache_text_of(in->fs_fd, mounted_at) < 0)
		return 0;
	return try_text(in, mount_root, mounted_at, wanted, inode, text);
}

/* 1: it has a name more; 0: not; -ENOMEM. */
static int ask_for(const struct inside *in, const char *mount_root, const char *mounted_at,
		   struct wanted *wanted, struct wanted_inode *inode)
{
	_cleanup_(closep) int fd = -1;
	char text[PATH_MAX];

	fd = handle_open(in->fs_fd, in->filesystem, inode->inode, inode->generation, O_PATH);
	if (fd < 0 || dcache_text_of(fd, text) < 0)
		return 0;
	return try_text(in, mount_root, mounted_at, wanted, inode, text);
}

int dcache_find(const struct inside *in, const char *mount_root, struct wanted *wanted)
{
	size_t n_hits = 0, n_misses = 0;
	char mounted_at[PATH_MAX];

	if (strlen(mount_root) >= PATH_MAX || dcache_text_of(in->fs_fd, mounted_at) < 0)
		return 0;
	for (size_t i = 0; i < wanted->n && n_misses <= MISSES_BEFORE + n_hits / HITS_PER_MISS;
	     i++) {
		int r;

		if (!wanted_is_missing(wanted, &wanted->all[i]))
			continue;
		r = ask_for(in, mount_root, mounted_at, wanted, &wanted->all[i]);
		if (r < 0)
			return r;
		n_hits += r > 0;
		n_misses += r == 0;
	}
	return 0;
}
