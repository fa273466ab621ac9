// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain: what would policy do about a file, and which key of which rule decides?
 *
 *   policy -> [explain] -> control, hwpoisonctl
 *
 * In:   an incident that was made up for a file: its owners and its holders, nothing poisoned.
 * Out:  JSON. The verdicts are those of policy.c, not retold.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "json-fields.h"
#include "policy/match.h"
#include "policy/protect.h"
#include "policy/verdict.h"

/* The finished object, or NULL: out of memory. */
static struct json_object *finish(struct json_fields *f)
{
	if (f->r < 0) {
		json_object_put(f->object);
		return NULL;
	}
	return f->object;
}

static struct json_object *explain_repair(const struct policy_context *ctx,
					  const struct incident *in)
{
	_cleanup_(freep) char *reason = NULL;
	struct json_fields f;
	struct repair_verdict v;

	if (verdict_on_repair(ctx, in, &v) < 0)
		return NULL;
	reason = v.reason;

	f = json_fields_new();
	field_put_string(&f, "rule", v.rule ? v.rule->name : NULL);
	field_put_string(&f, "wish", repair_wish_name(v.wish));
	field_put_string(&f, "reason", reason);
	return finish(&f);
}

void policy_put_verdict(struct json_fields *f, const struct policy_context *ctx,
			const struct incident *in, const struct holder *holder)
{
	_cleanup_(freep) char *reason = NULL;
	struct holder_verdict v = {};

	if (verdict_on_holder(ctx, in, holder, &v) < 0)
		f->r = -ENOMEM;
	reason = v.reason;
	field_put_string(f, "action", verb_name(v.verb));
	field_put_string(f, "rule", v.rule ? v.rule->name : NULL);
	field_put_string(f, "reason", reason);
}

static struct json_object *explain_holder(const struct policy_context *ctx,
					  const struct incident *in, const struct holder *holder)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "pid", (uint64_t)holder->pid);
	field_put_string(&f, "comm", holder->comm);
	policy_put_verdict(&f, ctx, in, holder);
	return finish(&f);
}

/* What stands behind the key in the configuration; "" for several keys at once. */
static const char *value_of(const struct rule *rule, const char *key, char ret_number[static 16])
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "Path", rule->path }, { "Mountpoint", rule->mountpoint },
		{ "Unit", rule->unit }, { "Device", rule->device },
		{ "Exe", rule->exe },	{ "Cgroup", rule->cgroup },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(key, texts[i].key))
			return texts[i].value;
	if (!strcmp(key, "Owner"))
		return owner_kind_name(rule->owner_kind);
	if (strcmp(key, "User"))
		return "";
	snprintf(ret_number, 16, "%u", rule->uid);
	return ret_number;
}

static bool all_unlinked(const struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++)
		if (!in->owners[i].unlinked)
			return false;
	return in->n_owners > 0;
}

/* NULL: nothing to add. The caller frees it; -ENOMEM. */
static int reason_of_rule(const struct rule *rule, const char *key, const struct incident *in,
			  const struct rule *before, char **ret)
{
	char number[16];
	const char *value = key ? value_of(rule, key, number) : "";
	int r = 0;

	*ret = NULL;
	if (key)
		r = asprintf(ret, "%s%s%s does not match%s", key, *value ? "=" : "", value,
			     strcmp(key, "Path") || !all_unlinked(in)
				     ? ""
				     : ": the file has been unlinked, and has no path");
	else if (rule->broken)
		r = asprintf(ret, "was not understood, so it only reports");
	else if (before)
		r = asprintf(ret, "but rule \"%s\" above it does so first", before->name);
	if (r < 0)
		*ret = NULL;
	return r < 0 ? -ENOMEM : 0;
}

/*
 * Of the rule for the incident as a whole; where it has several owners and holders, which rule
 * decides for each is what the verdicts show. *before: the first that matched, as far as we are.
 */
