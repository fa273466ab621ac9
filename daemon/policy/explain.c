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

#include "json-fields.h"
#include "policy/match.h"
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

static struct json_object *explain_holder(const struct policy_context *ctx,
					  const struct incident *in, const struct holder *holder)
{
	_cleanup_(freep) char *reason = NULL;
	struct json_fields f;
	struct holder_verdict v;

	if (verdict_on_holder(ctx, in, holder, &v) < 0)
		return NULL;
	reason = v.reason;

	f = json_fields_new();
	field_put_uint(&f, "pid", (uint64_t)holder->pid);
	field_put_string(&f, "comm", holder->comm);
	field_put_string(&f, "action", verb_name(v.verb));
	field_put_string(&f, "rule", v.rule ? v.rule->name : NULL);
	field_put_string(&f, "reason", reason);
	return finish(&f);
}

/* Of the rule as such: whether an earlier one wins is what the verdicts show. */
static struct json_object *explain_rule(const struct rule *rule, const struct incident *in)
{
	struct json_fields f = json_fields_new();
	const char *key = mismatch_of_device(rule, &in->device);
	char reason[80] = "";

	if (!key)
		key = mismatch_of_owners(rule, in);
	if (!key)
		key = mismatch_of_processes(rule, in);
	if (key)
		snprintf(reason, sizeof(reason), "%s does not match", key);
	else if (rule->broken)
		snprintf(reason, sizeof(reason), "was not understood, so it only reports");

	field_put_string(&f, "rule", rule->name);
	field_put_bool(&f, "matches", !key);
	field_put_string(&f, "reason", *reason ? reason : NULL);
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

	for (size_t i = 0; array && i < config->n_rules; i++)
		if (!push(array, explain_rule(&config->rules[i], in)))
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
