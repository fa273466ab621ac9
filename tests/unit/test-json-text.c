// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>

#include "json-fields.h"
#include "json-text.h"
#include "test.h"

/* What json-fields writes of the same members is what is expected. */
static void check_same(struct json_text *t, struct json_fields *f)
{
	_cleanup_(json_object_putp) struct json_object *expected = json_fields_done(f);

	CHECK_STREQ(json_text_done(t),
		    json_object_to_json_string_ext(
			    expected, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	CHECK(t->n_bytes == strlen(t->text));
}

TEST(no_members)
{
	_cleanup_(json_text_free) struct json_text t = json_text_new();

	CHECK_STREQ(json_text_done(&t), "{}");
}

TEST(numbers_are_as_json_fields_has_them)
{
	static const uint64_t values[] = { 0, 1, 9, 10, 4096, 0xabcdef0123456789, UINT64_MAX };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		_cleanup_(json_text_free) struct json_text t = json_text_new();
		struct json_fields f = json_fields_new();

		text_put_uint(&t, "n", values[i]);
		text_put_hex(&t, "phys_start", values[i]);
		field_put_uint(&f, "n", values[i]);
		field_put_hex(&f, "phys_start", values[i]);
		check_same(&t, &f);
	}
}

TEST(a_number_has_at_least_so_many_digits)
{
	char text[32];

	*text_number(text, 7, 2) = '\0';
	CHECK_STREQ(text, "07");
	*text_number(text, 123456, 2) = '\0';
	CHECK_STREQ(text, "123456");
	*text_number(text, UINT64_MAX, 1) = '\0';
	CHECK_STREQ(text, "18446744073709551615");
}

TEST(strings_of_any_bytes_are_as_json_fields_has_them)
{
	static const char *const values[] = {
		"",
		"CPU_SrcID#0_Ha#0_Chan#1_DIMM#0",
		"say \"so\"",
		"back\\slash",
		"a/b",
		"tab\there",
		"new\nline",
		"caf\xc3\xa9",
		"bad \xff\xfe bytes",
		"\x7f",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		_cleanup_(json_text_free) struct json_text t = json_text_new();
		struct json_fields f = json_fields_new();

		text_put_string(&t, "first", values[i]);
		text_put_uint(&t, "between", 1);
		text_put_string(&t, "label", values[i]);
		field_put_string(&f, "first", values[i]);
		field_put_uint(&f, "between", 1);
		field_put_string(&f, "label", values[i]);
		check_same(&t, &f);
	}
}

TEST(members_can_be_whole_arrays)
{
	_cleanup_(json_text_free) struct json_text t = json_text_new();
	struct json_fields f = json_fields_new();
	struct json_object *array = json_object_new_array();

	/* Longer than what there is room for at first. */
	for (int i = 0; i < 1000; i++)
		json_object_array_add(array, json_object_new_int(i));
	text_put_object(&t, "absent", NULL);
	text_put_object(&t, "ranges", json_object_get(array));
	text_put_uint(&t, "n", 1000);
	field_put_object(&f, "ranges", array);
	field_put_uint(&f, "n", 1000);
	check_same(&t, &f);
}

TEST(what_is_long_has_room)
{
	_cleanup_(json_text_free) struct json_text t = json_text_new();
	struct json_fields f = json_fields_new();
	char value[5000];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 3; i++) {
		char name[] = "name0";

		name[4] = (char)('0' + i);
		text_put_string(&t, name, value);
		field_put_string(&f, name, value);
	}
	check_same(&t, &f);
}

TEST_MAIN()
