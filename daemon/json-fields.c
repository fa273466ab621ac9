// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json-fields: one member of a JSON object at a time.
 *
 *   incident, ledger, feed -> [json-fields] -> json-c
 *
 * In:   C values, among them strings of any bytes.
 * Out:  JSON that is always valid UTF-8, and from which the same values come back.
 *
 * What an incident's members are called is incident-json.c; a string with a NUL byte inside, which
 * only JSON can hold, is refused, since no name of the kernel has one.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "json-fields.h"
#include "strv.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

unsigned utf8_character_bytes(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned n = u[0] < 0x80 ? 1 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;

	if (n == 1)
		return u[0] ? 1 : 0;
	/* c0, c1: overlong. f5 and above: beyond U+10FFFF. 80 to bf: never first. */
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90))
		return 0; /* overlong */
	if ((u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xf4 && u[1] >= 0x90))
		return 0; /* a surrogate; beyond U+10FFFF */
	return n;
}

static bool utf8_valid(const char *s)
{
	for (; *s; s += utf8_character_bytes(s))
		if (!utf8_character_bytes(s))
			return false;
	return true;
}

static struct json_object *string_to_json(const char *s)
{
	_cleanup_(freep) char *text = NULL;
	char *end;

	if (utf8_valid(s))
		return json_object_new_string(s);

	text = malloc(strlen(s) * strlen(REPLACEMENT) + 1);
	if (!text)
		return NULL;
	for (end = text; *s;) {
		unsigned n = utf8_character_bytes(s);

		end = mempcpy(end, n ? s : REPLACEMENT, n ? n : strlen(REPLACEMENT));
		s += n ? n : 1;
	}
	*end = '\0';
	return json_object_new_string(text);
}

static struct json_object *bytes_to_hex_json(const char *s)
{
	_cleanup_(freep) char *hex = malloc(strlen(s) * 2 + 1);

	if (!hex)
		return NULL;
	hex[0] = '\0';
	for (size_t i = 0; s[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)s[i]);
	return json_object_new_string(hex);
}

struct json_fields json_fields_new(void)
{
	struct json_object *object = json_object_new_object();

	return (struct json_fields){ .object = object, .r = object ? 0 : -ENOMEM };
}

struct json_object *json_fields_done(struct json_fields *f)
{
	if (f->r < 0) {
		json_object_put(f->object);
		f->object = NULL;
	}
	return f->object;
}

void field_put_object(struct json_fields *f, const char *name, struct json_object *value)
{
	_cleanup_(json_object_putp) struct json_object *owned = value;

	if (f->r < 0 || !owned)
		return;
	if (json_object_object_add(f->object, name, owned) < 0)
		f->r = -ENOMEM;
	else
		owned = NULL;
}

/* Like field_put_object(), but NULL is what json-c gives when memory is out. */
static void put_new(struct json_fields *f, const char *name, struct json_object *value)
{
	if (!value && !f->r)
		f->r = -ENOMEM;
	field_put_object(f, name, value);
}

static void put_hex_twin(struct json_fields *f, const char *name, struct json_object *value)
{
	char twin[64];

	snprintf(twin, sizeof(twin), "%s_hex", name);
	put_new(f, twin, value);
}

void field_put_string(struct json_fields *f, const char *name, const char *value)
{
	if (f->r < 0 || !value)
		return;
	put_new(f, name, string_to_json(value));
	if (!utf8_valid(value))
		put_hex_twin(f, name, bytes_to_hex_json(value));
}

static struct json_object *strv_to_json(char *const *v,
					struct json_object *(*convert)(const char *))
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	if (!array)
		return NULL;
	for (; v && *v; v++) {
		_cleanup_(json_object_putp) struct json_object *item = convert(*v);

		if (!item || json_object_array_add(array, item) < 0)
			return NULL;
		item = NULL;
	}
	return TAKE(array);
}

void field_put_strv(struct json_fields *f, const char *name, char *const *value)
{
	bool valid = true;

	if (f->r < 0)
		return;
	for (char *const *s = value; s && *s; s++)
		valid = valid && utf8_valid(*s);

	put_new(f, name, strv_to_json(value, string_to_json));
	/* All of them, good ones too, so that the n-th belongs to the n-th. */
	if (!valid)
		put_hex_twin(f, name, strv_to_json(value, bytes_to_hex_json));
}

void field_put_uint(struct json_fields *f, const char *name, uint64_t value)
{
	if (f->r == 0)
		put_new(f, name, json_object_new_uint64(value));
}

void field_put_int(struct json_fields *f, const char *name, int64_t value)
{
	if (f->r == 0)
		put_new(f, name, json_object_new_int64(value));
}

void field_put_hex(struct json_fields *f, const char *name, uint64_t value)
{
	char text[sizeof("0x0123456789abcdef")];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	if (f->r == 0)
		put_new(f, name, json_object_new_string(text));
}

void field_put_bool(struct json_fields *f, const char *name, bool value)
{
	if (f->r == 0)
		put_new(f, name, json_object_new_boolean(value));
}

/* The member, or NULL: absent, or of another type, which is an error. */
static struct json_object *get_typed(struct json_fields *f, const char *name, enum json_type type)
{
	struct json_object *value;

	if (f->r < 0 || !json_object_object_get_ex(f->object, name, &value))
		return NULL;
	if (json_object_is_type(value, type))
		return value;
	f->r = -EBADMSG;
	return NULL;
}

