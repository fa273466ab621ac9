/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scratch: a temporary directory that leaves with its variable, whatever is in it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
	char path[64];
};

static inline struct scratch scratch_new(void)
{
	struct scratch s = { "/tmp/hwpoisond-test-XXXXXX" };

	if (!mkdtemp(s.path)) {
		perror(s.path);
		exit(99);
	}
	return s;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *at)
{
	return remove(path);
}

static inline void scratch_done(struct scratch *s)
{
	nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Path of a file in it; the buffer is reused four calls later. */
static inline const char *scratch_file(const struct scratch *s, const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", s->path, name);
	return path;
}
