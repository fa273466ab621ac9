// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * config_files: the bytes of a configuration file, and which drop-ins belong to it.
 *
 *   [config_files] -> lines -> config
 *
 * A file is read whole before anything of it is used, so that a file that is edited meanwhile
 * can't leave us with half of a rule more often than an editor does.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "policy/config_files.h"

#define FILE_MAX_BYTES (1024u * 1024)
#define DROPINS_MAX    1024u

int config_file_read(const char *path, char **ret, size_t *ret_n_bytes)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	size_t n_bytes = 0;
	ssize_t n;

	/* A pipe that nobody writes to must not hang the daemon. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	text = malloc(FILE_MAX_BYTES + 1);
	if (!text)
		return -ENOMEM;
	do {
		n = read(fd, text + n_bytes, FILE_MAX_BYTES + 1 - n_bytes);
		if (n < 0)
			return -errno;
		n_bytes += n;
		if (n_bytes > FILE_MAX_BYTES)
			return -EFBIG;
	} while (n);

	*ret = TAKE(text);
	*ret_n_bytes = n_bytes;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_dropin(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > strlen(".conf") &&
	       !strcmp(name + n - strlen(".conf"), ".conf");
}

int config_files_dropins(const char *path, char ***ret)
{
	_cleanup_(strv_freep) char **found = NULL;
	_cleanup_(closedirp) DIR *dir = NULL;
	_cleanup_(freep) char *dir_path = NULL;
	struct dirent *entry;

	if (asprintf(&dir_path, "%s.d", path) < 0) {
		dir_path = NULL;
		return -ENOMEM;
	}
	dir = opendir(dir_path);
	if (!dir && errno != ENOENT)
		return -errno;

	for (errno = 0; dir && (entry = readdir(dir)); errno = 0) {
		_cleanup_(freep) char *full = NULL;
		int r;

		if (!is_dropin(entry->d_name))
			continue;
		if (strv_length(found) == DROPINS_MAX)
			return -E2BIG;
		if (asprintf(&full, "%s/%s", dir_path, entry->d_name) < 0) {
			full = NULL;
			return -ENOMEM;
		}
		r = strv_push(&found, full);
		if (r < 0)
			return r;
	}
	if (dir && errno)
		return -errno;
	if (found)
		qsort(found, strv_length(found), sizeof(*found), compare_names);
	*ret = TAKE(found);
	return 0;
}
