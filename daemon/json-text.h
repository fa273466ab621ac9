/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json-text: a JSON object written straight into text, for those who are waited for.
 *
 * The same names and the same values as by json-fields, without an object for each member: that is
 * most of the time from a report of the kernel to its line. The first failure stays in `r`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"

struct json_text {
	char *text;		/* owned: free() */
	size_t n_bytes, room_bytes;
	int r;			/* 0 or -ENOMEM */
};

struct json_text json_text_new(void);
const char *json_text_done(struct json_text *t); /* borrowed; NULL if anything failed */

static inline void json_text_free(struct json_text *t)
{
	free(t->text);
}

void text_put_uint(struct json_text *t, const char *name, uint64_t value);
void text_put_hex(struct json_text *t, const char *name, uint64_t value);
void text_put_string(struct json_text *t, const char *name, const char *value);
/* Takes the value's reference, whatever happens; NULL leaves no member. */
void text_put_object(struct json_text *t, const char *name, struct json_object *value);

/* Decimal digits at end, at least so many; returns the new end. There is room for 20. */
char *text_number(char *end, uint64_t number, unsigned n_digits);
