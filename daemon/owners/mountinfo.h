/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mountinfo: the mount table of one process, as text of the kernel. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

struct mountinfo_line {
	int id;
	int parent;
	dev_t dev;
	char *root;		/* unescaped, as the next three */
	char *mountpoint;
	char *filesystem;
	char *source;
	char *options;		/* of the superblock, as the kernel escapes them: see below */
	bool read_only;		/* the mount or its superblock */
};

struct mountinfo {
	struct mountinfo_line *lines;
	size_t n;
};

/*
 * Read "mountinfo" in an open /proc/PID, which stays the caller's. 0; -ENOENT or -ESRCH: the
 * process is gone; -EFBIG: more text than any real system has; or another negative errno.
 */
int mountinfo_read(int pid_fd, struct mountinfo **ret);
struct mountinfo *mountinfo_free(struct mountinfo *table);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct mountinfo *, mountinfo_free);

/* Parse one line in place. 0, -EBADMSG: not as the kernel writes it, or -ENOMEM. For tests. */
int mountinfo_parse_line(char *line, struct mountinfo_line *ret);
void mountinfo_line_done(struct mountinfo_line *line);

/*
 * The next of a superblock's options, unescaped, as the caller's string. *at is where to look, NULL
 * at the end. 1; 0: that was all; -ENOMEM.
 */
int mountinfo_next_option(const char **at, char **ret);

/* Does another mount of the table hide lines[i], so that its mountpoint leads elsewhere? */
bool mountinfo_covered(const struct mountinfo *table, size_t i);

/*
 * Is `path` the directory `dir`, or below it? Both absolute, without a slash at the end ("/"
 * aside).
 */
bool path_is_below(const char *path, const char *dir);
