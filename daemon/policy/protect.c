// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * protect: who is never acted upon, whatever a rule says.
 *
 *   [protect] -> policy
 *
 * Without these a rule that is too wide takes down what an administrator needs to see and mend the
 * damage: the service manager, the journal, the bus, the way in, and us.
 *
 * A process can call itself what it likes, so names do not protect; the path of its executable and
 * the unit it was started in do. An attribute that is there but can't be read counts as set.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "holders/process.h"
#include "owners/handle.h"
#include "policy/glob.h"
#include "policy/protect.h"

#define AVOID_ATTRIBUTE "user.hwpoisond.avoid"
#define UNNAMED(who)	"it is " who ", which the rule does not name without a wildcard"

static const struct {
	const char *pattern;
	const char *why;
} essential_exes[] = {
	{ "/usr/lib/systemd/systemd-journald", UNNAMED("systemd-journald") },
	{ "/lib/systemd/systemd-journald", UNNAMED("systemd-journald") },
	{ "/usr/bin/dbus-daemon", UNNAMED("dbus") },
	{ "/usr/bin/dbus-broker*", UNNAMED("dbus") },
	{ "/usr/sbin/sshd", UNNAMED("sshd") },
	{ "/usr/lib*/**/sshd-session", UNNAMED("sshd") },
}, essential_units[] = {
	{ "systemd-journald.service", UNNAMED("systemd-journald") },
	{ "systemd-journald@*.service", UNNAMED("systemd-journald") },
	{ "dbus.service", UNNAMED("dbus") },
	{ "dbus-broker.service", UNNAMED("dbus") },
	{ "ssh.service", UNNAMED("sshd") },
	{ "sshd.service", UNNAMED("sshd") },
	{ "ssh@*.service", UNNAMED("sshd") },
	{ "sshd@*.service", UNNAMED("sshd") },
};

/* "PATH (deleted)" still is what PATH was when it was started. */
static bool is_exe(const char *pattern, const char *exe)
{
	char before[PATH_MAX];
	const char *deleted = strstr(exe, " (deleted)");

	if (path_glob_match(pattern, exe))
		return true;
	if (!deleted || deleted - exe >= PATH_MAX)
		return false;
	memcpy(before, exe, deleted - exe);
	before[deleted - exe] = '\0';
	return path_glob_match(pattern, before);
}

static const char *why_essential(const struct holder *holder)
{
	for (size_t i = 0; i < sizeof(essential_exes) / sizeof(essential_exes[0]); i++)
		if (holder->exe && is_exe(essential_exes[i].pattern, holder->exe))
			return essential_exes[i].why;
	for (size_t i = 0; i < sizeof(essential_units) / sizeof(essential_units[0]); i++)
		if (holder->unit && name_glob_match(essential_units[i].pattern, holder->unit))
			return essential_units[i].why;
	return NULL;
}

/* Is this process meant by the rule, and not just caught by a pattern? */
static bool is_named_by(const struct rule *rule, const struct holder *holder)
{
	if (!rule)
		return false;
	if (rule->unit && holder->unit && glob_is_literal(rule->unit) &&
	    !strcmp(rule->unit, holder->unit))
		return true;
	return rule->exe && holder->exe && glob_is_literal(rule->exe) &&
	       is_exe(rule->exe, holder->exe);
}

/* Our workers run the daemon's executable, too. */
static bool runs_what_we_run(const struct policy_context *ctx, const struct holder *holder)
{
	char link[32], ours[PATH_MAX];
	ssize_t n;

	if (ctx->proc_fd < 0 || !holder->exe)
		return false;
	snprintf(link, sizeof(link), "%d/exe", ctx->self);
	n = readlinkat(ctx->proc_fd, link, ours, sizeof(ours));
	return n > 0 && (size_t)n < sizeof(ours) && strlen(holder->exe) == (size_t)n &&
	       !memcmp(holder->exe, ours, n);
}

static bool is_control_client(const struct policy_context *ctx, pid_t pid)
{
	for (size_t i = 0; i < ctx->n_control_clients; i++)
		if (ctx->control_clients[i] == pid)
			return true;
	return false;
}

