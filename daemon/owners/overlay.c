// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * overlay: what the file of one layer is called in the overlays that show it.
 *
 *   mountinfo -> [overlay] -> ram-names
 *
 * In:   paths of a file that lies on some filesystem.
 * Out:  more paths of it, below the mountpoints of overlays.
 *
 * A cached page is always of a layer's file, while everybody calls it by the overlay's name. A file
 * of the upper layer is always shown; one of a lower layer is, unless a layer above has that name
 * too, or hides it, so that the overlay shows nothing there or something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "incident.h"
#include "owners/mountinfo.h"
#include "owners/overlay.h"

#define MAX_LAYERS 512u

struct layers { /* the topmost first */
	char **dirs;
	size_t n;
};

static void layers_done(struct layers *l)
{
	strv_free(l->dirs);
}

static int add_layer(struct layers *l, const char *dir)
{
	if (l->n == MAX_LAYERS)
		return 0;
	l->n++;
	return strv_push(&l->dirs, dir);
}

/* "/a:/b\\:c" */
static int add_lower_layers(struct layers *l, char *dirs)
{
	char *out = dirs, *start = dirs;
	int r = 0;

	for (const char *in = dirs; r >= 0; in++) {
		if (*in == '\\' && in[1]) {
			*out++ = *++in;
			continue;
		}
		if (*in && *in != ':') {
			*out++ = *in;
			continue;
		}
		*out++ = '\0';
		if (*start)
			r = add_layer(l, start);
		start = out;
		if (!*in)
			break;
	}
	return r;
}

/* The upper one is listed last, and lies on top. */
static int read_layers(const char *options, struct layers *ret)
{
	_cleanup_(layers_done) struct layers lower = { 0 };
	_cleanup_(freep) char *upper = NULL;
	const char *at = options;
	int r = 0, more;

	for (;;) {
		_cleanup_(freep) char *option = NULL;

		more = mountinfo_next_option(&at, &option);
		if (more <= 0 || r < 0)
			break;
		if (!strncmp(option, "upperdir=", 9))
			r = string_set(&upper, option + 9);
		else if (!strncmp(option, "lowerdir=", 9))
			r = add_lower_layers(&lower, option + 9);
		else if (!strncmp(option, "lowerdir+=", 10))
			r = add_layer(&lower, option + 10);
	}
	if (more < 0 || r < 0)
		return -ENOMEM;
	if (upper)
		r = add_layer(ret, upper);
	for (size_t i = 0; r >= 0 && i < lower.n; i++)
		r = add_layer(ret, lower.dirs[i]);
	return r;
}

static bool exists(const char *dir, const char *rest, mode_t *ret_mode)
{
	_cleanup_(freep) char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s%s", strcmp(dir, "/") ? dir : "", rest) < 0)
		return false;
	if (lstat(path, &st) < 0)
		return false;
	*ret_mode = st.st_mode;
	return true;
}

static bool is_shown(const struct mountinfo_line *m, const struct layers *layers, size_t layer,
		     const char *rest)
{
	mode_t mode;

	for (size_t above = 0; above < layer; above++)
		if (exists(layers->dirs[above], rest, &mode))
			return false;
	return exists(m->mountpoint, rest, &mode) && S_ISREG(mode);
}

static int add_names_of(const struct mountinfo_line *m, const char *path, char ***paths)
{
	_cleanup_(layers_done) struct layers layers = { 0 };
	int r;

	r = read_layers(m->options, &layers);
	for (size_t i = 0; r >= 0 && i < layers.n; i++) {
		const char *dir = layers.dirs[i];
		const char *rest = path + (strcmp(dir, "/") ? strlen(dir) : 0);
		_cleanup_(freep) char *name = NULL;

		if (*dir != '/' || !path_is_below(path, dir) || !is_shown(m, &layers, i, rest))
			continue;
		if (asprintf(&name, "%s%s", strcmp(m->mountpoint, "/") ? m->mountpoint : "", rest) <
		    0)
			return -ENOMEM;
		r = strv_push_once(paths, name);
	}
	return r < 0 ? r : 0;
}

int overlay_add_names(int proc_fd, char ***paths)
{
	_cleanup_(closep) int self_fd = openat(proc_fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(mountinfo_freep) struct mountinfo *table = NULL;
	size_t n_paths = strv_length(*paths);
	int r;

	r = self_fd < 0 ? -errno : mountinfo_read(self_fd, &table);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; r >= 0 && i < table->n; i++) {
		const struct mountinfo_line *m = &table->lines[i];

		if (strcmp(m->filesystem, "overlay") || mountinfo_covered(table, i))
			continue;
		for (size_t k = 0; r >= 0 && k < n_paths; k++)
			r = add_names_of(m, (*paths)[k], paths);
	}
	return r;
}
