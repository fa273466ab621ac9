/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protect: who is never acted upon, whatever a rule says. */
#pragma once

#include "policy/policy.h"

/*
 * Why this process must not be touched under this rule, as the rest of a sentence ("pid 1 is never
 * acted upon"), or NULL: nothing speaks against it. Without a rule (NULL) nobody is named by one.
 */
const char *protect_process(const struct policy_context *ctx, const struct rule *rule,
			    const struct holder *holder);

/* Why its unit must not, or cannot, be stopped: for another process in it, for one. */
const char *protect_unit(const struct policy_context *ctx, const struct rule *rule,
			 const struct holder *holder);

/* Does the path carry the attribute user.hwpoisond.avoid, or is that not to be known? */
bool protect_says_avoid(const char *path);

/* The same for the attribute user.hwpoisond.avoid: of its cgroup or one above; of an owner. */
const char *protect_cgroup(const struct policy_context *ctx, const struct holder *holder);
const char *protect_owner(const struct policy_context *ctx, const struct owner *owner);
