/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sections: which sections and keys there are, and which field of the configuration each sets. */
#pragma once

#include "policy/config.h"
#include "policy/lines.h"

/* Where we are in which file. */
struct reading {
	struct config *config;
	const char *file; /* its name, printable */
	config_problem on_problem;
	void *userdata;
	unsigned n_file_problems;
	/* the rest is for sections.c */
	bool began; /* a section did, if only one that is ignored */
	const struct setting *settings; /* of the section; NULL: none that we know */
	void *base; /* that the offsets count from */
	struct rule *rule; /* NULL outside of a rule */
	uint64_t given; /* bit n: settings[n] was, in this rule */
	int r; /* what reading failed with; -ENOMEM ends it all */
};

#define PROBLEMS_TOLD_MAX 100u /* of one file; the others are counted */

extern const struct line_sink sections_sink; /* its userdata is a struct reading */

void sections_begin_file(struct reading *in);

/* Count and tell. line 0: the file as a whole. */
void reading_problem(struct reading *in, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
