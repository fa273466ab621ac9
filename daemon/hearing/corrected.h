/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corrected: errors that the hardware corrected, which can come by the million.
 *
 *   hearing -> [corrected] -> hearing
 *
 * In a period, the first of each page and DIMM is told at once; what follows is counted and told at
 * the end of the period, as one sum for each. Every error is in exactly one count that is told. Of
 * more pages than the table has room for, one sum for each DIMM is told; of more DIMMs, "others".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "source/kernel.h"

struct corrected_count {
	uint64_t phys_start;	/* of the page; 0: not known, or of many */
	int controller;		/* -1: not known */
	char label[64];
	uint64_t n;		/* since it was last told */
};

struct corrected;

struct corrected *corrected_new(void (*tell)(const struct corrected_count *count, void *userdata),
				void *userdata);
struct corrected *corrected_free(struct corrected *c);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct corrected *, corrected_free);

/* True: this begins a period, at whose end corrected_flush() is due. */
bool corrected_take(struct corrected *c, const struct kernel_report *report);
void corrected_flush(struct corrected *c);
