// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroup: from a control group's path to a unit and a container.
 *
 *   /proc/PID/cgroup -> [cgroup] -> owners (of mounts), holders
 *
 * In:   "/system.slice/docker-<64 hex digits>.scope/init.scope".
 * Out:  unit "docker-<...>.scope", container "<64 hex digits>".
 *
 * Units nest, but a manager knows only its own: the first service or scope of the path is the
 * system's, and below user@UID.service the next one is that user's. Anything deeper was made by
 * the unit itself, so its name can be that of an unrelated unit of ours; it must never be taken
 * for one. Containers likewise: the outermost is the one that the host's tools know.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"

#define ID_DIGITS 64u

static bool has_suffix(const char *name, size_t length, const char *suffix)
{
	size_t n = strlen(suffix);

	return length > n && !memcmp(name + length - n, suffix, n);
}

static bool has_prefix(const char *name, size_t length, const char *prefix)
{
	size_t n = strlen(prefix);

	return length > n && !memcmp(name, prefix, n);
}

static bool is_unit(const char *name, size_t length)
{
	static const char *const suffixes[] = { ".service", ".scope", ".mount", ".swap",
						".socket" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (has_suffix(name, length, suffixes[i]))
			return true;
	return false;
}

static size_t component_length(const char *path)
{
	return strcspn(path, "/");
}

/* The first unit at or after *path, which moves behind it. */
static const char *next_unit(const char **path, size_t *ret_length)
{
	for (const char *p = *path; *p; p += component_length(p), p += *p == '/') {
		size_t length = component_length(p);

		if (is_unit(p, length)) {
			*path = p + length + (p[length] == '/');
			*ret_length = length;
			return p;
		}
		if (length && !has_suffix(p, length, ".slice"))
			return NULL;
	}
	return NULL;
}

static int find_unit(const char *path, char **ret)
{
	const char *unit, *user_unit;
	size_t length = 0, user_length = 0;

	unit = next_unit(&path, &length);
	if (unit && has_prefix(unit, length, "user@") && has_suffix(unit, length, ".service")) {
		user_unit = next_unit(&path, &user_length);
		if (user_unit) {
			unit = user_unit;
			length = user_length;
		}
	}
	/* systemd puts '_' in front of what could be mistaken for a file of the kernel. */
	if (unit && length > 1 && *unit == '_') {
		unit++;
		length--;
	}
	*ret = unit ? strndup(unit, length) : NULL;
	return unit && !*ret ? -ENOMEM : 0;
}

static bool is_hex(const char *s, size_t length)
{
	return strspn(s, "0123456789abcdef") >= length;
}

/*
 * "<id>", "docker-<id>.scope", "cri-containerd-<id>.scope"; a monitor ("libpod-conmon-<id>") is
 * outside.
 */
static const char *engine_id(const char *name, size_t length)
{
	size_t prefix;

	if (has_suffix(name, length, ".scope"))
		length -= strlen(".scope");
	if (length < ID_DIGITS || !is_hex(name + length - ID_DIGITS, ID_DIGITS))
		return NULL;
	prefix = length - ID_DIGITS;
	if (prefix && ((name[prefix - 1] != '-' && name[prefix - 1] != ':') ||
		       has_suffix(name, prefix, "conmon-")))
		return NULL;
	return name + prefix;
}

/* Replace "\x2d" and its like; in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		unsigned value = 0;

		if (s[0] == '\\' && s[1] == 'x' && is_hex(s + 2, 2)) {
			for (int i = 2; i < 4; i++)
				value = value * 16 +
					(unsigned)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
			*out = (char)value;
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

/* Names between a prefix and a suffix: of LXC and of machines that systemd registered. */
static const struct {
	const char *prefix;
	const char *suffix;
} named[] = {
	{ "lxc.payload.", "" },
	{ "systemd-nspawn@", ".service" },
	{ "machine-lxc\\x2d", ".scope" },
	{ "machine-", ".scope" },
};

static int container_of(const char *component, size_t length, char **ret)
{
	const char *id = engine_id(component, length);

	*ret = NULL;
	if (id) {
		*ret = strndup(id, ID_DIGITS);
		return *ret ? 0 : -ENOMEM;
	}
	if (has_prefix(component, length, "machine-qemu")) /* a guest with its own kernel */
		return 0;
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		size_t skip = strlen(named[i].prefix), cut = strlen(named[i].suffix);

		if (!has_prefix(component, length, named[i].prefix) || length <= skip + cut ||
		    (cut && !has_suffix(component, length, named[i].suffix)))
			continue;
		*ret = strndup(component + skip, length - skip - cut);
		if (!*ret)
			return -ENOMEM;
		unescape(*ret);
		return 0;
	}
	return 0;
}

static int find_container(const char *path, char **ret)
{
	bool after_lxc = false;

	*ret = NULL;
	for (const char *p = path; *p; p += component_length(p), p += *p == '/') {
		size_t length = component_length(p);
		int r;

		r = container_of(p, length, ret);
		if (r < 0 || *ret)
			return r;
		if (after_lxc && length) {
			*ret = strndup(p, length);
			return *ret ? 0 : -ENOMEM;
		}
		after_lxc = length == 3 && !memcmp(p, "lxc", 3);
	}
	return 0;
}

int cgroup_parse(const char *cgroup_path, char **ret_unit, char **ret_container)
{
	_cleanup_(freep) char *unit = NULL;
	int r;

	r = find_unit(cgroup_path, &unit);
	if (r < 0)
		return r;
	r = find_container(cgroup_path, ret_container);
	if (r < 0)
		return r;
	*ret_unit = TAKE(unit);
	return 0;
}

/* Text of a small file, cut at the buffer's end. False: it is not there. */
static bool read_text(int proc_fd, const char *path, char *ret, size_t n_bytes)
{
	_cleanup_(closep) int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;

	while (fd >= 0 && length < n_bytes - 1) {
		ssize_t n = read(fd, ret + length, n_bytes - 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	ret[length] = '\0';
	return fd >= 0;
}

/* "0::/path" of the unified hierarchy, or else systemd's own of the old ones. */
int cgroup_of_process(int proc_fd, pid_t pid, char **ret)
{
	static const char *const starts[] = { "0::/", "name=systemd:/" };
	char name[32], text[2 * PATH_MAX];

	snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
	if (!read_text(proc_fd, name, text, sizeof(text)))
		return 0;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		char *path = strstr(text, starts[i]);

		if (!path || (i == 0 && path != text && path[-1] != '\n'))
			continue;
		path += strlen(starts[i]) - 1;
		*ret = strndup(path, strcspn(path, "\n"));
		return *ret ? 1 : -ENOMEM;
	}
	return 0;
}
