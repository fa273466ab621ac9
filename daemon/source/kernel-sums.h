/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-sums: corrected errors that the kernel side has added up, see bpf/poison-sums.h. */
#pragma once

#include <stdbool.h>

#include "source/kernel.h"

struct poison_sums;

/*
 * A REPORT_CORRECTED for each sum that has grown since the last time, and the next error of its page
 * is told at once again. What has not grown makes way for others. True: some have.
 */
bool kernel_sums_take(struct poison_sums *sums,
		      void (*each)(const struct kernel_report *report, void *userdata),
		      void *userdata);
