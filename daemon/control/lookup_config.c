// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_config: read the configuration as a restart would, and say what is wrong with it.
 *
 *   control, hwpoisonctl -> [lookup_config] -> policy/config
 *
 * Nothing that is read here comes into force.
 */
#include <errno.h>

#include "control/lookup.h"
#include "json-fields.h"
#include "strv.h"

#define MAX_PROBLEMS 1000u

struct problems {
	char **sentences;
	size_t n;
	int r;
};

static void on_problem(const char *sentence, void *userdata)
{
	struct problems *p = userdata;

	if (p->r >= 0 && p->n++ < MAX_PROBLEMS)
		p->r = strv_push(&p->sentences, sentence);
}

int lookup_config(const char *file, struct json_object **ret)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct problems problems = {};
	struct json_fields f;
	int r;

	r = config_read(file, false, on_problem, &problems, &config);
	if (r >= 0)
		policy_check(config, on_problem, &problems);
	if (r >= 0)
		r = problems.r;
	if (r < 0) {
		strv_free(problems.sentences);
		return r;
	}

	f = json_fields_new();
	field_put_string(&f, "file", file);
	field_put_uint(&f, "n_rules", config->n_rules);
	field_put_strv(&f, "problems", problems.sentences);
	strv_free(problems.sentences);
	if (f.r < 0) {
		json_object_put(f.object);
		return f.r;
	}
	*ret = f.object;
	return 0;
}
