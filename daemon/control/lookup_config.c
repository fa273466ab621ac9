// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_config: read the configuration as a restart would, and say what is wrong with it.
 *
 *   control, hwpoisonctl -> [lookup_config] -> configuration
 *
 * Nothing that is read here comes into force.
 */
#include <errno.h>

#include "configuration.h"
#include "control/lookup.h"
#include "json-fields.h"
#include "strv.h"

int lookup_config(const char *file, struct json_object **ret)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(strv_freep) char **problems = NULL;
	const struct options options = { .config_path = file };
	struct json_fields f;
	int r;

	r = configuration_load(&options, &config, &problems);
	if (r < 0)
		return r;

	f = json_fields_new();
	field_put_string(&f, "file", file);
	field_put_uint(&f, "n_rules", config->n_rules);
	field_put_strv(&f, "problems", problems);
	if (f.r < 0) {
		json_object_put(f.object);
		return f.r;
	}
	*ret = f.object;
	return 0;
}
