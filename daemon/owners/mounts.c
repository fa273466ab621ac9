// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mounts: where a block device's filesystem can be reached.
 *
 *   mountinfo of each mount namespace -> [mounts] -> owners
 *
 * In:   /proc. Our own table comes first, then that of one process for each other mount namespace,
 *       lowest pid first, so that the host's (pid 1) beats a container's.
 * Out:  the mounts that have a block device below, best first.
 *
 * The kernel's own threads are all where the first of them is, or in one that shows devtmpfs alone.
 *
 * A namespace without any process (held by a bind mount alone) is not seen. Paths of another
 * namespace lead through /proc/PID/root and are gone with that process: they are opened and
 * checked, never believed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel_threads.h"
#include "owners/mountinfo.h"
#include "owners/mounts.h"

/* "mnt:[4026531841]" of the namespaces that were read already */
struct seen {
	char (*links)[64];
	size_t n;
};

static void seen_done(struct seen *seen)
{
	free(seen->links);
}

static bool seen_has(const struct seen *seen, const char *link)
{
	for (size_t i = 0; i < seen->n; i++)
		if (!strcmp(seen->links[i], link))
			return true;
	return false;
}

static int seen_add(struct seen *seen, const char *link)
{
	char(*grown)[64] = reallocarray(seen->links, seen->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	seen->links = grown;
	snprintf(grown[seen->n++], sizeof(*grown), "%s", link);
	return 0;
}

/* `name`: the directory of a process, or in one. */
static int namespace_of(int dir_fd, const char *name, char ret[static 64])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/mnt", name);
	n = readlinkat(dir_fd, path, ret, 63);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

/*
 * Filesystems that can span disks have a made-up device number; their source names one disk. It is
 * a hint of whoever mounted it, good enough to keep us from calling that disk unused.
 */
static dev_t disk_of(const struct mountinfo_line *line)
{
	struct stat st;

	if (major(line->dev) || strncmp(line->source, "/dev/", 5))
		return 0;
	if (stat(line->source, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	return st.st_rdev;
}

static void mount_done(struct mount *m)
{
	free(m->filesystem);
	free(m->options);
	free(m->root);
	free(m->mountpoint);
}

bool mount_is_overlay(const struct mount *mount)
{
	return !strcmp(mount->filesystem, "overlay");
}

static int append_mount(struct mounts *to, const struct mountinfo *table, size_t i, pid_t via_pid)
{
	const struct mountinfo_line *line = &table->lines[i];
	struct mount m = { .dev = line->dev, .disk = disk_of(line), .via_pid = via_pid };
	bool is_overlay = !strcmp(line->filesystem, "overlay");
	struct mount *grown;

	if (!to->any_device && !major(m.dev) && !m.disk && !is_overlay)
		return 0;
	grown = reallocarray(to->all, to->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	to->all = grown;

	m.read_only = line->read_only;
	m.covered = mountinfo_covered(table, i);
	m.filesystem = strdup(line->filesystem);
	m.root = strdup(line->root);
	m.mountpoint = strdup(line->mountpoint);
	if (is_overlay)
		m.options = strdup(line->options);
	if (!m.filesystem || !m.root || !m.mountpoint || (is_overlay && !m.options)) {
		mount_done(&m);
		return -ENOMEM;
	}
	to->all[to->n++] = m;
	return 0;
}

/* The table of one process that is still in that namespace; 0 as well where it has gone. */
static int add_table(int proc_fd, const char *name, const char *namespace, pid_t via_pid,
		     struct mounts *to)
{
	_cleanup_(mountinfo_freep) struct mountinfo *table = NULL;
	_cleanup_(closep) int pid_fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char link[64];
	int r;

	if (pid_fd < 0 || namespace_of(pid_fd, ".", link) < 0 || strcmp(link, namespace))
		return 0;
	r = mountinfo_read(pid_fd, &table);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; i < table->n; i++) {
		r = append_mount(to, table, i, via_pid);
		if (r < 0)
			return r;
	}
	return 1;
}

/*
 * Most processes are in a namespace that was read already, and cost one call. Only memory is a
 * reason to give up: processes come and go.
 */
static int add_process(int proc_fd, const char *name, pid_t via_pid, struct seen *seen,
		       struct mounts *to)
{
	char link[64];
	int r;

	if (namespace_of(proc_fd, name, link) < 0 || seen_has(seen, link))
		return 0;
	r = add_table(proc_fd, name, link, via_pid, to);
	return r <= 0 ? r : seen_add(seen, link);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;

	return (left > right) - (left < right);
}

static int list_pids(int proc_fd, pid_t **ret, size_t *ret_n)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	_cleanup_(freep) pid_t *pids = NULL;
	_cleanup_(closep) int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	fd = -1;

	for (struct dirent *e; (e = readdir(dir));) {
		pid_t *grown;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		if (!(n & (n - 1))) {
			grown = reallocarray(pids, n ? 2 * n : 1, sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			pids = grown;
		}
		pids[n++] = atoi(e->d_name);
	}
	if (n)
		qsort(pids, n, sizeof(*pids), compare_pids);
	*ret = TAKE(pids);
	*ret_n = n;
	return 0;
}

static int add_processes(int proc_fd, struct seen *seen, struct mounts *to)
{
	_cleanup_(freep) pid_t *pids = NULL;
	pid_t father = kernel_threads_father(proc_fd);
	size_t n = 0;
	int r;

	r = list_pids(proc_fd, &pids, &n);
	for (size_t i = 0; i < n && r >= 0; i++) {
		char name[16];

		if (pids[i] != father && kernel_threads_has(father, pids[i]))
			continue;
		snprintf(name, sizeof(name), "%d", (int)pids[i]);
		r = add_process(proc_fd, name, pids[i], seen, to);
	}
	return r;
}

static int read_mounts(int proc_fd, bool any_device, struct mounts **ret)
{
	_cleanup_(mounts_freep) struct mounts *m = calloc(1, sizeof(*m));
	_cleanup_(seen_done) struct seen seen = {};
	int r;

	if (!m)
		return -ENOMEM;
	m->any_device = any_device;
	r = add_process(proc_fd, "self", 0, &seen, m);
	if (r < 0)
		return r;
	r = add_processes(proc_fd, &seen, m);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

int mounts_read(int proc_fd, struct mounts **ret)
{
	return read_mounts(proc_fd, false, ret);
}

int mounts_read_all(int proc_fd, struct mounts **ret)
{
	return read_mounts(proc_fd, true, ret);
}

struct mounts *mounts_free(struct mounts *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->n; i++)
		mount_done(&m->all[i]);
	free(m->all);
	free(m);
	return NULL;
}

static bool is_of(const struct mount *m, dev_t dev)
{
	return m->dev == dev || (m->disk && m->disk == dev);
}

static unsigned weight(const struct mount *m)
{
	return !m->covered << 3 | !strcmp(m->root, "/") << 2 | !m->via_pid << 1 | !m->read_only;
}

/* Of equals the first, which is the lowest pid's. */
const struct mount *mounts_best(const struct mounts *m, dev_t dev)
{
	const struct mount *best = NULL;

	for (size_t i = 0; i < m->n; i++)
		if (is_of(&m->all[i], dev) && (!best || weight(&m->all[i]) > weight(best)))
			best = &m->all[i];
	return best;
}

/* "/proc/PID/root" crosses into the namespace; its own symlink is followed, the rest cannot leave
 * it. */
int mounts_open_root(int proc_fd, pid_t via_pid)
{
	char name[32];
	int fd;

	if (!via_pid)
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else {
		snprintf(name, sizeof(name), "%d/root", (int)via_pid);
		fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* What is no directory could do things when it is opened; a mounted file takes ioctls as well. */
static int open_file_or_directory(int root_fd, const char *path)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int fd;

	fd = openat(root_fd, path, flags | O_DIRECTORY);
	if (fd >= 0 || errno != ENOTDIR)
		return fd < 0 ? -errno : fd;
	if (fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	fd = openat(root_fd, path, flags);
	return fd < 0 ? -errno : fd;
}

int mount_open(int proc_fd, const struct mount *mount)
{
	_cleanup_(closep) int root_fd = -1, fd = -1;
	const char *path = mount->mountpoint;
	struct stat st;

	if (mount->via_pid) {
		root_fd = mounts_open_root(proc_fd, mount->via_pid);
		if (root_fd < 0)
			return root_fd;
		path = path[1] ? path + 1 : ".";
	}
	fd = open_file_or_directory(root_fd, path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Where numbers are made up per subvolume, nothing can be compared. */
	if (major(mount->dev) && st.st_dev != mount->dev)
		return -ESTALE;
	return TAKE_FD(fd);
}

int mounts_open(int proc_fd, const struct mounts *m, dev_t dev, const struct mount **ret)
{
	int result = -ENODEV;

	for (unsigned below = 16; below > 0; below--) {
		for (size_t i = 0; i < m->n; i++) {
			int fd;

			if (!is_of(&m->all[i], dev) || weight(&m->all[i]) != below - 1)
				continue;
			fd = mount_open(proc_fd, &m->all[i]);
			if (fd >= 0) {
				*ret = &m->all[i];
				return fd;
			}
			result = -ESTALE;
		}
	}
	return result;
}

int mount_name_below(const struct mount *mount, const char *fs_path, char **ret)
{
	const char *top = strcmp(mount->mountpoint, "/") ? mount->mountpoint : "";
	const char *rest = strcmp(mount->root, "/") ? fs_path + strlen(mount->root) : fs_path;
	int n;

	if (!strcmp(rest, "/"))
		rest = "";
	n = asprintf(ret, "%s%s", top, *rest || *top ? rest : "/");
	return n < 0 ? -ENOMEM : 0;
}

int mounts_name(const struct mounts *m, const struct mount *mount, const char *fs_path,
		const struct mount **ret_mount, char **ret)
{
	const struct mount *by = path_is_below(fs_path, mount->root) ? mount : NULL;

	for (size_t i = 0; !by && i < m->n; i++)
		if (m->all[i].dev == mount->dev && m->all[i].via_pid == mount->via_pid &&
		    !m->all[i].covered && path_is_below(fs_path, m->all[i].root))
			by = &m->all[i];
	if (!by)
		return -ENOENT;
	*ret_mount = by;
	return mount_name_below(by, fs_path, ret);
}

int mounts_fs_path(const struct mounts *m, dev_t dev, pid_t via_pid, const char *mountpoint,
		   const char *path, char **ret)
{
	const char *below = path + (strcmp(mountpoint, "/") ? strlen(mountpoint) : 0);

	if (!path_is_below(path, mountpoint))
		return -ENOENT;
	for (size_t i = 0; i < m->n; i++) {
		const char *top = strcmp(m->all[i].root, "/") ? m->all[i].root : "";

		if (m->all[i].dev != dev || m->all[i].via_pid != via_pid ||
		    strcmp(m->all[i].mountpoint, mountpoint))
			continue;
		return asprintf(ret, "%s%s", top, *below || *top ? below : "/") < 0 ? -ENOMEM : 0;
	}
	return -ENOENT;
}
