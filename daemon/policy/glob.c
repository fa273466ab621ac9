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
