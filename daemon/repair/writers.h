/* SPDX-License-Identifier: GPL-2.0-or-later */
/* writers: those who could store into a page, stopped for its repair, which is on record. */
#pragma once

#include "repair/pause.h"
#include "repair/repair.h"
#include "repair/result.h"

struct writers {
	struct paused paused;
	int64_t intent; /* "pause"; 0: nobody was stopped */
};

/* Could they all be stopped? 0: yes; 1: not so, which is set as "waiting", "held"; negative errno.
 */
int writers_may_stop(const struct repair_job *job, const struct incident *in,
		     struct page_result *result);

/*
 * Stop them, unless one of them must not be: then nobody is. 0: they stand; 1: the outcome is known
 * and set ("waiting", "held"); negative errno.
 */
int writers_stop(const struct repair_job *job, const struct incident *in, struct writers *w,
		 struct page_result *result);

/*
 * Who holds the page is found anew, in in->holders. 0: whoever could store into it stands; 1:
 * somebody came meanwhile, which is set as "waiting", "moved"; negative errno.
 */
int writers_look_again(const struct repair_job *job, struct incident *in,
		       struct page_result *result);

/* Continue them. 0 or negative errno: that is not on record. */
int writers_continue(const struct repair_job *job, struct writers *w, int result);

void writers_done(struct writers *w); /* continues who is still stopped, frees */
