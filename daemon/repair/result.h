/* SPDX-License-Identifier: GPL-2.0-or-later */
/* result: what came of the repair of one page. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct page_result {
	const char *state; /* "done", "waiting", "failed"; static */
	const char *reason; /* machine word, NULL where there is nothing to add; static */
	char detail[256]; /* the same as a sentence, "" where the word is enough */
	uint64_t zeroed_bytes;
	uint64_t salvaged_bytes;
	uint64_t restored_bytes;
};

/* Set state, reason and detail. Always 1: "the outcome is known, go no further". */
int result_stop(struct page_result *result, const char *state, const char *reason,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Is this error no outcome, as nobody would hear of it: no memory, no ledger, no daemon? */
bool result_is_no_outcome(int r);

/* What an error of the filesystem means for a page of which nothing was changed yet. 1, or r itself
 * where it is no outcome. */
int result_explain(struct page_result *result, int r);
