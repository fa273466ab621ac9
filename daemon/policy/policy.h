/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: what shall be done to each holder and to the media, and why.
 *
 *   holders -> [policy] -> respond, repair
 *
 * An incident and a config in, verdicts out; nothing is touched, and only /proc and extended
 * attributes are read. The first matching rule wins, in file order.
 *
 * For a holder a rule matches if the device, the process and at least one owner do that it holds
 * itself: of files that share the lost bytes, not those of others. The first rule that matches an
 * owner that it maps says what happens to it as a holder; only where there is none, the first that
 * matches an owner that it has open, as an opener.
 *
 * For the repair each owner has its own first matching rule, and the least of these wishes counts:
 * to repair a shared block changes all of its owners. A rule that asks for a property of a holder
 * matches if a holder has it. Free and unwritten media have a say only where nothing else is lost,
 * and where the owners are not known completely, the unknown one counts as one that no Path=
 * matches.
 *
 * Never acted upon, whatever a rule says: pid 1, kernel threads, hwpoisond itself and its control
 * clients; and systemd-journald, dbus and sshd unless the rule names them in Unit= or Exe= without
 * a wildcard. Where a file or a cgroup has the extended attribute user.hwpoisond.avoid, its
 * holders are only reported, but not those of another file that shares the block; such a file is
 * not repaired either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "incident.h"
#include "policy/config.h"

struct policy_context {
	const struct config *config;
	int proc_fd;			/* to tell kernel threads; stays the caller's; -1: don't */
	pid_t self;			/* hwpoisond's pid */
	const pid_t *control_clients;	/* pids on our control socket */
	size_t n_control_clients;
	const char *cgroup_root;	/* "/sys/fs/cgroup"; NULL: no attributes of cgroups */
};

/*
 * Set action, signal_number, grace_usec, rule and reason of every holder, and wish, rule and
 * pause_holders of the repair. Where a repair was wished for and policy says less, its reason is
 * "policy" and its detail says why, unless a repair has been planned already. 0, -ENOMEM.
 */
int policy_decide(const struct policy_context *ctx, struct incident *in);

/*
 * What would policy do about this file? {"file","repair":{"rule","wish","reason"},
 * "holders":[{"pid","comm","action","rule","reason"}],"rules":[{"rule","matches","reason"}]}. A
 * new reference; NULL: out of memory.
 */
struct json_object *policy_explain(const struct policy_context *ctx, const struct incident *in);

/*
 * What do the rules say of this process, whatever it holds? {"pid","comm","exe","uid","unit",
 * "cgroup","spared","rules":[{"rule","matches","reason"}]}; spared: why nothing is done to it
 * unless a rule names it. A new reference; NULL: out of memory.
 */
struct json_object *policy_explain_process(const struct policy_context *ctx,
					   const struct holder *holder);

/* The verdict on one process of the incident: {"action","rule","reason"}, added to *f. */
struct json_fields;
void policy_put_verdict(struct json_fields *f, const struct policy_context *ctx,
			const struct incident *in, const struct holder *holder);

/*
 * Rules that can never match, because an earlier one catches all that they could or because their
 * own keys exclude each other: one sentence each through on_problem.
 */
void policy_check(const struct config *config, config_problem on_problem, void *userdata);

/* "*" stays within a directory, "**" crosses. For tests. */
bool path_glob_match(const char *glob, const char *path);
