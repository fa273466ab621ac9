/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lines: a file of [sections] and Key=values, with the line of each, split by libinih.
 *
 * As in systemd's files: blanks around keys and values do not count, a line that ends in a
 * backslash goes on in the next one, lines that begin with '#' or ';' are comments. A '#' or ';'
 * after a blank begins a comment too; "\#" does not.
 */
#pragma once

#include <stddef.h>

#define LINE_MAX_BYTES 8192u

struct line_sink {
	void (*section)(unsigned line, const char *name, void *userdata);
	void (*setting)(unsigned line, const char *key, const char *value, void *userdata);
	/* What is neither, and why; a section header that does not end is here, with its text. */
	void (*bad_line)(unsigned line, const char *why, const char *header, void *userdata);
};

/* text needs no NUL at its end and may hold some. 0, -ENOMEM, or -EIO: libinih gave up. */
int lines_read(const char *text, size_t n_bytes, const struct line_sink *sink, void *userdata);
