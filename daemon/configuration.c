// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * configuration: see configuration.h.
 *
 *   files -> policy/config -> [configuration] -> main, control
 *
 * In:   the files, at the start and on each SIGHUP or Reload.
 * Out:  a configuration to put in force, or the news that there is none.
 *
 * A half-edited file must not take the rules away that protect a machine: on a reload any mistake
 * refuses all of it. A rule that can never match is no mistake in this sense; it is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "configuration.h"
#include "log.h"
#include "policy/policy.h"
#include "strv.h"

#define WHAT	     "configuration"
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

int configuration_load(const struct options *options, struct config **ret, char ***ret_problems)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct problems problems = {};
	int r;

	r = config_read(options->config_path, options->config_given, on_problem, &problems,
			&config);
	if (r >= 0)
		policy_check(config, on_problem, &problems);
	if (r >= 0)
		r = problems.r;
	if (r < 0) {
		strv_free(problems.sentences);
		return r;
	}
	if (options->dry_run)
		config->dry_run = true;
	if (config->dry_run)
		config->fingerprint ^= UINT64_C(1) << 63;
	*ret = TAKE(config);
	*ret_problems = problems.sentences;
	return 0;
}

static void log_problems(char *const *problems)
{
	for (; problems && *problems; problems++)
		log_warn(0, "%s", *problems);
}

/* One sentence for monitoring; the log has them all. */
static void degrade(struct degraded *degraded, const struct config *config, char *const *problems,
		    const char *consequence)
{
	_cleanup_(freep) char *reason = NULL;
	char more[48] = "";

	if (config->n_problems > 1)
		snprintf(more, sizeof(more), " (and %u more mistakes)", config->n_problems - 1);
	if (asprintf(&reason, "%s%s; %s", problems ? *problems : "a mistake", more, consequence) <
	    0)
		reason = NULL;
	degraded_begin(degraded, WHAT, reason ?: consequence);
}

int configuration_start(const struct options *options, struct degraded *degraded,
			struct config **ret)
{
	_cleanup_(strv_freep) char **problems = NULL;
	int r;

	r = configuration_load(options, ret, &problems);
	if (r < 0)
		return r;
	log_problems(problems);
	if ((*ret)->n_problems)
		degrade(degraded, *ret, problems,
			"what was not understood does less than it might have meant");
	return 0;
}

int configuration_reload(const struct options *options, struct degraded *degraded,
			 struct config **ret, char ***ret_problems)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(freep) char *reason = NULL;
	int r;

	r = configuration_load(options, &config, ret_problems);
	if (r < 0) {
		log_err(r, "Cannot read %s, keeping the configuration in force",
			options->config_path);
		if (asprintf(&reason, "%s cannot be read: %s; what was in force stays",
			     options->config_path, strerror(-r)) < 0)
			reason = NULL;
		degraded_begin(degraded, WHAT, reason ?: "it cannot be read");
		return r;
	}
	log_problems(*ret_problems);
	if (config->n_problems) {
		log_err(0, "%s has mistakes, keeping the configuration in force",
			options->config_path);
		degrade(degraded, config, *ret_problems, "what was in force stays");
		return 0;
	}
	degraded_end(degraded, WHAT);
	*ret = TAKE(config);
	return 1;
}
