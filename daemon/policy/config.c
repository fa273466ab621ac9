// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * config: what the administrator wants, from hwpoisond.conf and its drop-ins.
 *
 *   file -> lines -> sections -> [config] -> policy
 *
 * In:   the files, of which any may be missing, damaged or mistyped.
 * Out:  one struct config that is always safe to use.
 *
 * A new configuration is read beside the old one, so that a reload that fails leaves the daemon as
 * it was.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/config.h"
#include "policy/config_files.h"
#include "policy/sections.h"
#include "strv.h"

/* One file. What can't be read is a negative errno, and nothing of it is used. */
static int read_file(struct reading *in, const char *path)
{
	_cleanup_(freep) char *text = NULL;
	size_t n_bytes;
	int r;

	sections_begin_file(in);
	r = config_file_read(path, &text, &n_bytes);
	if (r < 0)
		return r;

	r = lines_read(text, n_bytes, &sections_sink, in);
	if (r < 0)
		return r;
	if (in->n_file_problems > PROBLEMS_TOLD_MAX && in->on_problem) {
		char more[64];

		snprintf(more, sizeof(more), "%u more problems in that file",
			 in->n_file_problems - PROBLEMS_TOLD_MAX);
		in->on_problem(more, in->userdata);
	}
	return in->r;
}

/* The name of a file as sentences give it. */
static char *printable(const char *path)
{
	char *copy = strdup(path);

	for (char *c = copy; c && *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return copy;
}

/* A file that was asked for, or found: what can't be read of a drop-in is a problem, and not the
 * end. */
static int read_one(struct reading *in, const char *path, bool dropin)
{
	_cleanup_(freep) char *name = printable(path);
	int r;

	if (!name)
		return -ENOMEM;
	in->file = name;
	r = read_file(in, path);
	if (r < 0 && r != -ENOMEM && dropin) {
		reading_problem(in, 0, "cannot be read, ignored: %s", strerror(-r));
		r = in->r;
	}
	in->file = NULL;
	return r;
}

int config_read(const char *path, bool required, config_problem on_problem, void *userdata,
		struct config **ret)
{
	_cleanup_(config_freep) struct config *c = config_new();
	_cleanup_(strv_freep) char **dropins = NULL;
	struct reading in = { .config = c, .on_problem = on_problem, .userdata = userdata };
	int r;

	assert(path);
	assert(ret);

	if (!c)
		return -ENOMEM;
	r = read_one(&in, path, false);
	if (r < 0 && (r != -ENOENT || required))
		return r;

	r = config_files_dropins(path, &dropins);
	if (r < 0)
		return r;
	for (char **dropin = dropins; dropin && *dropin; dropin++) {
		r = read_one(&in, *dropin, true);
		if (r < 0)
			return r;
	}
	*ret = TAKE(c);
	return 0;
}

struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fingerprint = 0xcbf29ce484222325;
	c->ledger_max_age_days = 730;
	c->ledger_max_size_bytes = 256ull << 20;
	c->feed_journal = true;
	c->feed_socket = true;
	return c;
}

static void rule_done(struct rule *rule)
{
	free(rule->name);
	free(rule->path);
	free(rule->unit);
	free(rule->device);
	free(rule->exe);
	free(rule->cgroup);
	free(rule->mountpoint);
	free(rule->hook);
	free(rule->hook_user);
	free(rule->file);
}

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_rules; i++)
		rule_done(&c->rules[i]);
	free(c->rules);
	free(c->feed_file);
	free(c->metrics_textfile);
	free(c);
	return NULL;
}
