// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * protect-unit: whose unit is never stopped, whatever a rule says.
 *
 *   [protect-unit] -> policy
 *
 * To stop a unit acts upon all that is in it. So all of its processes are looked at, and what
 * protects one of them protects the unit: the login session that the administrator came in by
 * holds a file easily.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "policy/glob.h"
#include "policy/protect.h"

/* systemd's own tree is hardly ever more than ten deep; a unit's own goes on below it. */
#define DEPTH_MAX 32

struct search {
	const struct policy_context *ctx;
	const struct rule *rule;
	char *unit;
	const char *why;
};

/* "/system.slice/_x.service/sub" and "x.service": how much of it is the unit's own cgroup. 0: none.
 */
static size_t length_to_unit(const char *cgroup, const char *unit)
{
	size_t n_unit = strlen(unit);

	for (const char *at = cgroup; at && *at; at = strchr(at, '/')) {
		const char *name = at + strspn(at, "/");

		at = name;
		name += *name == '_' && *unit != '_';
		if (!strncmp(name, unit, n_unit) && (!name[n_unit] || name[n_unit] == '/'))
			return (size_t)(name + n_unit - cgroup);
	}
	return 0;
}

static bool is_stoppable_kind(const char *unit)
{
	return name_glob_match("*.service", unit) || name_glob_match("*.scope", unit);
}

/* Only a user's manager knows the units below it, and only the user's bus leads there. */
static bool is_of_user_manager(const char *cgroup, size_t n_to_unit)
{
	const char *manager = strstr(cgroup, "/user@");

	return manager && (size_t)(manager - cgroup) < n_to_unit &&
	       memchr(manager + 1, '/', (size_t)(cgroup + n_to_unit - manager - 1));
}

static void look_at_process(struct search *s, pid_t pid)
{
	struct holder other = { .pid = pid, .unit = s->unit };
	char link[32], exe[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "%d/exe", pid);
	n = s->ctx->proc_fd < 0 ? -1 : readlinkat(s->ctx->proc_fd, link, exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		other.exe = exe;
	}
	if (protect_process(s->ctx, s->rule, &other))
		s->why = "another process in its unit must not be acted upon";
}

static void look_at_processes(struct search *s, int dir_fd)
{
	_cleanup_(fclosep) FILE *f = NULL;
	int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;

	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f && fd >= 0)
		close(fd);
	while (f && !s->why && fscanf(f, "%d", &pid) == 1)
		look_at_process(s, pid);
}

/* All of the unit's cgroups, and whether one of them wants to be left alone. */
static void look_below(struct search *s, const char *path, unsigned depth)
{
	_cleanup_(closedirp) DIR *dir = opendir(path);

	if (!dir || depth == DEPTH_MAX) {
		s->why = dir || errno != ENOENT ? "its unit's processes are not known" : NULL;
		return;
	}
	if (protect_says_avoid(path)) {
		s->why = "a cgroup of its unit has the attribute user.hwpoisond.avoid";
		return;
	}
	look_at_processes(s, dirfd(dir));
	for (struct dirent *e; !s->why && (e = readdir(dir));) {
		char below[PATH_MAX];

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, e->d_name) <
		    sizeof(below))
			look_below(s, below, depth + 1);
	}
}

const char *protect_unit(const struct policy_context *ctx, const struct rule *rule,
			 const struct holder *holder)
{
	struct search s = { .ctx = ctx, .rule = rule, .unit = holder->unit };
	bool named = rule && rule->unit && glob_is_literal(rule->unit);
	char path[PATH_MAX];
	size_t n;

	n = holder->unit && holder->cgroup ? length_to_unit(holder->cgroup, holder->unit) : 0;
	if (!n)
		return "it belongs to no unit";
	if (is_of_user_manager(holder->cgroup, n))
		return "its unit is one of a user's own service manager";
	if (!is_stoppable_kind(holder->unit))
		return "only services and scopes are stopped";
	if (!named && (name_glob_match("user@*.service", holder->unit) ||
		       name_glob_match("session-*.scope", holder->unit)))
		return "its unit is a user's session, which the rule does not name without a "
		       "wildcard";
	if (!ctx->cgroup_root)
		return NULL;
	if ((size_t)snprintf(path, sizeof(path), "%s%.*s", ctx->cgroup_root, (int)n,
			     holder->cgroup) >= sizeof(path))
		return "its unit's processes are not known";
	look_below(&s, path, 0);
	return s.why;
}