static struct json_object *explain_rule(const struct rule *rule, const struct incident *in,
					const struct rule **before)
{
	_cleanup_(freep) char *reason = NULL;
	struct json_fields f = json_fields_new();
	const char *key = mismatch_of_device(rule, &in->device);

	if (!key)
		key = mismatch_of_owners(rule, in);
	if (!key)
		key = mismatch_of_processes(rule, in);
	if (reason_of_rule(rule, key, in, *before, &reason) < 0)
		f.r = -ENOMEM;
	if (!key && !*before)
		*before = rule;

	field_put_string(&f, "rule", rule->name);
	field_put_bool(&f, "matches", !key);
	field_put_string(&f, "reason", reason);
	return finish(&f);
}

/* Takes item. */
static bool push(struct json_object *array, struct json_object *item)
{
	if (item && !json_object_array_add(array, item))
		return true;
	json_object_put(item);
	return false;
}

static struct json_object *explain_holders(const struct policy_context *ctx,
					   const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < in->n_holders; i++)
		if (!push(array, explain_holder(ctx, in, &in->holders[i])))
			return NULL;
	return TAKE(array);
}

static struct json_object *explain_rules(const struct config *config, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();
	const struct rule *before = NULL;

	for (size_t i = 0; array && i < config->n_rules; i++)
		if (!push(array, explain_rule(&config->rules[i], in, &before)))
			return NULL;
	return TAKE(array);
}

static const char *file_of(const struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++)
		if (in->owners[i].paths && in->owners[i].paths[0])
			return in->owners[i].paths[0];
	return NULL;
}

/* Takes value; one that could not be made fails the whole. */
static void put_made(struct json_fields *f, const char *name, struct json_object *value)
{
	if (!value && !f->r)
		f->r = -ENOMEM;
	field_put_object(f, name, value);
}

/* Of the rule for the process alone: what it says of files and devices is another question. */
static struct json_object *explain_process_rule(const struct rule *rule,
						const struct holder *holder)
{
	struct json_fields f = json_fields_new();
	const char *key = mismatch_of_process(rule, holder);
	char number[16], reason[512];

	if (key)
		snprintf(reason, sizeof(reason), "%s=%s does not match", key,
			 value_of(rule, key, number));
	field_put_string(&f, "rule", rule->name);
	field_put_bool(&f, "matches", !key);
	if (key)
		field_put_string(&f, "reason", reason);
	else if (rule->broken)
		field_put_string(&f, "reason", "was not understood, so it only reports");
	else if (rule->path || rule->mountpoint || rule->device || rule->owner_kind != OWNER_ANY)
		field_put_string(&f, "reason", "for what it has keys for besides the process");
	return finish(&f);
}

static struct json_object *explain_process_rules(const struct config *config,
						 const struct holder *holder)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < config->n_rules; i++)
		if (!push(array, explain_process_rule(&config->rules[i], holder)))
			return NULL;
	return TAKE(array);
}

struct json_object *policy_explain_process(const struct policy_context *ctx,
					   const struct holder *holder)
{
	struct json_fields f = json_fields_new();
	const char *spared = protect_process(ctx, NULL, holder) ?: protect_cgroup(ctx, holder);

	field_put_uint(&f, "pid", (uint64_t)holder->pid);
	field_put_string(&f, "comm", holder->comm);
	field_put_string(&f, "exe", holder->exe);
	field_put_uint(&f, "uid", holder->uid);
	field_put_string(&f, "unit", holder->unit);
	field_put_string(&f, "cgroup", holder->cgroup);
	field_put_string(&f, "spared", spared);
	put_made(&f, "rules", explain_process_rules(ctx->config, holder));
	return finish(&f);
}

struct json_object *policy_explain(const struct policy_context *ctx, const struct incident *in)
{
	struct json_fields f = json_fields_new();

	assert(ctx && ctx->config);
	assert(in);

	field_put_string(&f, "file", file_of(in));
	put_made(&f, "repair", explain_repair(ctx, in));
	put_made(&f, "holders", explain_holders(ctx, in));
	put_made(&f, "rules", explain_rules(ctx->config, in));
	return finish(&f);
}
