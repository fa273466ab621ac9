// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * privilege: see privilege.h.
 *
 * The main process keeps what its workers need, though it does not use all of that by itself: it
 * reads everybody's /proc and physical addresses, signals, and opens files of other users for its
 * feed, so that CAP_FOWNER and CAP_FSETID alone could be theirs. And what it has in its permitted
 * set, whoever takes it over can raise.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "cleanup.h"
#include "privilege.h"

struct need {
	cap_value_t capability;
	const char *name;
	const char *loss; /* without it */
	bool stays; /* after the start */
};

/* What each is needed for is measured: HACKING.md has the list. */
static const struct need needs[] = {
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "owners and physical addresses stay unknown", true },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "what other users' processes run and see stays unknown",
	  true },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "damaged files can't be opened", true },
	{ CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "other users' files can't be repaired", true },
	{ CAP_FOWNER, "CAP_FOWNER", "other users' files can't be repaired", true },
	{ CAP_FSETID, "CAP_FSETID", "a repair takes set-user-ID bits away", true },
	{ CAP_KILL, "CAP_KILL", "other users' processes can't be signalled", true },
	/* Without it their holders are stopped instead. */
	{ CAP_LEASE, "CAP_LEASE", NULL, true },
	{ CAP_CHOWN, "CAP_CHOWN", "root alone can use the sockets", false },
	/* Not told here: what can't be loaded or opened is. */
	{ CAP_SYSLOG, "CAP_SYSLOG", NULL, false },
	{ CAP_BPF, "CAP_BPF", NULL, false },
	{ CAP_PERFMON, "CAP_PERFMON", NULL, false },
};
#define N_NEEDS (sizeof(needs) / sizeof(needs[0]))

static void free_caps(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

static bool has(cap_t caps, cap_value_t capability, cap_flag_t flag)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, capability, flag, &value) == 0 && value == CAP_SET;
}

char *privilege_missing(void)
{
	_cleanup_(free_caps) cap_t caps = cap_get_proc(), none = cap_init();
	char *sentence = NULL;

	if (caps && none && cap_compare(caps, none) == 0)
		return strdup("no capabilities: owners, other users' processes and what the kernel "
			      "reports stay unknown, and nothing is repaired");
	for (size_t i = 0; caps && i < N_NEEDS; i++) {
		_cleanup_(freep) char *before = sentence;

		sentence = NULL;
		if (!needs[i].loss || has(caps, needs[i].capability, CAP_EFFECTIVE))
			sentence = TAKE(before);
		else if (asprintf(&sentence, "%s%swithout %s, %s", before ?: "", before ? "; " : "",
				  needs[i].name, needs[i].loss) < 0)
			return NULL;
	}
	return sentence;
}

static bool stays(cap_value_t capability)
{
	for (size_t i = 0; i < N_NEEDS; i++)
		if (needs[i].capability == capability)
			return needs[i].stays;
	return false;
}

static int drop_bounds(void)
{
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		if (!stays(c) && cap_get_bound(c) > 0 && cap_drop_bound(c) < 0)
			return -errno;
	return 0;
}

int privilege_drop(void)
{
	_cleanup_(free_caps) cap_t had = cap_get_proc(), kept = cap_init();
	int r;

	if (!had || !kept)
		return -errno;
	if (has(had, CAP_SETPCAP, CAP_EFFECTIVE)) {
		r = drop_bounds();
		if (r < 0)
			return r;
	}
	if (cap_reset_ambient() < 0)
		return -errno;
	for (size_t i = 0; i < N_NEEDS; i++) {
		cap_value_t c = needs[i].capability;

		if (!needs[i].stays || !has(had, c, CAP_PERMITTED))
			continue;
		if (cap_set_flag(kept, CAP_PERMITTED, 1, &c, CAP_SET) < 0 ||
		    cap_set_flag(kept, CAP_EFFECTIVE, 1, &c, CAP_SET) < 0)
			return -errno;
	}
	return cap_set_proc(kept) < 0 ? -errno : 0;
}
