// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * print: names and JSON, safely, on whatever terminal this is.
 *
 *   the commands -> [print] -> stdout, stderr
 *
 * How incidents look is print_incident.c.
 */
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"
#include "json-fields.h"
#include "print.h"

#define JSON_FLAGS                                                                                 \
	(JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Length of the character at s if it may be printed as it is: UTF-8, and neither C0, DEL nor C1. */
static unsigned printable_bytes(const char *s)
{
	unsigned n = utf8_character_bytes(s);
	unsigned char first = (unsigned char)s[0], second = n > 1 ? (unsigned char)s[1] : 0;

	if (first < 0x20 || first == 0x7f || first == '\\' || (first == 0xc2 && second < 0xa0))
		return 0;
	return n;
}

/* Returns the columns that were used, counting one for each character. */
static int write_escaped(FILE *out, const char *s)
{
	int n_columns = 0;

	while (*s) {
		unsigned n = printable_bytes(s);

		if (n) {
			fwrite(s, 1, n, out);
			n_columns++;
		} else {
			n_columns += *s == '\\' ? fprintf(out, "\\\\")
						: fprintf(out, "\\x%02x", (unsigned char)*s);
		}
		s += n ? n : 1;
	}
	return n_columns;
}

void print_name(FILE *out, const char *name)
{
	write_escaped(out, name && *name ? name : "-");
}

void print_name_padded(FILE *out, const char *name, int n_columns)
{
	int n = write_escaped(out, name && *name ? name : "-");

	fprintf(out, "%*s", n < n_columns ? n_columns - n : 0, "");
}

void print_error(const char *format, ...)
{
	_cleanup_(freep) char *sentence = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&sentence, format, args);
	va_end(args);
	if (n < 0)
		sentence = NULL;

	fflush(stdout);
	fprintf(stderr, "hwpoisonctl: ");
	write_escaped(stderr, sentence ? sentence : "out of memory");
	fprintf(stderr, "\n");
}

void print_json(struct json_object *document)
{
	const char *text = json_object_to_json_string_ext(document, JSON_FLAGS);

	puts(text ? text : "null");
}

void print_json_part(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	fputs(text ? text : "null", stdout);
}

void print_json_line(struct json_object *object)
{
	print_json_part(object);
	putchar('\n');
	fflush(stdout);
}

void print_member(struct json_object *object, const char *name)
{
	print_name(stdout, member_string(object, name));
}

void print_member_after(const char *before, struct json_object *object, const char *name)
{
	if (!json_object_is_type(json_object_object_get(object, name), json_type_string))
		return;
	printf("%s", before);
	print_member(object, name);
}

const char *member_string(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "-";
}
