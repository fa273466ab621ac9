// SPDX-License-Identifier: GPL-2.0-or-later
/* result: see result.h. */
#include <stdarg.h>
#include <stdio.h>

#include "repair/result.h"

int result_stop(struct page_result *result, const char *state, const char *reason,
		const char *format, ...)
{
	va_list args;

	result->state = state;
	result->reason = reason;
	va_start(args, format);
	vsnprintf(result->detail, sizeof(result->detail), format, args);
	va_end(args);
	return 1;
}
