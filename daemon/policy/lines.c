// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lines: a file of [sections] and Key=values, with the line of each, split by libinih.
 *
 *   file in memory -> [lines] -> config
 *
 * In:   bytes, hostile.
 * Out:  sections, settings and bad lines, in order, each with the number of its first line.
 *
 * libinih as distributions build it tells no line numbers, mentions a section only together with
 * its first key, cuts section names at 49 bytes, splits over-long lines in two, and reports the
 * first error only. So its reader callback hands it clean "Key=value" lines, one at a time, and
 * everything else is told from here. What a key means is config.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <ini.h>

#include "cleanup.h"
#include "policy/lines.h"

/* Some builds of libinih take these at run time; elsewhere its line buffer is what it is. */
extern bool ini_use_stack __attribute__((weak));
extern int ini_max_line __attribute__((weak));
extern int ini_initial_alloc __attribute__((weak));

struct lines {
	const char *next; /* what is not read yet */
	const char *end;
	unsigned n_read;
	unsigned line; /* where the setting in `whole` begins */
	char whole[LINE_MAX_BYTES]; /* one setting, continuation lines joined */
	size_t n_whole;
	const struct line_sink *sink;
	void *userdata;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_comment_mark(char c)
{
	return c == '#' || c == ';';
}

/* The next physical line without the blanks and the comment around what it says. */
static bool next_line(struct lines *l, const char **ret, size_t *ret_n)
{
	const char *start = l->next, *newline, *end;

	if (start == l->end)
		return false;
	newline = memchr(start, '\n', l->end - start);
	end = newline ? newline : l->end;
	l->next = newline ? newline + 1 : l->end;
	l->n_read++;

	while (start < end && is_blank(*start))
		start++;
	for (const char *c = start; c < end; c++)
		if (is_comment_mark(*c) && (c == start || is_blank(c[-1]))) {
			end = c;
			break;
		}
	while (end > start && is_blank(end[-1]))
		end--;

	*ret = start;
	*ret_n = end - start;
	return true;
}

/* An odd number of backslashes at the end: the last one is not escaped. */
static bool goes_on(const char *s, size_t n)
{
	size_t n_backslashes = 0;

	while (n_backslashes < n && s[n - 1 - n_backslashes] == '\\')
		n_backslashes++;
	return n_backslashes % 2;
}

static bool append(struct lines *l, const char *s, size_t n)
{
	if (n >= sizeof(l->whole) - l->n_whole)
		return false;
	memcpy(l->whole + l->n_whole, s, n);
	l->n_whole += n;
	l->whole[l->n_whole] = '\0';
	return true;
}

/*
 * Join one line and those that go on from it into l->whole. False at the end of the file. One that
 * does not fit is read to its end all the same: its tail must not pass for a setting. A backslash
 * that was left behind must not swallow the section that follows.
 */
static bool next_whole_line(struct lines *l, bool *ret_fits)
{
	const char *s;
	size_t n;
	bool more;

	l->n_whole = 0;
	l->whole[0] = '\0';
	*ret_fits = true;
	if (!next_line(l, &s, &n))
		return false;
	l->line = l->n_read;
	do {
		more = goes_on(s, n) && l->next < l->end && *l->next != '[';
		if (goes_on(s, n))
			n--;
		*ret_fits = *ret_fits && append(l, s, n) && (!more || append(l, " ", 1));
	} while (more && next_line(l, &s, &n));

	while (l->n_whole && is_blank(l->whole[l->n_whole - 1]))
		l->whole[--l->n_whole] = '\0';
	return true;
}

static bool holds_control_bytes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return true;
	return false;
}

/* "Key=" in front: libinih would also split at a colon. */
static bool is_setting(const char *s)
{
	size_t n_key = strspn(s,
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
	size_t n_blanks = strspn(s + n_key, " \t");

	return n_key && s[n_key + n_blanks] == '=';
}

static void tell_section(struct lines *l)
{
	char *name = l->whole + 1 + strspn(l->whole + 1, " \t");
	char *end = l->whole + l->n_whole - 1;

	if (*end != ']' || end <= l->whole) {
		l->sink->bad_line(l->line, "the section's name does not end in \"]\"", name,
				  l->userdata);
		return;
	}
	while (end > name && is_blank(end[-1]))
		end--;
	*end = '\0';
	l->sink->section(l->line, name, l->userdata);
}

/* fgets() for libinih: the next line that is a setting; all others are dealt with on the way. */
static char *read_setting(char *buffer, int n_buffer, void *userdata)
{
	struct lines *l = userdata;
	const char *why;
	bool fits;

	assert(n_buffer > 0);

	while (next_whole_line(l, &fits)) {
		if (holds_control_bytes(l->whole, l->n_whole))
			why = "control bytes do not belong into this file, the line is ignored";
		else if (!fits || (l->whole[0] != '[' && l->n_whole + 2 > (size_t)n_buffer))
			why = "the line is too long, it is ignored";
		else if (!l->n_whole)
			continue;
		else if (l->whole[0] == '[') {
			tell_section(l);
			continue;
		} else if (!is_setting(l->whole))
			why = "neither [Section] nor Key=value, the line is ignored";
		else {
			memcpy(buffer, l->whole, l->n_whole + 1);
			return buffer;
		}
		l->sink->bad_line(l->line, why, l->whole[0] == '[' ? l->whole + 1 : NULL,
				  l->userdata);
	}
	return NULL;
}

static int take_setting(void *userdata, const char *section, const char *key, const char *value)
{
	struct lines *l = userdata;

	l->sink->setting(l->line, key, value, l->userdata);
	return 1;
}

int lines_read(const char *text, size_t n_bytes, const struct line_sink *sink, void *userdata)
{
	_cleanup_(freep) struct lines *l = NULL;
	int r;

	assert(text || !n_bytes);

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->next = text;
	l->end = text + n_bytes;
	l->sink = sink;
	l->userdata = userdata;
	if (n_bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		l->next += 3;

	if (&ini_use_stack && &ini_max_line && &ini_initial_alloc) {
		ini_use_stack = false;
		ini_max_line = LINE_MAX_BYTES;
		ini_initial_alloc = LINE_MAX_BYTES;
	}
	r = ini_parse_stream(read_setting, l, take_setting, l);
	if (r == -2)
		return -ENOMEM;
	return r ? -EIO : 0;
}
