/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure: clocks, medians, and the lines that tests/bench/run makes a table of.
 *
 *   a benchmark ──► [measure] ──► lines of JSON ──► run
 *
 * A key tells its unit at its end, as names do elsewhere: wall_msec, p50_usec, peak_bytes; a ratio
 * tells what it is of: wall_x_bare. Rows of one benchmark that have a key in common share a column.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

double wall_msec(void);		/* CLOCK_MONOTONIC */
double cpu_msec(void);		/* of ourselves, and of all children that we have waited for */

/* What so many percent of them are not above. Sorts them; n > 0. */
double percentile(double *all, size_t n, double percent);
double median(double *all, size_t n);

/* First: in a sentence, what is measured. */
void print_title(const char *benchmark, const char *title);

struct json_object *row_new(const char *benchmark, const char *row);
void row_put(struct json_object *row, const char *key, double value);
void row_print(struct json_object *row); /* frees it */

/* What ought to hold of these figures. run says whether it does. */
void claim_at_most(const char *benchmark, const char *claim, double value, double limit);
void claim_at_least(const char *benchmark, const char *claim, double value, double limit);

_Noreturn void die(const char *what, int r);	/* r: negative errno */
