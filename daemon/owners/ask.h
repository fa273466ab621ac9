/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask: what one filesystem says about a range, as owners of an incident. */
#pragma once

#include "incident.h"
#include "owners/fsmap.h"

/*
 * As owners_ask_fsmap(), for a filesystem that is open already. Each owner gets filesystem, dev,
 * inode, generation, unlinked, kind, offsets, shared and method; not mountpoint and paths.
 */
int ask_filesystem(const struct fsmap_view *view, uint64_t phys_of_fs, struct range phys,
		   struct incident *in);

/*
 * One owner for bytes that no filesystem keeps, or of which we know no more. filesystem and
 * method may be NULL. 0 or -ENOMEM.
 */
int add_plain_owner(struct incident *in, enum owner_kind kind, struct range phys,
		    const char *filesystem, const char *method);

/* The answer is not whole, for this reason; the first reason stays. 0 or -ENOMEM. */
int owners_incomplete(struct incident *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
