// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sections: which sections and keys there are, and which field of the configuration each sets.
 *
 *   file -> lines -> [sections] -> config -> policy
 *
 * In:   sections, settings and bad lines of one file after the other.
 * Out:  fields of the struct config, and a sentence for each thing that is wrong.
 *
 * Every default is the value that does least, and so is what remains of a rule that was not
 * understood: see `broken` in config.h. What a value means is values.c, what a rule does policy.c.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "policy/sections.h"
#include "policy/values.h"

#define RULES_MAX     1024
#define RULE_NAME_MAX 64

enum setting_role {
	ACTS, /* a bad value leaves the default */
	MATCHES, /* a bad one breaks the rule: it says what the rule applies to, or with what power
		  */
};

struct setting {
	const char *key;
	size_t offset; /* in struct config or struct rule */
	int (*parse)(const char *text, void *ret);
	const char *expected;
	enum setting_role role;
};

static const struct setting daemon_settings[] = {
	{ "DryRun", offsetof(struct config, dry_run), value_boolean, "yes or no", ACTS },
	{ "SkipBPF", offsetof(struct config, skip_programs), value_programs,
	  "all, or a list of tracepoints and functions that we listen to", ACTS },
	{}
};

static const struct setting feed_settings[] = {
	{ "Journal", offsetof(struct config, feed_journal), value_boolean, "yes or no", ACTS },
	{ "Socket", offsetof(struct config, feed_socket), value_boolean, "yes or no", ACTS },
	{ "File", offsetof(struct config, feed_file), value_path, "an absolute path", ACTS },
	{ "MetricsTextfile", offsetof(struct config, metrics_textfile), value_path,
	  "an absolute path", ACTS },
	{}
};

static const struct setting ledger_settings[] = {
	{ "MaxAgeDays", offsetof(struct config, ledger_max_age_days), value_days,
	  "a number of days, at most 36500, or 0 for no limit", ACTS },
	{ "MaxSize", offsetof(struct config, ledger_max_size_bytes), value_size,
	  "a size such as 64M or 1G, of 1M at least, or 0 for no limit", ACTS },
	{}
};

#define A_PATTERN      "a pattern"
#define A_PATH_PATTERN "a pattern that begins with \"/\" or \"*\""
#define A_VERB	       "report, signal, terminate, kill or stop-unit"

static const struct setting rule_settings[] = {
	{ "Path", offsetof(struct rule, path), value_path_glob, A_PATH_PATTERN, MATCHES },
	{ "Unit", offsetof(struct rule, unit), value_glob, A_PATTERN, MATCHES },
	{ "User", offsetof(struct rule, uid), value_user, "a user's name or number", MATCHES },
	{ "Device", offsetof(struct rule, device), value_glob, A_PATTERN, MATCHES },
	{ "Exe", offsetof(struct rule, exe), value_path_glob, A_PATH_PATTERN, MATCHES },
	{ "Cgroup", offsetof(struct rule, cgroup), value_path_glob, A_PATH_PATTERN, MATCHES },
	{ "Mountpoint", offsetof(struct rule, mountpoint), value_path_glob, A_PATH_PATTERN,
	  MATCHES },
	{ "Owner", offsetof(struct rule, owner_kind), value_owner_kind,
	  "a kind of owner, such as file-data", MATCHES },
	{ "Holders", offsetof(struct rule, holders), value_verb, A_VERB, ACTS },
	{ "Openers", offsetof(struct rule, openers), value_verb, A_VERB, ACTS },
	{ "Signal", offsetof(struct rule, signal_number), value_signal, "a signal", ACTS },
	{ "GraceSec", offsetof(struct rule, grace_usec), value_grace,
	  "a time such as 5, 500ms or 1min, of one hour at most", ACTS },
	{ "RestartUnit", offsetof(struct rule, restart_unit), value_boolean, "yes or no", ACTS },
	{ "Repair", offsetof(struct rule, repair), value_wish, "none, clear or zero", ACTS },
	{ "PauseHolders", offsetof(struct rule, pause_holders), value_boolean, "yes or no", ACTS },
	{ "RecordDamage", offsetof(struct rule, record_damage), value_boolean, "yes or no", ACTS },
	{ "Hook", offsetof(struct rule, hook), value_path, "an absolute path", ACTS },
	{ "HookUser", offsetof(struct rule, hook_user), value_user_name, "a user's name", MATCHES },
	{ "HookTimeoutSec", offsetof(struct rule, hook_timeout_usec), value_grace,
	  "a time such as 60, 500ms or 1min, of one hour at most", ACTS },
	{}
};

