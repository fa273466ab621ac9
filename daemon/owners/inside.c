// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inside: within one filesystem, from its own root.
 *
 *   handle -> [inside] -> paths, dcache, parents, overlay
 *
 * In:   an fd anywhere on the filesystem.
 * Out:  descriptors of its directories and files.
 *
 * The root is opened by its inode number, so that it does not matter which part is mounted. From
 * there every lookup stays on this mount: what another mount hides must not be mistaken for what
 * lies on top.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include "cleanup.h"
#include "owners/handle.h"
#include "owners/inside.h"

int inside_open_at(int dir_fd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* O_NOATIME needs the owner or CAP_FOWNER. */
int inside_open_directory(int dir_fd, const char *name)
{
	int fd = inside_open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOATIME);

	return fd == -EPERM ? inside_open_at(dir_fd, name, O_RDONLY | O_DIRECTORY) : fd;
}

int inside_open_inode(const struct inside *in, uint64_t inode, int flags)
{
	struct inode_facts facts;
	int r;

	r = handle_inode(in->fs_fd, in->filesystem, inode, &facts);
	if (r < 0)
		return r;
	return handle_open(in->fs_fd, in->filesystem, inode, facts.generation, flags);
}

int inside_leads_to(const struct inside *in, const char *fs_path, uint64_t inode)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (*fs_path != '/')
		return 0;
	fd = inside_open_at(in->root_fd, fs_path[1] ? fs_path + 1 : ".", O_PATH);
	if (fd == -EXDEV || fd == -ENAMETOOLONG)
		return fd;
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == in->dev && st.st_ino == inode;
}

int inside_open(int fs_fd, const char *filesystem, struct inside *ret)
{
	struct inside in = { .fs_fd = fs_fd, .root_fd = -1 };
	struct inode_facts root;
	struct stat st;
	int r;

	if (fstat(fs_fd, &st) < 0)
		return -errno;
	r = handle_root(fs_fd, filesystem, &root);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode) && st.st_ino == root.inode)
		in.root_fd = inside_open_directory(fs_fd, ".");
	else
		in.root_fd = handle_open(fs_fd, filesystem, root.inode, root.generation,
					 O_RDONLY | O_DIRECTORY);
	if (in.root_fd < 0)
		return in.root_fd;
	snprintf(in.filesystem, sizeof(in.filesystem), "%s", filesystem);
	in.root_inode = root.inode;
	in.dev = st.st_dev;
	*ret = in;
	return 0;
}

void inside_done(struct inside *in)
{
	if (*in->filesystem)
		closep(&in->root_fd);
	*in = (struct inside){};
}
