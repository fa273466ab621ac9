/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs: the BPF programs that there are, by the place in the kernel where each listens.
 *
 * Each of them is optional: one that this kernel lacks, that it refuses or that the administrator
 * does not want is left out, and what that costs is told.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum place_kind {
	PLACE_TRACEPOINT,
	PLACE_FUNCTION,
	PLACE_ITERATOR,
};

struct place {
	const char *name; /* the kernel's */
	enum place_kind kind;
	const char *loss; /* ends a sentence: what we do without */
};

/* Behind the last one: NULL. */
const struct place *program_place(unsigned i);
int program_find(const char *name); /* its number, or -ENOENT */

/* One bit for each, from 1 << 0 on. */
#define PROGRAMS_ALL UINT32_MAX
