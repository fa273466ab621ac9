/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask: what one filesystem says about a range, as owners of an incident. */
#pragma once

#include "incident.h"
#include "owners/fsmap.h"
#include "owners/handle.h"

/* What else comes of an answer. Each may be NULL; returns 0 or -ENOMEM. */
struct ask_hooks {
	/* Bytes that are somebody's, but the map names no owners; else they become "unknown". */
	int (*unnamed)(struct range phys, void *userdata);
	/* An owner that has names. */
	int (*named)(const struct inode_facts *facts, void *userdata);
	void *userdata;
};

/*
 * Add what a filesystem answered to a question as owners of `in`. Each gets filesystem, dev, inode,
 * generation, unlinked, kind, offsets, shared and method; not mountpoint and paths. The question
 * is asked again while inodes of the answer are on their way out. phys_of_fs as for
 * owners_ask_fsmap(). 0 or negative errno, and then the owners are as before.
 */
int ask_take_answer(struct fsmap_view *view, uint64_t phys_of_fs,
		    struct fsmap_question *question, const struct ask_hooks *hooks,
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