const char *protect_process(const struct policy_context *ctx, const struct rule *rule,
			    const struct holder *holder)
{
	if (holder->pid <= 1)
		return "pid 1 is never acted upon";
	if (holder->pid == ctx->self || runs_what_we_run(ctx, holder))
		return "hwpoisond does not act upon itself";
	if (is_control_client(ctx, holder->pid))
		return "a client of the control socket is never acted upon";
	if (ctx->proc_fd >= 0 && process_is_kernel_thread(ctx->proc_fd, holder->pid) > 0)
		return "a kernel thread is never acted upon";
	return is_named_by(rule, holder) ? NULL : why_essential(holder);
}

bool protect_says_avoid(const char *path)
{
	if (getxattr(path, AVOID_ATTRIBUTE, NULL, 0) >= 0)
		return true;
	return errno != ENODATA && errno != EOPNOTSUPP && errno != ENOENT && errno != ENOTDIR &&
	       errno != ENAMETOOLONG;
}

const char *protect_cgroup(const struct policy_context *ctx, const struct holder *holder)
{
	char path[PATH_MAX];
	size_t n_root;

	/* A cgroup outside of our cgroup namespace shows as "/../...": we can't see its attributes.
	 */
	if (!ctx->cgroup_root || !holder->cgroup || strstr(holder->cgroup, "/.."))
		return NULL;
	n_root = strlen(ctx->cgroup_root);
	if (n_root + strlen(holder->cgroup) >= sizeof(path))
		return NULL;
	stpcpy(stpcpy(path, ctx->cgroup_root), holder->cgroup);

	for (char *end = path + strlen(path); end > path + n_root; end = strrchr(path, '/')) {
		*end = '\0';
		if (protect_says_avoid(path))
			return "its cgroup has the attribute " AVOID_ATTRIBUTE;
	}
	return NULL;
}

/* Open what is there without opening it: -1 unless it is this owner's inode. */
static int open_owner(const struct policy_context *ctx, const struct owner *owner, const char *path)
{
	_cleanup_(closep) int root_fd = -1;
	_cleanup_(closep) int fd = -1;
	char root[32];
	struct stat st;

	if (owner->mount_pid) {
		snprintf(root, sizeof(root), "%d/root", owner->mount_pid);
		root_fd = openat(ctx->proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root_fd < 0)
			return -1;
		path += strspn(path, "/");
	}
	fd = openat(root_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != owner->dev || st.st_ino != owner->inode)
		return -1;
	return TAKE_FD(fd);
}

/* A file that has no name any more, or whose names lie, by its number. -1 where that can't be. */
static int open_by_number(const struct policy_context *ctx, const struct owner *owner)
{
	_cleanup_(closep) int mount_fd = -1;
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!owner->mountpoint || !owner->filesystem || !owner->inode)
		return -1;
	if (owner->mount_pid)
		snprintf(path, sizeof(path), "/proc/%d/root%s", owner->mount_pid,
			 owner->mountpoint);
	else
		snprintf(path, sizeof(path), "%s", owner->mountpoint);
	mount_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0 || fstat(mount_fd, &st) < 0 || st.st_dev != owner->dev)
		return -1;
	fd = handle_open(mount_fd, owner->filesystem, owner->inode, owner->generation,
			 O_PATH | O_CLOEXEC);
	return fd < 0 ? -1 : fd;
}

static bool file_says_avoid(int fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return protect_says_avoid(link);
}

const char *protect_owner(const struct policy_context *ctx, const struct owner *owner)
{
	static const char why[] = "the file has the attribute " AVOID_ATTRIBUTE;
	_cleanup_(closep) int by_number = -1;

	for (char **path = owner->paths; path && *path; path++) {
		_cleanup_(closep) int fd = open_owner(ctx, owner, *path);

		if (fd >= 0)
			return file_says_avoid(fd) ? why : NULL;
	}
	by_number = open_by_number(ctx, owner);
	return by_number >= 0 && file_says_avoid(by_number) ? why : NULL;
}