/* A copy of what may hold any byte, for a sentence: short, ASCII, in quotes. */
static const char *quote(const char *text, char ret[static 128])
{
	char *to = ret;

	*to++ = '"';
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (to - ret > 116) {
			to = stpcpy(to, "...");
			break;
		}
		if (*c < ' ' || *c > '~')
			to += sprintf(to, "\\x%02x", *c);
		else
			*to++ = (char)*c;
	}
	strcpy(to, "\"");
	return ret;
}

void reading_problem(struct reading *in, unsigned line, const char *format, ...)
{
	_cleanup_(freep) char *what = NULL;
	_cleanup_(freep) char *sentence = NULL;
	va_list args;
	int r;

	in->config->n_problems++;
	if (in->n_file_problems++ >= PROBLEMS_TOLD_MAX || !in->on_problem)
		return;

	va_start(args, format);
	r = vasprintf(&what, format, args);
	va_end(args);
	if (r < 0) {
		what = NULL;
		in->r = -ENOMEM;
		return;
	}
	if (line)
		r = asprintf(&sentence, "%s:%u: %s", in->file, line, what);
	else
		r = asprintf(&sentence, "%s: %s", in->file, what);
	if (r < 0) {
		sentence = NULL;
		in->r = -ENOMEM;
		return;
	}
	in->on_problem(sentence, in->userdata);
}

/* What ends a sentence about something wrong in this section. */
static const char *consequence(struct reading *in, bool widens)
{
	if (!in->rule || !widens)
		return "ignored";
	in->rule->broken = true;
	return "this rule only reports until that is mended";
}

static struct rule *add_rule(struct config *c)
{
	struct rule *grown = reallocarray(c->rules, c->n_rules + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	c->rules = grown;
	c->rules[c->n_rules] = (struct rule){
		.uid = UID_ANY,
		.owner_kind = OWNER_ANY,
		.holders = VERB_REPORT,
		.openers = VERB_REPORT,
		.signal_number = SIGUSR1,
		.grace_usec = 5000000,
		.hook_timeout_usec = 60000000,
		.repair = REPAIR_NONE,
		.pause_holders = true,
	};
	return &c->rules[c->n_rules++];
}

static bool name_is_good(const char *name)
{
	return *name && strlen(name) <= RULE_NAME_MAX &&
	       !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				  " !%&()*+,-./:=?@_~")];
}

static const struct rule *find_rule(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!strcmp(c->rules[i].name, name))
			return &c->rules[i];
	return NULL;
}

/* A rule whose name is bad, taken or unreadable (NULL) goes by its place, and is broken. */
/* FNV-1a, over each text and the zero at its end: not proof against malice, which is root's here.
 */
static void mix(struct config *c, const char *text)
{
	do
		c->fingerprint = (c->fingerprint ^ (unsigned char)*text) * 0x100000001b3u;
	while (*text++);
}

