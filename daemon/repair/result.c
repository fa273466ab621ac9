// SPDX-License-Identifier: GPL-2.0-or-later
/* result: see result.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

bool result_is_no_outcome(int r)
{
	return r == -EPIPE || r == -ENOMEM || r == -EREMOTEIO;
}

int result_explain(struct page_result *result, int r)
{
	if (result_is_no_outcome(r))
		return r;
	switch (r) {
	case -EDQUOT:
		/* XFS wants room for a split of the file's extent map, root's privilege or not. */
		return result_stop(
			result, "waiting", "no-space",
			"the quota of its owner leaves no room to change the file's map");
	case -ENOSPC:
		return result_stop(result, "waiting", "no-space",
				   "the filesystem has no room for the spare page");
	case -EROFS:
		return result_stop(result, "waiting", "read-only", "the filesystem is read-only");
	case -ESTALE:
		return result_stop(result, "waiting", "moved",
				   "the file changed while it was repaired");
	case -ETXTBSY:
		return result_stop(result, "waiting", "swap-file",
				   "the file is an active swap file");
	default:
		return result_stop(result, "failed", "io-error", "the filesystem gave an error: %s",
				   strerror(-r));
	}
}
