// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * overlay: does an overlay show a file of one of its layers?
 *
 *   mountinfo (options) -> [overlay] -> views
 *
 * In:   "lowerdir=/l1:/l2,upperdir=/u,...", and a file below one of these directories.
 * Out:  whether who looks at the overlay sees that file.
 *
 * What an overlay shows cannot be told from its inode numbers: a file that was copied up keeps the
 * number of the lower one. So the layers above are looked at: a name that is there hides the one
 * below, and so does a directory that is opaque or was renamed.
 *
 * Paths of layers are the mounter's words, which may be a container's: they are looked up within
 * its own root, and tell nothing but where to look.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "cleanup.h"
#include "owners/mountinfo.h"
#include "owners/overlay.h"

void overlay_layers_done(struct overlay_layers *layers)
{
	for (size_t i = 0; i < layers->n; i++)
		free(layers->paths[i]);
	free(layers->paths);
	*layers = (struct overlay_layers){};
}

/* Takes path. */
static int add_layer(struct overlay_layers *to, char *path, bool on_top)
{
	char **grown;

	if (!path)
		return -ENOMEM;
	grown = to->n < OVERLAY_MAX_LAYERS ? reallocarray(to->paths, to->n + 1, sizeof(*grown))
					   : NULL;
	if (!grown) {
		free(path);
		return to->n < OVERLAY_MAX_LAYERS ? -ENOMEM : 0;
	}
	to->paths = grown;
	if (on_top) {
		memmove(grown + 1, grown, to->n * sizeof(*grown));
		grown[0] = path;
	} else {
		grown[to->n] = path;
	}
	to->n++;
	return 0;
}

/* "/a:/b\:c::/data": colons part, backslashes keep what follows, two colons begin data layers. */
static int add_list(struct overlay_layers *to, const char *list)
{
	while (*list) {
		char *path = malloc(strlen(list) + 1), *out = path;
		int r;

		if (!path)
			return -ENOMEM;
		for (; *list && *list != ':'; list++) {
			list += *list == '\\' && list[1];
			*out++ = *list;
		}
		*out = '\0';
		list += strspn(list, ":");
		r = add_layer(to, path, false);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_option(struct overlay_layers *to, const char *option)
{
	static const char *const singles[] = { "lowerdir+=", "datadir+=" };
	static const char list[] = "lowerdir=", upper[] = "upperdir=";

	if (!strncmp(option, upper, strlen(upper)))
		return add_layer(to, strdup(option + strlen(upper)), true);
	if (!strncmp(option, list, strlen(list)))
		return add_list(to, option + strlen(list));
	for (size_t i = 0; i < sizeof(singles) / sizeof(*singles); i++)
		if (!strncmp(option, singles[i], strlen(singles[i])))
			return add_layer(to, strdup(option + strlen(singles[i])), false);
	return 0;
}

int overlay_parse(const char *options, struct overlay_layers *ret)
{
	_cleanup_(overlay_layers_done) struct overlay_layers layers = {};
	const char *at = options;
	int r = 0;

	while (r >= 0) {
		_cleanup_(freep) char *option = NULL;

		r = mountinfo_next_option(&at, &option);
		if (r <= 0)
			break;
		r = add_option(&layers, option);
	}
	if (r < 0)
		return r;
	if (!layers.n)
		return -EBADMSG;
	*ret = layers;
	layers = (struct overlay_layers){};
	return 0;
}

static int open_in_root(int root_fd, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int overlay_open_layer(int root_fd, const char *path)
{
	return *path == '/' ? open_in_root(root_fd, path, O_DIRECTORY) : -ENOENT;
}

/* Overlays that users may mount have their attributes under "user.". */
static bool has_mark(int fd, const char *mark)
{
	static const char *const prefixes[] = { "trusted", "user" };
	char link[32], name[64], value[8];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		snprintf(name, sizeof(name), "%s.overlay.%s", prefixes[i], mark);
		n = getxattr(link, name, value, sizeof(value));
		if (n < 0 && errno != ERANGE)
			continue;
		/* An opaque directory says "y"; other values mean less. */
		if (strcmp(mark, "opaque") || (n > 0 && value[0] == 'y'))
			return true;
	}
	return false;
}

enum sight {
	ABSENT, /* this layer does not know the name: it hides nothing */
	MERGED, /* a directory here and below */
	HIDDEN,
};

static enum sight look(int layer_fd, const char *name, bool wants_directory)
{
	_cleanup_(closep) int fd = open_in_root(layer_fd, name, O_NOFOLLOW);
	struct stat st;

	if (fd == -ENOENT)
		return ABSENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return HIDDEN;
	if (S_ISDIR(st.st_mode))
		return !wants_directory || has_mark(fd, "opaque") || has_mark(fd, "redirect")
			       ? HIDDEN
			       : MERGED;
	/* Only the metadata were copied up: the data are still those below. */
	return S_ISREG(st.st_mode) && !wants_directory && has_mark(fd, "metacopy") ? MERGED
										   : HIDDEN;
}

/* Each directory on the way, then the name itself. */
static bool is_hidden_by(int layer_fd, const char *below, bool is_directory)
{
	char name[PATH_MAX];

	if (strlen(below) >= sizeof(name))
		return true;
	for (const char *end = below; *end;) {
		enum sight sight;

		end += *end == '/';
		end += strcspn(end, "/");
		snprintf(name, sizeof(name), "%.*s", (int)(end - below), below);
		sight = look(layer_fd, name, *end || is_directory);
		if (sight != MERGED)
			return sight == HIDDEN;
	}
	return false;
}

bool overlay_shows(int root_fd, const struct overlay_layers *layers, size_t k, const char *below,
		   bool is_directory)
{
	for (size_t i = 0; i < k; i++) {
		_cleanup_(closep) int fd = overlay_open_layer(root_fd, layers->paths[i]);

		if (fd < 0 || is_hidden_by(fd, below, is_directory))
			return false;
	}
	return true;
}
