/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glob: shell patterns over names that other people choose.
 *
 * '*' is any run of bytes but '/', '**' any run at all, '?' one byte but '/', [a-z] [!a-z] one of
 * a set and never '/', '\' takes the meaning from what follows. Bytes are compared, not
 * characters. No pattern takes exponential time.
 */
#pragma once

#include <stdbool.h>

#include "policy/policy.h"	/* path_glob_match() */

/* The same, but '*' and '?' cross slashes: for names that are no paths. */
bool name_glob_match(const char *glob, const char *name);

bool glob_is_well_formed(const char *glob);	/* every '[' has its ']', no backslash at the end */
bool glob_is_literal(const char *glob);	/* no wildcard, and no escape either */

/*
 * Does the one pattern match whatever the other does? true is certain, false may mean that we can't
 * tell. slashes_count: as in paths.
 */
bool glob_covers(const char *glob, const char *other, bool slashes_count);
