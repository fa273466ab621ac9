// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * glob: shell patterns over names that other people choose.
 *
 *   config -> policy -> [glob]
 *
 * fnmatch(3) has no '**', and takes exponential time or reads bytes as characters of the locale
 * where it should not. Here a mismatch goes back to the last '**', or to the last '*' after it,
 * only: an earlier one could not do better.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "policy/glob.h"

/* The ']' that ends this set, or NULL. A ']' right at its beginning belongs to it. */
static const char *set_end(const char *set)
{
	const char *p = set + 1;

	p += *p == '!' || *p == '^';
	p += *p == ']';
	for (; *p && *p != ']'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p : NULL;
}

/* Does the set that begins at *set hold c? Moves *set behind its ']'. */
static bool set_holds(const char **set, unsigned char c)
{
	const char *p = *set + 1;
	bool negated = *p == '!' || *p == '^', holds = false, first = true;

	for (p += negated; *p && (*p != ']' || first); first = false) {
		unsigned char low, high;

		if (*p == '\\' && p[1])
			p++;
		low = high = *p++;
		if (*p == '-' && p[1] && p[1] != ']') {
			p++;
			if (*p == '\\' && p[1])
				p++;
			high = *p++;
		}
		holds = holds || (c >= low && c <= high);
	}
	*set = *p ? p + 1 : p;
	return holds != negated;
}

/* Does one byte match what *glob begins with? Moves *glob behind that. */
static bool byte_matches(const char **glob, char c, bool slashes_count)
{
	const char *g = *glob;
	bool matches;

	switch (*g) {
	case '\0':
		return false;
	case '?':
		matches = c != '/' || !slashes_count;
		g++;
		break;
	case '[':
		matches = set_holds(&g, c) && (c != '/' || !slashes_count);
		break;
	case '\\':
		g += !!g[1];
		/* fall through */
	default:
		matches = *g == c;
		g++;
	}
	*glob = g;
	return matches;
}

struct retry {
	const char *glob; /* behind the stars; NULL: none was met */
	const char *name; /* where they end for now */
};

static bool matches(const char *glob, const char *name, bool slashes_count)
{
	struct retry one = { NULL, NULL }, any = { NULL, NULL };

	while (*name || *glob) {
		if (*glob == '*') {
			bool crosses = !slashes_count || glob[1] == '*';
			struct retry *star = crosses ? &any : &one;

			glob += strspn(glob, "*");
			*star = (struct retry){ glob, name };
			if (crosses)
				one.glob = NULL;
			continue;
		}
		if (*name && byte_matches(&glob, *name, slashes_count)) {
			name++;
			continue;
		}
		if (one.glob && *one.name && *one.name != '/') {
			glob = one.glob;
			name = ++one.name;
		} else if (any.glob && *any.name) {
			glob = any.glob;
			name = ++any.name;
			one.glob = NULL;
		} else
			return false;
	}
	return true;
}

bool path_glob_match(const char *glob, const char *path)
{
	assert(glob);
	assert(path);

	return matches(glob, path, true);
}

bool name_glob_match(const char *glob, const char *name)
{
	assert(glob);
	assert(name);

	return matches(glob, name, false);
}

bool glob_is_well_formed(const char *glob)
{
	for (const char *g = glob; *g; g++) {
		if (*g == '[')
			g = set_end(g);
		else if (*g == '\\')
			g = g[1] ? g + 1 : NULL;
		if (!g)
			return false;
	}
	return true;
}

bool glob_is_literal(const char *glob)
{
	return !strpbrk(glob, "*?[\\");
}

/* ---- one pattern and another ---- */

#define PARTS_MAX 512u

struct part {
	enum {
		PART_BYTE,
		PART_ONE,
		PART_SET,
		PART_STAR,
		PART_ANY
	} kind;
	const char *text;
	size_t n_bytes;
};

static struct part next_part(const char **glob, bool slashes_count)
{
	const char *g = *glob;
	struct part part = { PART_BYTE, g, 1 };

	if (*g == '*') {
		part.n_bytes = strspn(g, "*");
		part.kind = slashes_count && part.n_bytes == 1 ? PART_STAR : PART_ANY;
	} else if (*g == '?') {
		part.kind = PART_ONE;
	} else if (*g == '[' && set_end(g)) {
		part.kind = PART_SET;
		part.n_bytes = set_end(g) + 1 - g;
	} else if (*g == '\\' && g[1]) {
		part.text = ++g;
	}
	*glob = g + part.n_bytes;
	return part;
}

/* How many parts; 0: too many. */
static size_t split(const char *glob, bool slashes_count, struct part ret[static PARTS_MAX])
{
	size_t n = 0;

	while (*glob) {
		if (n == PARTS_MAX)
			return 0;
		ret[n++] = next_part(&glob, slashes_count);
	}
	return n;
}

static bool may_be_slash(const struct part *part)
{
	return part->kind == PART_ANY || (part->kind == PART_BYTE && *part->text == '/');
}

/* Is every single byte that the other can be one that this part takes? */
static bool takes(const struct part *part, const struct part *other, bool slashes_count)
{
	const char *set = part->text;

	switch (part->kind) {
	case PART_BYTE:
		return other->kind == PART_BYTE && *other->text == *part->text;
	case PART_ONE:
		return other->kind <= PART_SET && (!slashes_count || !may_be_slash(other));
	case PART_SET:
		if (other->kind == PART_BYTE)
			return set_holds(&set, *other->text) &&
			       (*other->text != '/' || !slashes_count);
		return other->kind == PART_SET && other->n_bytes == part->n_bytes &&
		       !memcmp(other->text, part->text, part->n_bytes);
	default:
		return false;
	}
}

/* As in matching a name, but what is matched are the parts of the other pattern. */
static bool covers_parts(const struct part *glob, size_t n, const struct part *other, size_t m,
			 bool slashes_count)
{
	bool rest[PARTS_MAX + 1] = {}; /* the parts of glob behind this one cover other[j...] */

	rest[m] = true;
	for (size_t i = n; i-- > 0;) {
		bool stars = glob[i].kind == PART_STAR || glob[i].kind == PART_ANY;

		for (size_t j = stars ? m : 0; stars && j-- > 0;)
			rest[j] = rest[j] || (rest[j + 1] && (glob[i].kind == PART_ANY ||
							      !may_be_slash(&other[j])));
		for (size_t j = 0; !stars && j <= m; j++)
			rest[j] = j < m && rest[j + 1] && takes(&glob[i], &other[j], slashes_count);
	}
	return rest[0];
}

bool glob_covers(const char *glob, const char *other, bool slashes_count)
{
	struct part parts[PARTS_MAX], other_parts[PARTS_MAX];
	size_t n, m;

	if (!strcmp(glob, other))
		return true;
	n = split(glob, slashes_count, parts);
	m = split(other, slashes_count, other_parts);
	return n && m && covers_parts(parts, n, other_parts, m, slashes_count);
}
