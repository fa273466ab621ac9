/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record-private: what the files of record share. */
#pragma once

#include "repair/record.h"

struct boot_id {
	char text[40]; /* "" where nobody says */
};
struct boot_id record_this_boot(void);

/* A step as it is on record; all that it points to belongs to the history. */
struct step {
	int64_t intent;
	const char *name;
	struct range pages; /* that it is about */
	bool finished;
	int result;
	struct json_object *detail;
	struct json_object *swap; /* NULL: not a swap */
	struct json_object *swapped; /* the pages for which it was done; NULL: all */
	const char *end_state; /* of a finished method */
};

/* One element of a history, if it is about this page. */
bool record_read_step(struct json_object *element, uint64_t phys_start, struct step *ret);

/* The bytes of the owner's file that a swap is about. */
struct range record_file_bytes(struct json_object *swap);

const char *record_member(struct json_object *o, const char *name); /* NULL: it has none */
