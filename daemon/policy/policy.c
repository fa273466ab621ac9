// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy: what shall be done to each holder and to the media, and why.
 *
 *   holders -> [policy] -> respond, repair
 *
 * In:   an incident with owners and holders, and the rules.
 * Out:  a verdict with its reason, for every holder and for the repair.
 *
 * Where owners of one block fall under different rules, the mildest wish counts: a repair cannot
 * change one of them alone. A process, though, answers only for those that it holds itself: that
 * another file shares the block is no fault of its. Whether a rule matches is match.c, who is
 * spared protect.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "policy/match.h"
#include "policy/protect.h"
#include "policy/verdict.h"

__attribute__((format(printf, 2, 3))) static int say(char **ret, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(ret, format, args);
	va_end(args);
	if (r < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Does the process map, or else have open, an owner that the rule matches? */
static bool holds_a_match(const struct rule *rule, const struct incident *in,
			  const struct holder *holder, bool mapped)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		const struct owner *owner = &in->owners[i];
		const struct held_owner *held = holder_find_held(holder, owner_id_of(owner));

		if (held && (mapped ? held->maps : held->opens) && !mismatch_of_owner(rule, owner))
			return true;
	}
	return false;
}

static const struct rule *first_rule(const struct policy_context *ctx, const struct incident *in,
				     const struct holder *holder, bool mapped)
{
	for (size_t i = 0; i < ctx->config->n_rules; i++) {
		const struct rule *rule = &ctx->config->rules[i];

		if (!mismatch_of_device(rule, &in->device) && !mismatch_of_process(rule, holder) &&
		    holds_a_match(rule, in, holder, mapped))
			return rule;
	}
	return NULL;
}

/* What it maps comes first, whatever rule there is for what it only has open. */
static const struct rule *rule_for_holder(const struct policy_context *ctx,
					  const struct incident *in, const struct holder *holder,
					  bool *ret_mapped)
{
	const struct rule *rule = first_rule(ctx, in, holder, true);

	*ret_mapped = rule != NULL;
	return rule ? rule : first_rule(ctx, in, holder, false);
}

/* All that it holds can be read again: nobody needs to end for that. */
static bool has_lost_nothing(const struct incident *in, const struct holder *holder)
{
	bool holds_any = false;

	for (size_t i = 0; i < in->n_owners; i++) {
		if (!holder_find_held(holder, owner_id_of(&in->owners[i])))
			continue;
		if (!in->owners[i].rereadable)
			return false;
		holds_any = true;
	}
	return holds_any;
}

static const char *why_spared(const struct policy_context *ctx, const struct rule *rule,
			      const struct incident *in, const struct holder *holder)
{
	const char *why = protect_process(ctx, rule, holder);

	if (!why && has_lost_nothing(in, holder))
		why = "nothing is lost that a read would not bring back";
	if (!why)
		why = protect_cgroup(ctx, holder);
	for (size_t i = 0; !why && i < in->n_owners; i++)
		if (holder_find_held(holder, owner_id_of(&in->owners[i])))
			why = protect_owner(ctx, &in->owners[i]);
	return why;
}

int verdict_on_holder(const struct policy_context *ctx, const struct incident *in,
		      const struct holder *holder, struct holder_verdict *ret)
{
	const struct rule *rule;
	const char *key, *why;
	enum verb asked;
	bool mapped;

	*ret = (struct holder_verdict){ .verb = VERB_REPORT };
	if (holder->holds_more)
		return say(&ret->reason,
			   "it holds more than %u owners, too many to judge it by, so it is only "
			   "reported",
			   HOLDS_MAX);

	ret->rule = rule = rule_for_holder(ctx, in, holder, &mapped);
	if (!rule)
		return say(&ret->reason, "no rule matches, so it is only reported");
	if (rule->broken)
		return say(&ret->reason,
			   "rule \"%s\" (%s:%u) was not understood, so it is only reported",
			   rule->name, rule->file, rule->line);

	key = mapped ? "Holders" : "Openers";
	asked = mapped ? rule->holders : rule->openers;
	why = asked == VERB_REPORT ? NULL : why_spared(ctx, rule, in, holder);
	if (asked == VERB_STOP_UNIT && !why)
		why = protect_unit(ctx, rule, holder);
	if (why)
		return say(&ret->reason, "rule \"%s\" says %s=%s, but %s, so it is only reported",
			   rule->name, key, verb_name(asked), why);

	ret->verb = asked;
	return say(&ret->reason, "rule \"%s\" says %s=%s", rule->name, key, verb_name(asked));
}

