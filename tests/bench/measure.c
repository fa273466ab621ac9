// SPDX-License-Identifier: GPL-2.0-or-later
/* measure: see measure.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "measure.h"

double wall_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

double cpu_msec(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double msec = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage u;

		getrusage(whose[i], &u);
		msec += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
	}
	return msec;
}

static int compare(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return (l > r) - (l < r);
}

double percentile(double *all, size_t n, double percent)
{
	size_t at = (size_t)((double)n * percent / 100);

	qsort(all, n, sizeof(*all), compare);
	return all[at < n ? at : n - 1];
}

double median(double *all, size_t n)
{
	return percentile(all, n, 50);
}

/* ---- lines ---- */

static struct json_object *line_new(const char *benchmark, const char *key, const char *text)
{
	struct json_object *line = json_object_new_object();

	json_object_object_add(line, "benchmark", json_object_new_string(benchmark));
	json_object_object_add(line, key, json_object_new_string(text));
	return line;
}

struct json_object *row_new(const char *benchmark, const char *row)
{
	return line_new(benchmark, "row", row);
}

/* Six digits are more than any of it is exact to. */
void row_put(struct json_object *row, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), value == floor(value) ? "%.0f" : "%.6g", value);
	json_object_object_add(row, key, json_object_new_double_s(value, text));
}

void row_print(struct json_object *row)
{
	puts(json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(row);
}

void print_title(const char *benchmark, const char *title)
{
	row_print(line_new(benchmark, "title", title));
}

static void print_claim(const char *benchmark, const char *claim, double value, const char *bound,
			double limit, bool is_met)
{
	struct json_object *line = line_new(benchmark, "claim", claim);

	row_put(line, "value", value);
	row_put(line, bound, limit);
	json_object_object_add(line, "met", json_object_new_boolean(is_met));
	row_print(line);
}

void claim_at_most(const char *benchmark, const char *claim, double value, double limit)
{
	print_claim(benchmark, claim, value, "at_most", limit, value <= limit);
}

void claim_at_least(const char *benchmark, const char *claim, double value, double limit)
{
	print_claim(benchmark, claim, value, "at_least", limit, value >= limit);
}

void die(const char *what, int r)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}