void field_require(struct json_fields *f, const char *name)
{
	if (f->r == 0 && !json_object_object_get_ex(f->object, name, NULL))
		f->r = -EBADMSG;
}

struct json_object *field_get_array(struct json_fields *f, const char *name)
{
	return get_typed(f, name, json_type_array);
}

struct json_object *field_get_object(struct json_fields *f, const char *name)
{
	return get_typed(f, name, json_type_object);
}

static struct json_object *get_hex_twin(struct json_fields *f, const char *name,
					enum json_type type)
{
	char twin[64];

	snprintf(twin, sizeof(twin), "%s_hex", name);
	return get_typed(f, twin, type);
}

/* A JSON string as a C string; borrowed. NULL: not one. */
static const char *plain_text(struct json_object *value)
{
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string) || !text ||
	    strlen(text) != (size_t)json_object_get_string_len(value))
		return NULL;
	return text;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int hex_to_bytes(const char *hex, char **ret)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t n = strlen(hex) / 2;

	if (strlen(hex) % 2)
		return -EBADMSG;
	bytes = malloc(n + 1);
	if (!bytes)
		return -ENOMEM;

	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return -EBADMSG;
		bytes[i] = (char)(high << 4 | low);
	}
	bytes[n] = '\0';
	*ret = TAKE(bytes);
	return 0;
}

/* hex, where there is one, is the truth and text only its readable form. */
static int read_string(struct json_object *text, struct json_object *hex, char **ret)
{
	const char *plain = plain_text(hex ? hex : text);
	char *copy;

	if (!plain)
		return -EBADMSG;
	if (hex)
		return hex_to_bytes(plain, ret);
	copy = strdup(plain);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

void field_get_string(struct json_fields *f, const char *name, char **ret)
{
	struct json_object *text = get_typed(f, name, json_type_string);
	char *value = NULL;
	int r;

	if (!text)
		return;
	r = read_string(text, get_hex_twin(f, name, json_type_string), &value);
	if (r < 0) {
		f->r = r;
		return;
	}
	free(*ret);
	*ret = value;
}

static int read_strv(struct json_object *texts, struct json_object *hexes, char ***ret)
{
	_cleanup_(strv_freep) char **v = NULL;
	size_t n = json_object_array_length(texts);
	int r;

	if (hexes && json_object_array_length(hexes) != n)
		return -EBADMSG;

	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		r = read_string(json_object_array_get_idx(texts, i),
				hexes ? json_object_array_get_idx(hexes, i) : NULL, &v[i]);
		if (r < 0)
			return r;
	}
	*ret = n ? TAKE(v) : NULL;
	return 0;
}

void field_get_strv(struct json_fields *f, const char *name, char ***ret)
{
	struct json_object *texts = get_typed(f, name, json_type_array);
	char **value = NULL;
	int r;

	if (!texts)
		return;
	r = read_strv(texts, get_hex_twin(f, name, json_type_array), &value);
	if (r < 0) {
		f->r = r;
		return;
	}
	strv_free(*ret);
	*ret = value;
}

static bool get_uint_up_to(struct json_fields *f, const char *name, uint64_t max, uint64_t *ret)
{
	struct json_object *value = get_typed(f, name, json_type_int);

	if (!value)
		return false;
	/* json-c keeps both signs: a number above INT64_MAX reads as INT64_MAX here, not negative.
	 */
	if (json_object_get_int64(value) < 0 || json_object_get_uint64(value) > max) {
		f->r = -EBADMSG;
		return false;
	}
	*ret = json_object_get_uint64(value);
	return true;
}

void field_get_uint(struct json_fields *f, const char *name, uint64_t *ret)
{
	get_uint_up_to(f, name, UINT64_MAX, ret);
}

void field_get_uint32(struct json_fields *f, const char *name, uint32_t *ret)
{
	uint64_t value;

	if (get_uint_up_to(f, name, UINT32_MAX, &value))
		*ret = (uint32_t)value;
}

void field_get_int(struct json_fields *f, const char *name, int *ret)
{
	uint64_t value;

	if (get_uint_up_to(f, name, INT_MAX, &value))
		*ret = (int)value;
}

static int parse_hex(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n = text ? strlen(text) : 0;

	if (n < 3 || n > 18 || strncmp(text, "0x", 2) != 0)
		return -EBADMSG;
	for (const char *c = text + 2; *c; c++) {
		if (hex_digit(*c) < 0)
			return -EBADMSG;
		value = value << 4 | (uint64_t)hex_digit(*c);
	}
	*ret = value;
	return 0;
}

void field_get_hex(struct json_fields *f, const char *name, uint64_t *ret)
{
	struct json_object *value = get_typed(f, name, json_type_string);

	if (value)
		f->r = parse_hex(plain_text(value), ret);
}

void field_get_bool(struct json_fields *f, const char *name, bool *ret)
{
	struct json_object *value = get_typed(f, name, json_type_boolean);

	if (value)
		*ret = json_object_get_boolean(value);
}

void field_put_dev(struct json_fields *f, dev_t dev)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	if (dev)
		field_put_string(f, "dev", text);
}

void field_get_dev(struct json_fields *f, dev_t *ret)
{
	_cleanup_(freep) char *text = NULL;
	unsigned major_number, minor_number;
	int end = 0;

	field_get_string(f, "dev", &text);
	if (f->r < 0 || !text)
		return;
	if (sscanf(text, "%u:%u%n", &major_number, &minor_number, &end) != 2 || text[end])
		f->r = -EBADMSG;
	else
		*ret = makedev(major_number, minor_number);
}
