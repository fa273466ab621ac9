// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * paths: from inode numbers to names, by one pass over the directories of a filesystem.
 *
 *   ask -> [paths] -> filesystem
 *
 * In:   the inodes that all pending incidents want to know about, and their filesystem.
 * Out:  every hard link of each, from the filesystem's own root.
 *
 * Directory entries carry inode numbers, so no file is looked at but those that match. What is
 * mounted on a directory or file of this filesystem hides it from openat(2): such a directory is
 * opened by its inode number instead. Names are bytes; the only ones that cannot be in them are
 * '/' and NUL.
 *
 * A tree can be deeper than there are descriptors: only the deepest few directories stay open,
 * and those above are opened again, where they were left, on the way back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "owners/paths.h"

#define MAX_OPEN     64u
#define BUFFER_BYTES (32u << 10)

/* A directory that we are in. */
struct level {
	int fd; /* -1: closed to spare descriptors */
	uint64_t inode;
	off_t offset; /* where to read on */
	size_t path_length; /* of its own path within walk.path */
	char *buffer; /* entries that were read and not looked at: [at, filled) */
	size_t at;
	size_t filled;
};

struct walk {
	const struct inside *in;
	struct wanted *wanted;
	size_t n_missing;
	struct level *levels;
	size_t n_levels;
	size_t levels_capacity;
	char *path;
	size_t path_capacity;
	bool unreadable; /* some directory was left out */
};

static void close_level(struct level *l)
{
	closep(&l->fd);
	l->fd = -1;
	free(l->buffer);
	l->buffer = NULL;
	l->at = l->filled = 0;
}

static void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->n_levels; i++)
		close_level(&w->levels[i]);
	free(w->levels);
	free(w->path);
}

static int open_subdirectory(const struct walk *w, const struct level *parent,
			     const struct dirent64 *entry)
{
	int fd = inside_open_directory(parent->fd, entry->d_name);

	return fd == -EXDEV ? inside_open_inode(w->in, entry->d_ino, O_RDONLY | O_DIRECTORY) : fd;
}

