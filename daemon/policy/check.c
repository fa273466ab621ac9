// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check: rules that can never match.
 *
 *   config -> [check] -> --check-config, hwpoisonctl policy check
 *
 * Only what is certain is told. A rule is caught by an earlier one if each key of the earlier is
 * absent, the same, or a pattern that matches the later one's literal text; two patterns that
 * differ are taken for different. Mistakes in the file itself are told when it is read.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/glob.h"
#include "policy/policy.h"

static bool text_covers(const char *earlier, const char *later,
			bool (*match)(const char *glob, const char *text))
{
	if (!earlier || (later && !strcmp(earlier, later)))
		return true;
	return later && glob_is_literal(later) && match(earlier, later);
}

/* Does the earlier rule match whatever the later one does? */
static bool covers(const struct rule *earlier, const struct rule *later)
{
	return text_covers(earlier->path, later->path, path_glob_match) &&
	       text_covers(earlier->mountpoint, later->mountpoint, path_glob_match) &&
	       text_covers(earlier->exe, later->exe, path_glob_match) &&
	       text_covers(earlier->cgroup, later->cgroup, path_glob_match) &&
	       text_covers(earlier->unit, later->unit, name_glob_match) &&
	       text_covers(earlier->device, later->device, name_glob_match) &&
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

void policy_check(const struct config *config, config_problem on_problem, void *userdata)
{
	assert(config);
	assert(on_problem);

	for (size_t i = 0; i < config->n_rules; i++) {
		const struct rule *rule = &config->rules[i];

		if (rule->broken)
			continue;
		if (rule->path && rule->owner_kind != OWNER_ANY && has_no_path(rule->owner_kind))
			tell(rule, on_problem, userdata, "an owner of kind %s has no path",
			     owner_kind_name(rule->owner_kind));
		for (size_t j = 0; j < i; j++) {
			if (!covers(&config->rules[j], rule))
				continue;
			tell(rule, on_problem, userdata,
			     "rule \"%s\" (line %u) catches all that it could",
			     config->rules[j].name, config->rules[j].line);
			break;
		}
	}
}
