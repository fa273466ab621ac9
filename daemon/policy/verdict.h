/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict: what policy says, before it is written into an incident or shown. */
#pragma once

#include "policy/policy.h"

struct holder_verdict {
	enum verb verb;
	const struct rule *rule;	/* NULL: none matched */
	char *reason;
};

struct repair_verdict {
	enum repair_wish wish;
	const struct rule *rule;	/* that gave the least wish; NULL: none matched an owner */
	bool pause_holders;
	bool reduced;			/* a rule wished for more, for some owner */
	char *reason;
};

/* 0 or -ENOMEM. The reason is the caller's to free. */
int verdict_on_holder(const struct policy_context *ctx, const struct incident *in,
		      const struct holder *holder, struct holder_verdict *ret);
int verdict_on_repair(const struct policy_context *ctx, const struct incident *in,
		      struct repair_verdict *ret);

/* Does this owner's rule want what is lost to be recorded with the file? */
bool verdict_records_damage(const struct policy_context *ctx, const struct incident *in,
			    const struct owner *owner);

/* The first rule for an owner, in the order of the owners, that has a hook; NULL: none. */
const struct rule *verdict_hook_rule(const struct policy_context *ctx, const struct incident *in);
