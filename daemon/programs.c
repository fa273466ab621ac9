// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * programs: see programs.h.
 *
 *   SkipBPF= -> [programs] -> programs-load
 *
 * A list of its own, and not what the objects hold: a configuration is also checked by a build
 * without BPF. tests/unit/test-programs.c compares the two.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "programs.h"

static const struct place places[] = {
	{ "mce_record", PLACE_TRACEPOINT, "machine checks are known by their consequences only" },
	{ "memory_failure_event", PLACE_TRACEPOINT,
	  "what kind of page was lost, and what the kernel did about it, stays unknown" },
	{ "signal_generate", PLACE_TRACEPOINT, "whom the kernel signalled stays unknown" },
	{ "mc_event", PLACE_TRACEPOINT, "corrected errors of memory controllers are not counted" },
	{ "extlog_mem_event", PLACE_TRACEPOINT,
	  "corrected errors that firmware logs are not counted" },
	{ "memory_failure", PLACE_FUNCTION,
	  "when the kernel began with a page, and pages that were poisoned before, stay unknown" },
	{ "mf_dax_kill_procs", PLACE_FUNCTION,
	  "for which files of a lost page the kernel looked for processes stays unknown" },
	{ "soft_offline_page", PLACE_FUNCTION, "pages that are taken out of use are not told" },
	{ "hwpoison_filter", PLACE_FUNCTION,
	  "whose page of plain memory was lost is known only where the map of pages can be found" },
	{ "unpoison_memory", PLACE_FUNCTION,
	  "pages that a test gives back stay open until a restart" },
	{ "task_vma", PLACE_ITERATOR, "holders are looked for in /proc, which takes longer" },
	{ "task_file", PLACE_ITERATOR, "holders are looked for in /proc, which takes longer" },
};
#define N_PLACES (sizeof(places) / sizeof(places[0]))

static_assert(N_PLACES <= 32, "one bit for each");

const struct place *program_place(unsigned i)
{
	return i < N_PLACES ? &places[i] : NULL;
}

int program_find(const char *name)
{
	for (unsigned i = 0; i < N_PLACES; i++)
		if (!strcmp(places[i].name, name))
			return (int)i;
	return -ENOENT;
}
