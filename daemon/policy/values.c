// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * values: what stands behind "Key=", as a type.
 *
 *   lines -> config -> [values]
 *
 * In:   the text of one setting, hostile.
 * Out:  a value, or why it is none. Nothing is clamped or guessed: config.c keeps what it had.
 */
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "incident.h"
#include "policy/glob.h"
#include "policy/values.h"
#include "programs.h"

#define GRACE_MAX_USEC (3600ull * 1000000)

int value_boolean(const char *text, void *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) && strcasecmp(text, no[i]))
			continue;
		*(bool *)ret = !strcasecmp(text, yes[i]);
		return 0;
	}
	return -EINVAL;
}

/* Digits only, as many as fit. -EINVAL, -ERANGE. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	size_t n_digits = strspn(text, "0123456789");
	unsigned long n;

	if (!n_digits || text[n_digits])
		return -EINVAL;
	errno = 0;
	n = strtoul(text, NULL, 10);
	if (errno || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

/* "RTMIN+3", "RTMAX-1", "USR1" or "10". 0: no such signal. */
static int signal_from_text(const char *text)
{
	unsigned long n = 0;

	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	if (!strncasecmp(text, "RTMIN", 5) || !strncasecmp(text, "RTMAX", 5)) {
		bool from_min = !strncasecmp(text, "RTMIN", 5);

		if (text[5] && (text[5] != (from_min ? '+' : '-') ||
				parse_number(text + 6, SIGRTMAX - SIGRTMIN, &n) < 0))
			return 0;
		return from_min ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
	}
	if (!parse_number(text, SIGRTMAX, &n))
		return (int)n;
	for (int i = 1; i < SIGRTMIN; i++)
		if (sigabbrev_np(i) && !strcasecmp(text, sigabbrev_np(i)))
			return i;
	return 0;
}

int value_signal(const char *text, void *ret)
{
	int number = signal_from_text(text);

	/* Those between the last ordinary and SIGRTMIN belong to the C library. */
	if (number <= 0 || (number < SIGRTMIN && !sigabbrev_np(number)))
		return -EINVAL;
	if (number == SIGKILL || number == SIGSTOP)
		return -EPERM;
	*(int *)ret = number;
	return 0;
}

int value_grace(const char *text, void *ret)
{
	static const struct {
		const char *name;
		uint64_t usec;
	} units[] = {
		{ "", 1000000 },    { "us", 1 },       { "ms", 1000 },	    { "s", 1000000 },
		{ "sec", 1000000 }, { "m", 60000000 }, { "min", 60000000 }, { "h", 3600000000 },
	};
	uint64_t sum_usec = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t n_digits = strspn(text, "0123456789");
		size_t n_unit, i;
		uint64_t n;

		/* More digits than an hour has microseconds: out of range before it overflows. */
		if (!n_digits)
			return -EINVAL;
		if (n_digits > 10)
			return -ERANGE;
		n = strtoull(text, NULL, 10);
		text += n_digits;
		n_unit = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strlen(units[i].name) == n_unit &&
			    !strncmp(units[i].name, text, n_unit))
				break;
		if (i == sizeof(units) / sizeof(units[0]))
			return -EINVAL;
		if (n > GRACE_MAX_USEC / units[i].usec)
			return -ERANGE;
		sum_usec += n * units[i].usec;
		if (sum_usec > GRACE_MAX_USEC)
			return -ERANGE;
		text += n_unit;
		text += strspn(text, " \t");
	}
	*(uint64_t *)ret = sum_usec;
	return 0;
}

int value_days(const char *text, void *ret)
{
	unsigned long days;
	int r = parse_number(text, 36500, &days);

	if (r < 0)
		return -EINVAL;
	*(unsigned *)ret = (unsigned)days;
	return 0;
}

int value_size(const char *text, void *ret)
{
	static const char units[] = "KMG";
	size_t n_digits = strspn(text, "0123456789");
	const char *unit = text[n_digits] ? strchr(units, text[n_digits]) : NULL;
	uint64_t size;

	/* Ten digits and a unit do not overflow. */
	if (!n_digits || n_digits > 10 || (text[n_digits] && (!unit || text[n_digits + 1])))
		return -EINVAL;
	size = strtoull(text, NULL, 10);
	if (unit)
		size <<= 10 * (unit - units + 1);
	if (size && size < 1 << 20)
		return -EINVAL;
	*(uint64_t *)ret = size;
	return 0;
}

int value_path(const char *text, void *ret)
{
	if (!*text)
		return string_set(ret, NULL);
	return *text == '/' ? string_set(ret, text) : -EINVAL;
}

int value_glob(const char *text, void *ret)
{
	return *text && glob_is_well_formed(text) ? string_set(ret, text) : -EINVAL;
}

int value_path_glob(const char *text, void *ret)
{
	return *text == '/' || *text == '*' ? value_glob(text, ret) : -EINVAL;
}

int value_user(const char *text, void *ret)
{
	_cleanup_(freep) char *buffer = NULL;
	const size_t n_buffer = 65536;
	struct passwd entry, *found = NULL;
	unsigned long uid;
	int r;

	/* The last number is "no user" to the kernel. */
	r = parse_number(text, (uid_t)-1 - 1ul, &uid);
	if (!r) {
		*(uid_t *)ret = (uid_t)uid;
		return 0;
	}
	if (r == -ERANGE || !*text)
		return -EINVAL;

	buffer = malloc(n_buffer);
	if (!buffer)
		return -ENOMEM;
	r = getpwnam_r(text, &entry, buffer, n_buffer, &found);
	if (!found)
		return r == ENOMEM ? -ENOMEM : -ENOENT;
	*(uid_t *)ret = found->pw_uid;
	return 0;
}

int value_user_name(const char *text, void *ret)
{
	uid_t uid;
	int r;

	/* A number names no groups, and so nobody that a program could become. */
	if (*text >= '0' && *text <= '9')
		return -EINVAL;
	r = value_user(text, &uid);
	return r < 0 ? r : string_set(ret, text);
}

int value_programs(const char *text, void *ret)
{
	_cleanup_(freep) char *copy = strdup(text);
	uint32_t programs = 0;
	char *rest = copy, *word;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, " \t"))) {
		int i = program_find(word);

		if (!strcmp(word, "all"))
			programs = PROGRAMS_ALL;
		else if (i >= 0)
			programs |= UINT32_C(1) << i;
		else if (*word)
			return -EINVAL;
	}
	*(uint32_t *)ret = programs;
	return 0;
}

int value_verb(const char *text, void *ret)
{
	int verb = verb_from_name(text);

	if (verb < 0)
		return -EINVAL;
	*(enum verb *)ret = verb;
	return 0;
}

int value_wish(const char *text, void *ret)
{
	int wish = repair_wish_from_name(text);

	if (wish < 0)
		return -EINVAL;
	*(enum repair_wish *)ret = wish;
	return 0;
}

int value_owner_kind(const char *text, void *ret)
{
	int kind = owner_kind_from_name(text);

	if (kind < 0)
		return -EINVAL;
	*(int *)ret = kind;
	return 0;
}
