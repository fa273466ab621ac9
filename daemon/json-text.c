// SPDX-License-Identifier: GPL-2.0-or-later
/* json-text: see json-text.h. What is not plain goes through json-c, which knows how to escape it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json-fields.h"
#include "json-text.h"

#define ROOM_BYTES 512

struct json_text json_text_new(void)
{
	struct json_text t = { .text = malloc(ROOM_BYTES), .room_bytes = ROOM_BYTES };

	t.r = t.text ? 0 : -ENOMEM;
	if (t.text)
		t.text[t.n_bytes++] = '{';
	return t;
}

/* Room for so many more, and for what ends the text. */
static bool make_room(struct json_text *t, size_t n_bytes)
{
	size_t wanted = t->n_bytes + n_bytes + sizeof("}");
	char *grown;

	if (t->r < 0 || wanted <= t->room_bytes)
		return t->r == 0;
	grown = realloc(t->text, 2 * wanted);
	if (!grown) {
		t->r = -ENOMEM;
		return false;
	}
	t->text = grown;
	t->room_bytes = 2 * wanted;
	return true;
}

const char *json_text_done(struct json_text *t)
{
	if (t->r < 0)
		return NULL;
	strcpy(t->text + t->n_bytes, "}");
	t->n_bytes++;
	return t->text;
}

/* The name, with room for so many bytes of a value behind it. NULL: there is none. */
static char *begin_member(struct json_text *t, const char *name, size_t value_bytes)
{
	size_t name_bytes = strlen(name);
	char *end;

	if (!make_room(t, value_bytes + name_bytes + strlen(",\"\":")))
		return NULL;
	end = t->text + t->n_bytes;
	if (t->n_bytes > 1)
		*end++ = ',';
	*end++ = '"';
	end = mempcpy(end, name, name_bytes);
	*end++ = '"';
	*end++ = ':';
	return end;
}

static void end_member(struct json_text *t, const char *end)
{
	t->n_bytes = (size_t)(end - t->text);
}

char *text_number(char *end, uint64_t number, unsigned n_digits)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) || n < n_digits);
	while (n)
		*end++ = digits[--n];
	return end;
}

void text_put_uint(struct json_text *t, const char *name, uint64_t value)
{
	char *end = begin_member(t, name, 20);

	if (end)
		end_member(t, text_number(end, value, 1));
}

void text_put_hex(struct json_text *t, const char *name, uint64_t value)
{
	char *end = begin_member(t, name, sizeof("\"0x0123456789abcdef\""));
	int shift = 60;

	if (!end)
		return;
	end = stpcpy(end, "\"0x");
	while (shift && !(value >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*end++ = "0123456789abcdef"[value >> shift & 15];
	*end++ = '"';
	end_member(t, end);
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~' || *s == '"' || *s == '\\')
			return false;
	return true;
}

/* With its braces off: the members of one object among those of another. */
static void put_members(struct json_text *t, struct json_fields *f)
{
	_cleanup_(json_object_putp) struct json_object *object = json_fields_done(f);
	const char *text = NULL;
	size_t n_bytes;
	char *end;

	if (object)
		text = json_object_to_json_string_length(
			object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n_bytes);
	if (!text) {
		t->r = -ENOMEM;
		return;
	}
	if (!make_room(t, n_bytes) || n_bytes <= strlen("{}"))
		return;
	end = t->text + t->n_bytes;
	if (t->n_bytes > 1)
		*end++ = ',';
	end_member(t, mempcpy(end, text + 1, n_bytes - strlen("{}")));
}

void text_put_string(struct json_text *t, const char *name, const char *value)
{
	char *end;

	if (!is_plain(value)) {
		struct json_fields f = json_fields_new();

		field_put_string(&f, name, value);
		put_members(t, &f);
		return;
	}
	end = begin_member(t, name, strlen(value) + strlen("\"\""));
	if (!end)
		return;
	*end++ = '"';
	end = stpcpy(end, value);
	*end++ = '"';
	end_member(t, end);
}

void text_put_object(struct json_text *t, const char *name, struct json_object *value)
{
	struct json_fields f;

	if (!value)
		return;
	f = json_fields_new();
	field_put_object(&f, name, value);
	put_members(t, &f);
}