/* Takes the fd. */
static int push_level(struct walk *w, int fd, uint64_t inode, size_t path_length)
{
	_cleanup_(closep) int owned = fd;
	char *buffer;

	if (w->n_levels == w->levels_capacity) {
		size_t capacity = w->levels_capacity ? 2 * w->levels_capacity : 16;
		struct level *grown = reallocarray(w->levels, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->levels = grown;
		w->levels_capacity = capacity;
	}
	buffer = malloc(BUFFER_BYTES);
	if (!buffer)
		return -ENOMEM;
	if (w->n_levels >= MAX_OPEN)
		close_level(&w->levels[w->n_levels - MAX_OPEN]);
	w->levels[w->n_levels++] = (struct level){
		.fd = TAKE_FD(owned),
		.inode = inode,
		.path_length = path_length,
		.buffer = buffer,
	};
	return 0;
}

static void pop_level(struct walk *w)
{
	close_level(&w->levels[--w->n_levels]);
}

/* Back in a directory that was closed: open it again, at the entry after the one we went down. */
static int reopen_level(const struct walk *w, struct level *l)
{
	l->fd = inside_open_inode(w->in, l->inode, O_RDONLY | O_DIRECTORY);
	if (l->fd < 0)
		return l->fd;
	l->buffer = malloc(BUFFER_BYTES);
	if (!l->buffer)
		return -ENOMEM;
	return lseek(l->fd, l->offset, SEEK_SET) < 0 ? -errno : 0;
}

/* 1 and the next entry, 0 at the end, or negative errno. */
static int next_entry(const struct walk *w, struct level *l, const struct dirent64 **ret)
{
	const struct dirent64 *entry;
	int r;

	if (l->fd < 0) {
		r = reopen_level(w, l);
		if (r < 0)
			return r;
	}
	if (l->at == l->filled) {
		ssize_t n = getdents64(l->fd, l->buffer, BUFFER_BYTES);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		l->at = 0;
		l->filled = (size_t)n;
	}
	entry = (const void *)(l->buffer + l->at);
	l->at += entry->d_reclen;
	l->offset = entry->d_off;
	*ret = entry;
	return 1;
}

/* walk.path becomes that of the entry; returns its length, -ENAMETOOLONG or -ENOMEM. */
static ssize_t set_path(struct walk *w, const struct level *parent, const char *name)
{
	size_t length = strlen(name), needed = parent->path_length + 1 + length + 1;

	if (needed > WANTED_MAX_PATH_BYTES)
		return -ENAMETOOLONG;

	if (needed > w->path_capacity) {
		char *grown = realloc(w->path, 2 * needed);

		if (!grown)
			return -ENOMEM;
		w->path = grown;
		w->path_capacity = 2 * needed;
	}
	w->path[parent->path_length] = '/';
	memcpy(w->path + parent->path_length + 1, name, length + 1);
	return (ssize_t)(parent->path_length + 1 + length);
}

/* Another mount may lie on top of the name: it is a link of this filesystem all the same. */
static bool is_link(const struct walk *w, const struct level *parent, const struct dirent64 *entry)
{
	struct stat st;
	int fd;

	if (fstatat(parent->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return false;
	if (st.st_dev == w->in->dev && st.st_ino == entry->d_ino)
		return true;
	fd = inside_open_at(parent->fd, entry->d_name, O_PATH);
	closep(&fd);
	return fd == -EXDEV;
}

static int note_hit(struct walk *w, const struct level *parent, const struct dirent64 *entry,
		    struct wanted_inode *wanted)
{
	ssize_t length;
	int r;

	if (!wanted_is_missing(w->wanted, wanted) || !is_link(w, parent, entry))
		return 0;
	length = set_path(w, parent, entry->d_name);
	if (length == -ENAMETOOLONG)
		return 0; /* fewer names than links are then told as such */
	if (length < 0)
		return (int)length;
	r = wanted_note(w->wanted, wanted, w->path);
	if (r < 0)
		return r;
	w->n_missing -= !wanted_is_missing(w->wanted, wanted);
	return 0;
}

/* Filesystems made without file types in their directories leave d_type open. */
static bool is_directory(const struct level *parent, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(parent->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) ==
		       0 &&
	       S_ISDIR(st.st_mode);
}

static int descend(struct walk *w, const struct dirent64 *entry)
{
	const struct level *parent = &w->levels[w->n_levels - 1];
	struct stat st;
	ssize_t length;
	int fd;

	fd = open_subdirectory(w, parent, entry);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ESTALE) /* removed meanwhile */
		return 0;
	if (fd < 0) {
		w->unreadable = true;
		return 0;
	}
	length = set_path(w, parent, entry->d_name);
	if (length == -ENAMETOOLONG || fstat(fd, &st) < 0) {
		w->unreadable = true;
		close(fd);
		return 0;
	}
	if (length < 0) {
		close(fd);
		return (int)length;
	}
	return push_level(w, fd, st.st_ino, (size_t)length);
}

static int visit(struct walk *w, const struct dirent64 *entry)
{
	const struct level *parent = &w->levels[w->n_levels - 1];
	struct wanted_inode *wanted;
	int r;

	if (entry->d_name[0] == '.' &&
	    (!entry->d_name[1] || (entry->d_name[1] == '.' && !entry->d_name[2])))
		return 0;
	wanted = wanted_find(w->wanted, entry->d_ino);
	if (wanted) {
		r = note_hit(w, parent, entry, wanted);
		if (r < 0)
			return r;
	}
	return is_directory(parent, entry) ? descend(w, entry) : 0;
}

static int walk_tree(struct walk *w)
{
	while (w->n_levels && w->n_missing && !w->wanted->full) {
		const struct dirent64 *entry = NULL;
		int r;

		r = next_entry(w, &w->levels[w->n_levels - 1], &entry);
		if (r > 0) {
			r = visit(w, entry);
			if (r < 0)
				return r;
			continue;
		}
		if (r == -ENOMEM)
			return r;
		if (r < 0) /* lost or damaged: the others can still be read */
			w->unreadable = true;
		pop_level(w);
	}
	return w->unreadable && w->n_missing ? -EIO : 0;
}

int paths_scan(const struct inside *in, struct wanted *wanted)
{
	_cleanup_(walk_done) struct walk w = { .in = in, .wanted = wanted };
	struct wanted_inode *root = wanted_find(wanted, in->root_inode);
	int fd, r;

	if (root) {
		r = wanted_note(wanted, root, "/");
		if (r < 0)
			return r;
	}
	w.n_missing = wanted_n_missing(wanted);
	if (!w.n_missing)
		return 0;
	fd = inside_open_directory(in->root_fd, ".");
	if (fd < 0)
		return fd;
	r = push_level(&w, fd, in->root_inode, 0);
	return r < 0 ? r : walk_tree(&w);
}