static const struct rule *rule_for_owner(const struct policy_context *ctx,
					 const struct incident *in, const struct owner *owner)
{
	for (size_t i = 0; i < ctx->config->n_rules; i++) {
		const struct rule *rule = &ctx->config->rules[i];

		if (!mismatch_of_device(rule, &in->device) && !mismatch_of_owner(rule, owner) &&
		    !mismatch_of_processes(rule, in))
			return rule;
	}
	return NULL;
}

const struct rule *verdict_hook_rule(const struct policy_context *ctx, const struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		const struct rule *rule = in->owners[i].kind == OWNER_FILE_DATA
						  ? rule_for_owner(ctx, in, &in->owners[i])
						  : NULL;

		if (rule && rule->hook && !rule->broken)
			return rule;
	}
	return NULL;
}

bool verdict_records_damage(const struct policy_context *ctx, const struct incident *in,
			    const struct owner *owner)
{
	const struct rule *rule = rule_for_owner(ctx, in, owner);

	return rule && rule->record_damage && !rule->broken;
}

/* What one owner's rule says about the repair. */
static int verdict_on_owner(const struct policy_context *ctx, const struct incident *in,
			    const struct owner *owner, struct repair_verdict *ret)
{
	const struct rule *rule = rule_for_owner(ctx, in, owner);
	const char *why;

	*ret = (struct repair_verdict){ .wish = REPAIR_NONE, .rule = rule };
	if (!rule)
		return say(&ret->reason, "no rule matches this %s",
			   owner ? owner_kind_name(owner->kind) : "device");
	if (rule->broken) {
		ret->reduced = rule->repair != REPAIR_NONE;
		return say(&ret->reason, "rule \"%s\" (%s:%u) was not understood", rule->name,
			   rule->file, rule->line);
	}

	why = rule->repair == REPAIR_NONE || !owner ? NULL : protect_owner(ctx, owner);
	if (why) {
		ret->reduced = true;
		return say(&ret->reason, "rule \"%s\" says Repair=%s, but %s", rule->name,
			   repair_wish_name(rule->repair), why);
	}
	ret->wish = rule->repair;
	ret->pause_holders = rule->pause_holders;
	return say(&ret->reason, "rule \"%s\" says Repair=%s", rule->name,
		   repair_wish_name(rule->repair));
}

/* Keep the milder of two wishes; pausing needs the leave of both. Takes over the reason of next. */
static void take_milder(struct repair_verdict *all, struct repair_verdict *next)
{
	bool pause = all->pause_holders && next->pause_holders;
	bool reduced = all->reduced || next->reduced || all->wish != next->wish;

	if (next->wish < all->wish) {
		free(all->reason);
		*all = *next;
	} else
		free(next->reason);
	all->pause_holders = pause;
	all->reduced = reduced;
}

static bool is_empty(const struct owner *owner)
{
	return owner->kind == OWNER_FREE || owner->kind == OWNER_UNWRITTEN;
}

/* Who would have to be stopped, but must not be? A SIGSTOP acts upon a process like any other. */
static bool may_pause_writers(const struct policy_context *ctx, const struct rule *rule,
			      const struct incident *in)
{
	for (size_t i = 0; i < in->n_holders; i++) {
		const struct holder *holder = &in->holders[i];
		bool writes = holder->open_writable;

		for (size_t j = 0; j < holder->n_mappings; j++)
			writes = writes || holder->mappings[j].writable;
		if (writes && (protect_process(ctx, rule, holder) || protect_cgroup(ctx, holder)))
			return false;
	}
	return true;
}

int verdict_on_repair(const struct policy_context *ctx, const struct incident *in,
		      struct repair_verdict *ret)
{
	static const struct owner unknown = { .kind = OWNER_UNKNOWN };
	struct repair_verdict all = {}, next;
	bool data_lost = !in->owners_complete;
	int r;

