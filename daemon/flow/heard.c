// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/heard: what the kernel reports of a range becomes part of its incident.
 *
 *   correlate -> hearing -> [flow/heard] -> the incident, and a look at what is bad now
 *
 * The kernel may have handled the page, and signalled or killed processes, before or after we came
 * to know of the range. That is told, and nobody repeats it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow-private.h"

static int note(struct holder *holder, int code)
{
	_cleanup_(freep) char *both = NULL;
	const char *said = code == BUS_MCEERR_AR ? "signalled by the kernel (BUS_MCEERR_AR)"
						 : "signalled by the kernel (BUS_MCEERR_AO)";

	if (holder->reason && strstr(holder->reason, "signalled by the kernel"))
		return 0;
	if (asprintf(&both, "%s%s%s", said, holder->reason ? "; " : "", holder->reason ?: "") < 0)
		return -ENOMEM;
	return string_set(&holder->reason, both) ?: 1;
}

static bool has_signal(const struct kernel_deed *deed, const struct case_signal *signal)
{
	for (size_t i = 0; i < deed->n_signals; i++)
		if (deed->signals[i].pid == signal->pid &&
		    deed->signals[i].start_ticks == signal->start_ticks &&
		    deed->signals[i].code == signal->code)
			return true;
	return false;
}

/* 1: something is new. */
static int take_signals(struct kernel_deed *deed, const struct failure_case *c)
{
	int any = 0;

	for (unsigned i = 0; i < c->n_signals && deed->n_signals < KERNEL_SIGNALS_MAX; i++) {
		struct kernel_signal *new;

		if (has_signal(deed, &c->signals[i]))
			continue;
		new = kernel_deed_add_signal(deed);
		if (!new)
			return -ENOMEM;
		new->pid = c->signals[i].pid;
		new->start_ticks = c->signals[i].start_ticks;
		new->code = c->signals[i].code;
		new->virt_start = c->signals[i].virt_start;
		any = string_set(&new->comm, c->signals[i].comm) ?: 1;
	}
	return any;
}

/*
 * The first thing that the kernel said of the page stays, but for a result that tells more: of a
 * page that was lost before it only says so.
 */
static bool take_deed(struct kernel_deed *deed, const struct failure_case *c)
{
	bool any = take_signals(deed, c) > 0;

	if (deed->page_type && !strcmp(c->result, "already-poisoned"))
		return any;
	if (deed->page_type && !strcmp(deed->page_type, c->page_type) &&
	    !strcmp(deed->result, c->result))
		return any;
	return string_set(&deed->page_type, c->page_type) == 0 &&
	       string_set(&deed->result, c->result) == 0;
}

bool flow_note_kernel(struct journey *j)
{
	const struct correlate *correlate = j->flow->parts.correlate;
	const struct failure_case *c = correlate_case(correlate, j->in->phys);
	uint32_t sources = j->in->sources | correlate_sources(correlate, j->in->phys);
	bool any = sources != j->in->sources;

	j->in->sources = sources;
	if (c && take_deed(&j->in->kernel, c))
		any = true;
	for (size_t i = 0; i < j->in->n_holders; i++) {
		struct holder *holder = &j->in->holders[i];
		int code = correlate_signalled(correlate, j->in->phys, holder->pid,
					       holder->start_ticks);

		if (code && note(holder, code) > 0)
			any = true;
	}
	return any;
}

void flow_heard(struct flow *f, struct range phys)
{
	struct range piece;
	struct journey *j;
	size_t at = 0;

	while ((j = journey_next_in(f, phys, &at)))
		if (flow_note_kernel(j))
			flow_save(f, j->in);
	if (address_map_find(nvdimm_map(f->parts.nvdimm), phys, &piece))
		flow_rescan_soon(f);
}

void flow_given_back(struct flow *f, struct range phys)
{
	struct range piece;

	if (address_map_find(nvdimm_map(f->parts.nvdimm), phys, &piece))
		flow_rescan_soon(f);
	else
		ram_end_gone(f, phys);
}
