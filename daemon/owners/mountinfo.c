// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mountinfo: the mount table of one process, as text of the kernel.
 *
 *   /proc/PID/mountinfo -> [mountinfo] -> mounts
 *
 * In:   an open /proc/PID (or a directory that looks like one, in tests).
 * Out:  every line, unescaped.
 *
 * Mountpoints are chosen by whoever may mount, containers included: any byte but NUL can be in
 * them, so names are only cut at the blanks that the kernel itself escapes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "owners/mountinfo.h"

#define TEXT_MAX_BYTES (64u << 20)

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* "\040" and its like, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*out = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

static int parse_number(const char *text, char end, unsigned *ret, const char **ret_rest)
{
	unsigned long value;
	char *rest;

	if (*text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	value = strtoul(text, &rest, 10);
	if (errno || value > UINT32_MAX || *rest != end)
		return -EBADMSG;
	*ret = (unsigned)value;
	if (ret_rest)
		*ret_rest = rest;
	return 0;
}

static int parse_dev(const char *text, dev_t *ret)
{
	unsigned major_number, minor_number;
	const char *rest;

	if (parse_number(text, ':', &major_number, &rest) < 0 ||
	    parse_number(rest + 1, '\0', &minor_number, NULL) < 0)
		return -EBADMSG;
	*ret = makedev(major_number, minor_number);
	return 0;
}

static bool has_option(const char *options, const char *wanted)
{
	size_t length = strlen(wanted);

	for (const char *o = options; o; o = strchr(o, ',')) {
		o += *o == ',';
		if (!strncmp(o, wanted, length) && (o[length] == ',' || !o[length]))
			return true;
	}
	return false;
}

static int take_name(char *field, char **ret)
{
	if (!field)
		return -EBADMSG;
	unescape(field);
	*ret = strdup(field);
	return *ret ? 0 : -ENOMEM;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static int parse_fields(char *line, struct mountinfo_line *m)
{
	char *id = strsep(&line, " "), *parent = strsep(&line, " "), *dev = strsep(&line, " ");
	char *root = strsep(&line, " "), *mountpoint = strsep(&line, " ");
	char *options = strsep(&line, " "), *optional, *filesystem, *source;
	unsigned id_number, parent_number;
	int r;

	if (!id || !parent || !dev || !options || parse_dev(dev, &m->dev) < 0 ||
	    parse_number(id, '\0', &id_number, NULL) < 0 ||
	    parse_number(parent, '\0', &parent_number, NULL) < 0)
		return -EBADMSG;
	m->id = (int)id_number;
	m->parent = (int)parent_number;

	do {
		optional = strsep(&line, " ");
		if (!optional)
			return -EBADMSG;
	} while (strcmp(optional, "-"));

	filesystem = strsep(&line, " ");
	source = strsep(&line, " ");
	if (!source || !line)
		return -EBADMSG;
	m->read_only = has_option(options, "ro") || has_option(line, "ro");

	r = take_name(root, &m->root);
	if (r >= 0)
		r = take_name(mountpoint, &m->mountpoint);
	if (r >= 0)
		r = take_name(filesystem, &m->filesystem);
	if (r >= 0)
		r = take_name(source, &m->source);
	if (r < 0)
		return r;
	m->options = strdup(line);
	return m->options ? 0 : -ENOMEM;
}

int mountinfo_parse_line(char *line, struct mountinfo_line *ret)
{
	struct mountinfo_line m = {};
	int r;

	r = parse_fields(line, &m);
	if (r < 0) {
		mountinfo_line_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void mountinfo_line_done(struct mountinfo_line *line)
{
	free(line->root);
	free(line->mountpoint);
	free(line->filesystem);
	free(line->source);
	free(line->options);
	*line = (struct mountinfo_line){};
}

struct mountinfo *mountinfo_free(struct mountinfo *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->n; i++)
		mountinfo_line_done(&table->lines[i]);
	free(table->lines);
	free(table);
	return NULL;
}

static int read_text(int pid_fd, char **ret)
{
	_cleanup_(closep) int fd = openat(pid_fd, "mountinfo", O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t capacity = 0, length = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (capacity - length < 4096) {
			char *grown = realloc(text, capacity + (64u << 10));

			if (!grown)
				return -ENOMEM;
			text = grown;
			capacity += 64u << 10;
		}
		n = read(fd, text + length, capacity - length - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		length += n > 0 ? (size_t)n : 0;
		if (length > TEXT_MAX_BYTES)
			return -EFBIG;
	} while (n != 0);

	text[length] = '\0';
	*ret = TAKE(text);
	return 0;
}

static int append_line(struct mountinfo *table, struct mountinfo_line line)
{
	if (!(table->n & (table->n - 1))) {
		size_t capacity = table->n ? 2 * table->n : 1;
		struct mountinfo_line *grown = reallocarray(table->lines, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->lines = grown;
	}
	table->lines[table->n++] = line;
	return 0;
}

int mountinfo_read(int pid_fd, struct mountinfo **ret)
{
	_cleanup_(mountinfo_freep) struct mountinfo *table = calloc(1, sizeof(*table));
	_cleanup_(freep) char *text = NULL;
	char *rest, *line;
	int r;

	if (!table)
		return -ENOMEM;
	r = read_text(pid_fd, &text);
	if (r < 0)
		return r;

	for (rest = text; (line = strsep(&rest, "\n"));) {
		struct mountinfo_line m;

		if (!*line)
			continue;
		r = mountinfo_parse_line(line, &m);
		if (r == -EBADMSG) /* a line we do not know is no reason to lose the others */
			continue;
		if (r >= 0)
			r = append_line(table, m);
		if (r < 0)
			return r;
	}
	*ret = TAKE(table);
	return 0;
}

int mountinfo_next_option(const char **at, char **ret)
{
	const char *end;

	if (!*at)
		return 0;
	end = strchrnul(*at, ',');
	*ret = strndup(*at, (size_t)(end - *at));
	if (!*ret)
		return -ENOMEM;
	unescape(*ret);
	*at = *end ? end + 1 : NULL;
	return 1;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	if (length == 1)
		return true;
	return !strncmp(path, dir, length) && (path[length] == '/' || !path[length]);
}

static const struct mountinfo_line *find_id(const struct mountinfo *table, int id)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->lines[i].id == id)
			return &table->lines[i];
	return NULL;
}

/*
 * A path leads into mount m of parent p unless something else was mounted on p at or above m's
 * place, or on m's own root. The same must hold for p within its own parent, up to the first mount
 * of the table.
 */
bool mountinfo_covered(const struct mountinfo *table, size_t i)
{
	const struct mountinfo_line *m = &table->lines[i];

	for (size_t j = 0; j < table->n; j++)
		if (table->lines[j].parent == m->id && table->lines[j].id != m->id &&
		    !strcmp(table->lines[j].mountpoint, m->mountpoint))
			return true;

	/* n steps at most: a table read while it changed may have a loop in it. */
	for (size_t step = 0; step < table->n; step++) {
		const struct mountinfo_line *p = find_id(table, m->parent);

		if (!p || p == m)
			return false;
		for (size_t j = 0; j < table->n; j++) {
			const struct mountinfo_line *other = &table->lines[j];

			if (other->parent == p->id && other != m && other != p &&
			    path_is_below(m->mountpoint, other->mountpoint))
				return true;
		}
		m = p;
	}
	return false;
}