	if (incident_is_ram(in)) {
		*ret = (struct repair_verdict){ .wish = REPAIR_NONE };
		return say(&ret->reason, "plain memory has no media to repair");
	}
	for (size_t i = 0; i < in->n_owners; i++)
		data_lost = data_lost || !is_empty(&in->owners[i]);

	/* One more round than there are owners, for the one that we do not know, or for nobody. */
	for (size_t i = 0; i <= in->n_owners; i++) {
		const struct owner *owner = i < in->n_owners ? &in->owners[i] : NULL;

		if (owner && data_lost && is_empty(owner))
			continue;
		if (!owner && !in->owners_complete)
			owner = &unknown;
		if (!owner && in->n_owners)
			continue;
		r = verdict_on_owner(ctx, in, owner, &next);
		if (r < 0) {
			free(all.reason);
			return r;
		}
		if (all.reason)
			take_milder(&all, &next);
		else
			all = next;
	}
	all.pause_holders = all.pause_holders && may_pause_writers(ctx, all.rule, in);
	*ret = all;
	return 0;
}

/* Whoever acts looks again whether it still holds these: to hold another file's bytes is no
 * offence. */
static void mark_judged(const struct rule *rule, const struct incident *in, struct holder *holder)
{
	bool mapped = rule && holds_a_match(rule, in, holder, true);

	for (size_t i = 0; i < holder->n_holds; i++)
		holder->holds[i].judged = false;
	for (size_t i = 0; rule && i < in->n_owners; i++) {
		/* Ours to change: it is found in a holder that is. */
		struct held_owner *held =
			(struct held_owner *)holder_find_held(holder, owner_id_of(&in->owners[i]));

		if (held && (mapped ? held->maps : held->opens) &&
		    !mismatch_of_owner(rule, &in->owners[i]))
			held->judged = true;
	}
}

static int decide_holder(const struct policy_context *ctx, const struct incident *in,
			 struct holder *holder)
{
	_cleanup_(freep) char *reason = NULL;
	struct holder_verdict v;
	int r;

	r = verdict_on_holder(ctx, in, holder, &v);
	if (r < 0)
		return r;
	mark_judged(v.rule, in, holder);
	reason = v.reason;

	r = string_set(&holder->rule, v.rule ? v.rule->name : NULL);
	if (r < 0)
		return r;
	free(holder->reason);
	holder->reason = TAKE(reason);
	holder->action = v.verb;
	holder->signal_number = v.verb == VERB_SIGNAL ? v.rule->signal_number : 0;
	holder->grace_usec = v.verb == VERB_TERMINATE || v.verb == VERB_STOP_UNIT
				     ? v.rule->grace_usec
				     : 0;
	holder->restart_unit = v.verb == VERB_STOP_UNIT && v.rule->restart_unit;
	return 0;
}

/* A repair that was planned has its own reason; before, the field is ours. */
static int explain_reduced_wish(struct repair *repair, const struct repair_verdict *v)
{
	bool ours = !repair->state || !strcmp(repair->state, "none");
	_cleanup_(freep) char *detail = NULL;
	int r;

	if (!ours)
		return 0;
	r = string_set(&repair->reason, v->reduced ? "policy" : NULL);
	if (r < 0)
		return r;
	if (v->reduced) {
		r = say(&detail, "%s, and the least wish of all owners counts", v->reason);
		if (r < 0)
			return r;
	}
	return string_set(&repair->detail, detail);
}

static int decide_repair(const struct policy_context *ctx, struct incident *in)
{
	_cleanup_(freep) char *reason = NULL;
	struct repair_verdict v;
	int r;

	r = verdict_on_repair(ctx, in, &v);
	if (r < 0)
		return r;
	reason = v.reason;

	r = string_set(&in->repair.rule, v.rule ? v.rule->name : NULL);
	if (r < 0)
		return r;
	in->repair.wish = v.wish;
	in->repair.pause_holders = v.pause_holders;
	return explain_reduced_wish(&in->repair, &v);
}

int policy_decide(const struct policy_context *ctx, struct incident *in)
{
	int r;

	assert(ctx && ctx->config);
	assert(in);

	for (size_t i = 0; i < in->n_holders; i++) {
		r = decide_holder(ctx, in, &in->holders[i]);
		if (r < 0)
			return r;
	}
	return decide_repair(ctx, in);
}
