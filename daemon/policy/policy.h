/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: what shall be done to each holder and to the media, and why.
 *
 *   holders -> [policy] -> respond, repair
 *
 * Pure: an incident and a config in, verdicts out; nothing is touched. First matching rule wins, for each holder on
 * its own (its user, unit, exe and the file it holds), and for the repair (the owners and the device; rules that
 * ask for a holder's property can't match a repair when nobody holds it).
 *
 * Never acted upon, whatever a rule says: pid 1, kernel threads, hwpoisond itself and its control clients; and
 * systemd-journald, dbus and sshd unless a rule names them in Unit= or Exe= without a wildcard. A file or cgroup with
 * xattr user.hwpoisond.avoid is only reported.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "incident.h"
#include "policy/config.h"

struct policy_context {
	const struct config *config;
	int proc_fd;			/* to tell kernel threads; stays the caller's */
	pid_t self;			/* hwpoisond's pid */
	const pid_t *control_clients;	/* pids on our control socket */
	size_t n_control_clients;
	const char *cgroup_root;	/* "/sys/fs/cgroup"; NULL: xattrs of cgroups are not asked */
};

/* Set action, signal_number, grace_usec, rule and reason of every holder, and wish, rule and pause_holders of the repair. 0, -ENOMEM. */
int policy_decide(const struct policy_context *ctx, struct incident *in);

/* Which rule would catch this file, or a process that holds it? Lines of JSON for `policy explain`: an object
 * {"file","repair":{"rule","wish","reason"},"holders":[{pid,comm,"action","rule","reason"}],"rules":[{"rule","matches","reason"}]}. A new
 * reference; NULL: out of memory. */
struct json_object *policy_explain(const struct policy_context *ctx, const struct incident *in);

/* Rules that can never match (shadowed by an earlier one that matches everything, contradictory keys), one sentence each through on_problem. */
void policy_check(const struct config *config, config_problem on_problem, void *userdata);

/* "*" stays within a directory, "**" crosses. For tests. */
bool path_glob_match(const char *glob, const char *path);
