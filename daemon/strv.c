// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "strv.h"

size_t strv_length(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

bool strv_contains(char *const *v, const char *s)
{
	for (; v && *v; v++)
		if (!strcmp(*v, s))
			return true;
	return false;
}

int strv_push(char ***v, const char *s)
{
	_cleanup_(freep) char *copy = strdup(s);
	size_t n = strv_length(*v);
	char **grown;

	if (!copy)
		return -ENOMEM;
	grown = reallocarray(*v, n + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;

	grown[n] = TAKE(copy);
	grown[n + 1] = NULL;
	*v = grown;
	return 0;
}

int strv_push_once(char ***v, const char *s)
{
	int r;

	if (strv_contains(*v, s))
		return 0;
	r = strv_push(v, s);
	return r < 0 ? r : 1;
}

char **strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		free(*s);
	free(v);
	return NULL;
}
