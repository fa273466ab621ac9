// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * paths: from inode numbers to names, by one pass over the directories of a filesystem.
 *
 *   ask -> [paths] -> owners
 *
 * In:   the inodes that all pending incidents want to know about, and an fd of their filesystem.
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
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "cleanup.h"
#include "owners/handle.h"
#include "owners/paths.h"
#include "strv.h"

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
	int fs_fd;
	const char *filesystem;
	dev_t dev;
	struct wanted *wanted;
	size_t n_missing;
	struct level *levels;
	size_t n_levels;
	size_t levels_capacity;
	char *path;
	size_t path_capacity;
	bool unreadable; /* some directory was left out */
};

static int compare_wanted(const void *a, const void *b)
{
	uint64_t l = ((const struct wanted_inode *)a)->inode;
	uint64_t r = ((const struct wanted_inode *)b)->inode;

	return (l > r) - (l < r);
}

struct wanted_inode *wanted_find(const struct wanted *w, uint64_t inode)
{
	struct wanted_inode key = { .inode = inode };

	return w->n ? bsearch(&key, w->all, w->n, sizeof(key), compare_wanted) : NULL;
}

struct wanted_inode *wanted_add(struct wanted *w, uint64_t inode)
{
	struct wanted_inode *found = wanted_find(w, inode), *grown;
	size_t at = w->n;

	if (found)
		return found;
	grown = reallocarray(w->all, w->n + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	w->all = grown;
	while (at > 0 && grown[at - 1].inode > inode)
		at--;
	memmove(grown + at + 1, grown + at, (w->n - at) * sizeof(*grown));
	w->n++;
	grown[at] = (struct wanted_inode){ .inode = inode };
	return &grown[at];
}

static bool is_missing(const struct wanted_inode *w)
{
	return strv_length(w->fs_paths) < w->n_names;
}

size_t wanted_n_missing(const struct wanted *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += is_missing(&w->all[i]);
	return n;
}

void wanted_done(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++)
		strv_free(w->all[i].fs_paths);
	free(w->all);
	*w = (struct wanted){};
}

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

static int open_in(int dir_fd, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Without touching its access time, where we may: that needs the owner or CAP_FOWNER. */
static int open_directory(int dir_fd, const char *name)
{
	int fd = open_in(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOATIME);

	return fd == -EPERM ? open_in(dir_fd, name, O_RDONLY | O_DIRECTORY) : fd;
}

static int open_by_inode(const struct walk *w, uint64_t inode)
{
	struct inode_facts facts;
	int r;

	r = handle_inode(w->fs_fd, w->filesystem, inode, &facts);
	if (r < 0)
		return r;
	return handle_open(w->fs_fd, w->filesystem, inode, facts.generation,
			   O_RDONLY | O_DIRECTORY);
}

static int open_root(const struct walk *w, struct inode_facts *ret)
{
	struct stat st;
	int r;

	r = handle_root(w->fs_fd, w->filesystem, ret);
	if (r < 0)
		return r;
	if (fstat(w->fs_fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == ret->inode)
		return open_directory(w->fs_fd, ".");
	return handle_open(w->fs_fd, w->filesystem, ret->inode, ret->generation,
			   O_RDONLY | O_DIRECTORY);
}

static int open_subdirectory(const struct walk *w, const struct level *parent,
			     const struct dirent64 *entry)
{
	int fd = open_directory(parent->fd, entry->d_name);

	return fd == -EXDEV ? open_by_inode(w, entry->d_ino) : fd;
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
	l->fd = open_by_inode(w, l->inode);
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

/* walk.path becomes that of the entry; returns its length, or -ENOMEM. */
static ssize_t set_path(struct walk *w, const struct level *parent, const char *name)
{
	size_t length = strlen(name), needed = parent->path_length + 1 + length + 1;

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
	if (st.st_dev == w->dev && st.st_ino == entry->d_ino)
		return true;
	fd = open_in(parent->fd, entry->d_name, O_PATH);
	closep(&fd);
	return fd == -EXDEV;
}

static int note_hit(struct walk *w, const struct level *parent, const struct dirent64 *entry,
		    struct wanted_inode *wanted)
{
	bool was_missing = is_missing(wanted);
	ssize_t length;
	int r;

	if (!is_link(w, parent, entry))
		return 0;
	length = set_path(w, parent, entry->d_name);
	if (length < 0)
		return (int)length;
	r = strv_push_once(&wanted->fs_paths, w->path);
	if (r < 0)
		return r;
	if (was_missing && !is_missing(wanted))
		w->n_missing--;
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
	if (length < 0 || fstat(fd, &st) < 0) {
		close(fd);
		return -ENOMEM;
	}
	return push_level(w, fd, st.st_ino, (size_t)length);
}

static int visit(struct walk *w, const struct dirent64 *entry)
{
	const struct level *parent = &w->levels[w->n_levels - 1];
	struct wanted_inode *wanted;
	int r;

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
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
	while (w->n_levels && w->n_missing) {
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

int paths_scan(int fs_fd, const char *filesystem, struct wanted *wanted)
{
	_cleanup_(walk_done) struct walk w = {
		.fs_fd = fs_fd,
		.filesystem = filesystem,
		.wanted = wanted,
		.n_missing = wanted_n_missing(wanted),
	};
	struct wanted_inode *root_wanted;
	struct inode_facts root;
	struct stat st;
	int fd, r;

	if (!w.n_missing)
		return 0;
	if (fstat(fs_fd, &st) < 0)
		return -errno;
	w.dev = st.st_dev;
	fd = open_root(&w, &root);
	if (fd < 0)
		return fd;
	r = push_level(&w, fd, root.inode, 0);
	if (r < 0)
		return r;

	root_wanted = wanted_find(wanted, root.inode);
	if (root_wanted && !root_wanted->fs_paths) {
		r = strv_push(&root_wanted->fs_paths, "/");
		if (r < 0)
			return r;
		w.n_missing--;
	}
	return walk_tree(&w);
}