static void begin_rule(struct reading *in, unsigned line, const char *name)
{
	const struct rule *taken = name ? find_rule(in->config, name) : NULL;
	bool good = name && !taken && name_is_good(name);
	char place[32], quoted[128];
	struct rule *rule;

	if (in->config->n_rules == RULES_MAX) {
		reading_problem(in, line, "more than %d rules, this one is ignored", RULES_MAX);
		return;
	}
	if (taken)
		reading_problem(in, line, "rule %s exists already (%s:%u), this one only reports",
				quote(name, quoted), taken->file, taken->line);
	else if (name && !good)
		reading_problem(in, line, "%s is no name for a rule, it only reports",
				quote(name, quoted));

	rule = add_rule(in->config);
	if (!rule) {
		in->r = -ENOMEM;
		return;
	}
	snprintf(place, sizeof(place), "line %u", line);
	rule->broken = !good;
	rule->line = line;
	rule->file = strdup(in->file);
	rule->name = strdup(good ? name : place);
	if (!rule->file || !rule->name)
		in->r = -ENOMEM;
	mix(in->config, "[");
	mix(in->config, name ? name : "");
	in->rule = rule;
	in->base = rule;
	in->settings = rule_settings;
	in->given = 0;
}

static void begin_section(struct reading *in)
{
	in->began = true;
	in->rule = NULL;
	in->base = in->config;
	in->settings = NULL;
}

static void on_section(unsigned line, const char *name, void *userdata)
{
	struct reading *in = userdata;
	char quoted[128];

	if (in->r < 0)
		return;
	begin_section(in);
	if (!strcmp(name, "Daemon"))
		in->settings = daemon_settings;
	else if (!strcmp(name, "Feed"))
		in->settings = feed_settings;
	else if (!strcmp(name, "Ledger"))
		in->settings = ledger_settings;
	else if (!strncmp(name, "Rule", 4) && (!name[4] || strchr(" \t", name[4])))
		begin_rule(in, line, name + 4 + strspn(name + 4, " \t"));
	else
		reading_problem(in, line, "unknown section [%s], ignored with what it holds",
				quote(name, quoted));
}

static void on_setting(unsigned line, const char *key, const char *value, void *userdata)
{
	struct reading *in = userdata;
	const struct setting *s = in->settings;
	char quoted[128];
	uint64_t bit;
	int r;

	if (in->r < 0)
		return;
	if (in->rule) {
		mix(in->config, key);
		mix(in->config, value);
	}
	if (!s) {
		if (!in->began)
			reading_problem(in, line, "%s= stands before any section, ignored", key);
		return;
	}
	while (s->key && strcmp(s->key, key))
		s++;
	if (!s->key) {
		reading_problem(in, line, "unknown key %s=, %s", key, consequence(in, true));
		return;
	}
	bit = UINT64_C(1) << (s - in->settings);
	if (in->rule && in->given & bit) {
		reading_problem(in, line, "%s= is given twice in one rule, the second is %s", key,
				consequence(in, s->role == MATCHES));
		return;
	}
	in->given |= bit;

	r = s->parse(value, (char *)in->base + s->offset);
	if (r == -ENOMEM)
		in->r = r;
	else if (r == -ENOENT)
		reading_problem(in, line, "%s=: there is no user %s, %s", key, quote(value, quoted),
				consequence(in, s->role == MATCHES));
	else if (r == -EPERM)
		reading_problem(in, line, "%s=%s: nobody can catch that signal, ignored", key,
				value);
	else if (r < 0)
		reading_problem(in, line, "%s= must be %s, not %s: %s", key, s->expected,
				quote(value, quoted), consequence(in, s->role == MATCHES));
}

static void on_bad_line(unsigned line, const char *why, const char *header, void *userdata)
{
	struct reading *in = userdata;

	if (in->r < 0)
		return;
	/* Keys below a header that we cannot read must not fall into the section above it. */
	if (header) {
		begin_section(in);
		if (!strncmp(header, "Rule", 4))
			begin_rule(in, line, NULL);
	}
	if (in->rule)
		in->rule->broken = true;
	reading_problem(in, line, "%s%s", why, in->rule ? "; this rule only reports" : "");
}

const struct line_sink sections_sink = { on_section, on_setting, on_bad_line };

void sections_begin_file(struct reading *in)
{
	begin_section(in);
	in->began = false;
	in->n_file_problems = 0;
}
