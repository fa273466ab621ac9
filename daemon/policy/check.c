// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check: rules that can never match.
 *
 *   config -> [check] -> --check-config, hwpoisonctl policy check
 *
 * Only what is certain is told. A rule is caught by an earlier one if each key of the earlier is
 * absent, the same, or a pattern that covers the later one's: two patterns whose names only may be
 * the same are taken for different. Mistakes in the file itself are told when it is read.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/glob.h"
#include "policy/match.h"
#include "policy/policy.h"

static bool path_covers(const char *earlier, const char *later)
{
	return !earlier || (later && glob_covers(earlier, later, true));
}

static bool name_covers(const char *earlier, const char *later)
{
	return !earlier || (later && glob_covers(earlier, later, false));
}

/* Does the earlier rule match whatever the later one does? */
static bool covers(const struct rule *earlier, const struct rule *later)
{
	return path_covers(earlier->path, later->path) &&
	       path_covers(earlier->mountpoint, later->mountpoint) &&
	       path_covers(earlier->exe, later->exe) &&
	       path_covers(earlier->cgroup, later->cgroup) &&
	       name_covers(earlier->unit, later->unit) &&
	       name_covers(earlier->device, later->device) &&
	       (earlier->uid == UID_ANY || earlier->uid == later->uid) &&
	       (earlier->owner_kind == OWNER_ANY || earlier->owner_kind == later->owner_kind);
}

/* Owners that have no path, ever. */
static bool has_no_path(int kind)
{
	switch (kind) {
	case OWNER_METADATA:
	case OWNER_LOG:
	case OWNER_FREE:
	case OWNER_UNKNOWN:
	case OWNER_DEVDAX:
	case OWNER_RAW:
	case OWNER_RAM_ANON:
	case OWNER_RAM_KERNEL:
		return true;
	default:
		return false;
	}
}

/* Owners that no process can map or have open. */
static bool has_no_holder(int kind)
{
	switch (kind) {
	case OWNER_METADATA:
	case OWNER_LOG:
	case OWNER_FREE:
	case OWNER_UNKNOWN:
	case OWNER_RAM_KERNEL:
		return true;
	default:
		return false;
	}
}

/* A name that the kernel never gives to a file: "/a//b", "/a/./b", "/a/../b", "/a/". */
static bool is_no_name(const char *glob)
{
	size_t n = glob ? strlen(glob) : 0;

	if (!n || !strcmp(glob, "/"))
		return false;
	return glob[n - 1] == '/' || strstr(glob, "//") || strstr(glob, "/./") ||
	       strstr(glob, "/../") || (n > 2 && !strcmp(glob + n - 2, "/.")) ||
	       (n > 3 && !strcmp(glob + n - 3, "/.."));
}

/* Every unit has a suffix, and it is one of those that have processes. */
static bool is_no_unit(const char *glob)
{
	static const char *const suffixes[] = { ".service", ".scope", ".mount", ".swap",
						".socket" };

	for (size_t i = 0; glob && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(glob), n_suffix = strlen(suffixes[i]);

		if (n > n_suffix && !strcmp(glob + n - n_suffix, suffixes[i]))
			return false;
	}
	return glob && glob_is_literal(glob);
}

__attribute__((format(printf, 4, 5))) static void tell(const struct rule *rule,
						       config_problem on_problem, void *userdata,
						       const char *format, ...)
{
	_cleanup_(freep) char *sentence = NULL;
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (asprintf(&sentence, "%s:%u: rule \"%s\" can never match: %s", rule->file, rule->line,
		     rule->name, what) < 0)
		sentence = NULL;
	if (sentence)
		on_problem(sentence, userdata);
}

/* Keys that exclude each other, or that nothing ever has. */
static void check_keys(const struct rule *rule, config_problem on_problem, void *userdata)
{
	const char *kind = rule->owner_kind == OWNER_ANY ? NULL : owner_kind_name(rule->owner_kind);

	if (rule->path && kind && has_no_path(rule->owner_kind))
		tell(rule, on_problem, userdata, "an owner of kind %s has no path", kind);
	if (kind && asks_for_process(rule) && has_no_holder(rule->owner_kind))
		tell(rule, on_problem, userdata, "no process holds an owner of kind %s", kind);
	if (is_no_name(rule->path))
		tell(rule, on_problem, userdata, "no file has such a Path");
	if (is_no_name(rule->mountpoint))
		tell(rule, on_problem, userdata, "nothing is mounted on such a Mountpoint");
	if (is_no_name(rule->exe))
		tell(rule, on_problem, userdata, "no program has such an Exe");
	if (is_no_unit(rule->unit))
		tell(rule, on_problem, userdata, "Unit has no suffix, such as .service");
	if (rule->device && strchr(rule->device, '/'))
		tell(rule, on_problem, userdata, "the name of a Device has no \"/\"");
}

void policy_check(const struct config *config, config_problem on_problem, void *userdata)
{
	assert(config);
	assert(on_problem);

	for (size_t i = 0; i < config->n_rules; i++) {
		const struct rule *rule = &config->rules[i];

		if (rule->broken)
			continue;
		check_keys(rule, on_problem, userdata);
		for (size_t j = 0; j < i; j++) {
			if (!covers(&config->rules[j], rule))
				continue;
			tell(rule, on_problem, userdata,
			     "rule \"%s\" (%s:%u) catches all that it could", config->rules[j].name,
			     config->rules[j].file, config->rules[j].line);
			break;
		}
	}
}
