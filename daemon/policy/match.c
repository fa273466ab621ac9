// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * match: does a rule apply?
 *
 *   config -> [match] -> policy
 *
 * In:   one rule, and a device, an owner or a process.
 * Out:  the key that does not match, which is what an administrator wants to know.
 *
 * A key that asks for something that is not there (a path of free space, the unit of a process
 * outside of any) does not match: what we don't know must not select.
 */
#include <assert.h>
#include <string.h>

#include "policy/glob.h"
#include "policy/match.h"

static bool name_matches(const char *glob, const char *name)
{
	return name && name_glob_match(glob, name);
}

const char *mismatch_of_device(const struct rule *rule, const struct device *device)
{
	if (!rule->device || name_matches(rule->device, device->blockdev) ||
	    name_matches(rule->device, device->chardev) ||
	    name_matches(rule->device, device->namespace_name) ||
	    name_matches(rule->device, device->region) || name_matches(rule->device, device->bus))
		return NULL;
	return "Device";
}

static bool any_path_matches(const char *glob, char *const *paths)
{
	for (; paths && *paths; paths++)
		if (path_glob_match(glob, *paths))
			return true;
	return false;
}

/* In our own mount namespace: what a container calls its files is its own affair. */
static bool any_view_matches(const char *glob, const struct owner *owner)
{
	for (size_t i = 0; i < owner->n_views; i++)
		if (!owner->views[i].mount_pid && path_glob_match(glob, owner->views[i].path))
			return true;
	return false;
}

static bool path_matches(const char *glob, const struct owner *owner)
{
	return owner && (any_path_matches(glob, owner->paths) || any_view_matches(glob, owner));
}

const char *mismatch_of_owner(const struct rule *rule, const struct owner *owner)
{
	if (rule->path && !path_matches(rule->path, owner))
		return "Path";
	if (rule->mountpoint &&
	    !(owner && owner->mountpoint && path_glob_match(rule->mountpoint, owner->mountpoint)))
		return "Mountpoint";
	if (rule->owner_kind != OWNER_ANY && !(owner && (int)owner->kind == rule->owner_kind))
		return "Owner";
	return NULL;
}

/* An executable that was replaced by an update goes on as "/usr/bin/x (deleted)". */
static bool exe_matches(const char *glob, const char *exe)
{
	static const char deleted[] = " (deleted)";
	_cleanup_(freep) char *before = NULL;
	size_t n;

	if (!exe)
		return false;
	if (path_glob_match(glob, exe))
		return true;
	n = strlen(exe);
	if (n < strlen(deleted) || strcmp(exe + n - strlen(deleted), deleted))
		return false;
	before = strndup(exe, n - strlen(deleted));
	return before && path_glob_match(glob, before);
}

const char *mismatch_of_process(const struct rule *rule, const struct holder *holder)
{
	if (rule->unit && !name_matches(rule->unit, holder->unit))
		return "Unit";
	if (rule->uid != UID_ANY && rule->uid != holder->uid)
		return "User";
	if (rule->exe && !exe_matches(rule->exe, holder->exe))
		return "Exe";
	if (rule->cgroup && !(holder->cgroup && path_glob_match(rule->cgroup, holder->cgroup)))
		return "Cgroup";
	return NULL;
}

const char *mismatch_of_owners(const struct rule *rule, const struct incident *in)
{
	const char *key = mismatch_of_owner(rule, NULL);

	for (size_t i = 0; key && i < in->n_owners; i++)
		key = mismatch_of_owner(rule, &in->owners[i]);
	return key;
}

bool asks_for_process(const struct rule *rule)
{
	return rule->unit || rule->uid != UID_ANY || rule->exe || rule->cgroup;
}

const char *mismatch_of_processes(const struct rule *rule, const struct incident *in)
{
	const char *key = asks_for_process(rule) ? "Unit, User, Exe or Cgroup" : NULL;

	for (size_t i = 0; key && i < in->n_holders; i++)
		key = mismatch_of_process(rule, &in->holders[i]);
	return key;
}
