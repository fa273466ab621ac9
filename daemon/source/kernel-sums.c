// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-sums: see kernel-sums.h.
 *
 *   bpf/poison.bpf.c -> the table -> [kernel-sums] -> hearing -> corrected
 *
 * The kernel goes on adding meanwhile. A sum is first made to tell its next error, then taken: an
 * error between the two is in the sum that is taken, or in the next one. None of this waits.
 */
#include <string.h>

#include "bpf/poison-sums.h"
#include "source/kernel-sums.h"

/* One that was quiet all the time is free for another page: an error that comes to it just now is
 * found when we look the next time. */
static uint64_t take_number(struct poison_sum *sum)
{
	bool was_counting = poison_sum_change(sum, POISON_SUM_COUNTING, POISON_SUM_QUIET);
	uint64_t n = __atomic_exchange_n(&sum->n, 0, __ATOMIC_ACQ_REL);

	if (!was_counting && !n)
		poison_sum_change(sum, POISON_SUM_QUIET, POISON_SUM_FREE);
	return n;
}

static bool has_key(const struct poison_sum *sum)
{
	__u32 state = __atomic_load_n(&sum->state, __ATOMIC_ACQUIRE);

	return state >= POISON_SUM_QUIET ||
	       (state == POISON_SUM_FREE && __atomic_load_n(&sum->n, __ATOMIC_RELAXED));
}

static bool take(struct poison_sum *sum,
		 void (*each)(const struct kernel_report *report, void *userdata), void *userdata)
{
	char label[POISON_LABEL_BYTES];
	struct kernel_report report = {
		.kind = REPORT_CORRECTED,
		.controller = sum->controller <= 255 ? (int)sum->controller : -1,
		.label = label,
	};

	if (!has_key(sum))
		return false;
	/* Before it is free: then another page may come in. */
	memcpy(label, sum->label, sizeof(label));
	label[sizeof(label) - 1] = '\0';
	if (!*label)
		strcpy(label, "unknown");
	if (sum->phys_start)
		report.phys = (struct range){ sum->phys_start, POISON_PAGE_BYTES };
	report.count = take_number(sum);
	if (report.count)
		each(&report, userdata);
	return report.count > 0;
}

bool kernel_sums_take(struct poison_sums *sums,
		      void (*each)(const struct kernel_report *report, void *userdata),
		      void *userdata)
{
	bool any = false;

	for (unsigned i = 0; i < POISON_N_PAGE_SUMS; i++)
		any = take(&sums->pages[i], each, userdata) || any;
	for (unsigned i = 0; i < POISON_N_DIMM_SUMS; i++)
		any = take(&sums->dimms[i], each, userdata) || any;
	return any;
}
