// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hints-prune: no more lists of hints than are worth their place.
 *
 *   hints -> [hints-prune]
 *
 * In:   the directory, after a list was put there.
 * Out:  fewer lists, if they were too many.
 *
 * A list bears the number of its filesystem's device, which can be another's the next day: whether
 * a filesystem is gone for good cannot be known, so what counts is when its list was last of use.
 * That is the file's modification time, which hints_find() sets, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/hints.h"

#define MAX_BYTES (UINT64_C(256) << 20)
#define MAX_LISTS 64u

struct census {
	uint64_t n_bytes;
	size_t n_lists;
	char oldest[64];
	struct timespec used; /* the oldest */
};

static bool is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* Also one that a killed search left unfinished. */
static bool is_list(const char *name)
{
	unsigned major, minor;

	return sscanf(name, "hints-%u:%u", &major, &minor) == 2;
}

static void count_list(struct census *c, int directory_fd, const char *name)
{
	struct stat st;

	if (!is_list(name) || strlen(name) >= sizeof(c->oldest) ||
	    fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	c->n_bytes += (uint64_t)st.st_size;
	c->n_lists++;
	if (*c->oldest && !is_before(st.st_mtim, c->used))
		return;
	c->used = st.st_mtim;
	snprintf(c->oldest, sizeof(c->oldest), "%s", name);
}

static bool take_census(int directory_fd, struct census *ret)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	*ret = (struct census){};
	if (!directory) {
		closep(&fd);
		return false;
	}
	for (struct dirent *e; (e = readdir(directory));)
		count_list(ret, directory_fd, e->d_name);
	return true;
}

void hints_prune(int directory_fd)
{
	struct census c;

	while (take_census(directory_fd, &c) && (c.n_bytes > MAX_BYTES || c.n_lists > MAX_LISTS))
		if (unlinkat(directory_fd, c.oldest, 0) < 0 && errno != ENOENT)
			return;
}
