// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_max_level(enum log_level level)
{
	max_level = level;
}

void log_line(enum log_level level, int r, const char *format, ...)
{
	char text[2048];
	va_list args;

	if (level > max_level && !getenv("HWPOISOND_DEBUG"))
		return;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	/* A file name may hold a newline, and one sentence must stay one line of the journal. */
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';

	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>", (int)level);
	fprintf(stderr, "%s%s%s\n", text, r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
}
