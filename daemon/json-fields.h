/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json-fields: read and write the members of one JSON object, strictly.
 *
 * The first failure stays in `r` and every later call does nothing, so that a long run of members
 * reads like a table and is checked once at its end. Writing: absent rather than null, a NULL
 * string or object leaves no member. Reading: an absent member leaves *ret as it was, one of the
 * wrong type or out of range is -EBADMSG.
 *
 * Names from outside need not be UTF-8, and JSON has to be. Each bad byte becomes U+FFFD, and the
 * original bytes go beside it in hex ("exe" and "exe_hex"), from which reading takes them back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

struct json_fields {
	struct json_object *object;	/* borrowed */
	int r;				/* 0, -ENOMEM, or -EBADMSG (reading) */
};

/* A new object to write into; NULL with r set where memory is out. The object is the caller's. */
struct json_fields json_fields_new(void);

/* The written object; NULL, and what was written is freed, if anything failed. */
struct json_object *json_fields_done(struct json_fields *f);

void field_put_string(struct json_fields *f, const char *name, const char *value);
void field_put_strv(struct json_fields *f, const char *name, char *const *value);	/* NULL: [] */
void field_put_uint(struct json_fields *f, const char *name, uint64_t value);
void field_put_int(struct json_fields *f, const char *name, int64_t value);
void field_put_hex(struct json_fields *f, const char *name, uint64_t value);	/* "0x8021a000" */
void field_put_dev(struct json_fields *f, dev_t dev);	/* member "dev", "259:1"; absent for 0 */
void field_put_bool(struct json_fields *f, const char *name, bool value);

/* Takes the value's reference, whatever happens. */
void field_put_object(struct json_fields *f, const char *name, struct json_object *value);

void field_get_string(struct json_fields *f, const char *name, char **ret);	/* frees the old one */
void field_get_strv(struct json_fields *f, const char *name, char ***ret);	/* frees the old one */
void field_get_uint(struct json_fields *f, const char *name, uint64_t *ret);
void field_get_uint32(struct json_fields *f, const char *name, uint32_t *ret);
void field_get_int(struct json_fields *f, const char *name, int *ret);		/* not negative */
void field_get_hex(struct json_fields *f, const char *name, uint64_t *ret);
void field_get_dev(struct json_fields *f, dev_t *ret);
void field_get_bool(struct json_fields *f, const char *name, bool *ret);

/* Borrowed; NULL where absent. */
struct json_object *field_get_array(struct json_fields *f, const char *name);
struct json_object *field_get_object(struct json_fields *f, const char *name);

/* A member that must be there: -EBADMSG otherwise. */
void field_require(struct json_fields *f, const char *name);

/* Length of the valid UTF-8 character at s, or 0: the byte at s belongs to none. */
unsigned utf8_character_bytes(const char *s);
