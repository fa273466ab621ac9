// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * overlay-names: what the file of one layer is called in the overlays that show it.
 *
 *   mountinfo, overlay -> [overlay-names] -> ram-names
 *
 * In:   paths of a file that lies on some filesystem, in our own mount namespace.
 * Out:  more paths of it, below the mountpoints of overlays.
 *
 * A cached page is always of a layer's file, while everybody calls it by the overlay's name. Only
 * paths are known of it; where there is an inode to compare with, views.c does better.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/mountinfo.h"
#include "owners/overlay.h"
#include "strv.h"

static bool is_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int add_names_of(int root_fd, const struct mountinfo_line *m, const char *path,
			char ***paths)
{
	_cleanup_(overlay_layers_done) struct overlay_layers layers = { 0 };
	int r;

	r = overlay_parse(m->options, &layers);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; r >= 0 && i < layers.n; i++) {
		const char *dir = layers.paths[i];
		const char *rest = path + (strcmp(dir, "/") ? strlen(dir) : 0);
		_cleanup_(freep) char *name = NULL;

		if (*dir != '/' || !path_is_below(path, dir) || *rest != '/')
			continue;
		if (asprintf(&name, "%s%s", strcmp(m->mountpoint, "/") ? m->mountpoint : "", rest) <
		    0)
			return -ENOMEM;
		if (is_file(name) && overlay_shows(root_fd, &layers, i, rest + 1, false))
			r = strv_push_once(paths, name);
	}
	return r < 0 ? r : 0;
}

int overlay_add_names(int proc_fd, char ***paths)
{
	_cleanup_(closep) int self_fd = openat(proc_fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(mountinfo_freep) struct mountinfo *table = NULL;
	size_t n_paths = strv_length(*paths);
	int r;

	r = self_fd < 0 || root_fd < 0 ? -errno : mountinfo_read(self_fd, &table);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; r >= 0 && i < table->n; i++) {
		const struct mountinfo_line *m = &table->lines[i];

		if (strcmp(m->filesystem, "overlay") || mountinfo_covered(table, i))
			continue;
		for (size_t k = 0; r >= 0 && k < n_paths; k++)
			r = add_names_of(root_fd, m, (*paths)[k], paths);
	}
	return r;
}
