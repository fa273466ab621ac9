/* SPDX-License-Identifier: GPL-2.0-or-later */
/* restore-private: what restore.c and restore-exchange.c share. */
#pragma once

#include <json-c/json.h>

#include "incident.h"
#include "repair/restore.h"
#include "repair/result.h"

/* Sectors of one page that are lost and follow each other. */
struct lost_run {
	uint64_t phys_start;
	uint32_t length_bytes; /* less than whole sectors at the end of the file */
	bool given;
	uint8_t data[PAGE_BYTES];
};

/* A page for which nothing was asked, as its repair would wait. */
struct waiting_page {
	uint64_t phys_start;
	struct page_result result;
};

struct restore {
	struct lost_run *runs; /* sorted */
	size_t n_runs;
	struct waiting_page *waiting;
	size_t n_waiting;
};

/* The name of the file in which the bytes of a run are expected. */
struct run_name {
	char text[32];
};
struct run_name restore_name(const struct lost_run *run);

/* The incident, with "restore" beside its own members. A new reference; NULL: out of memory. */
struct json_object *restore_question(const struct incident *in, const struct restore *r,
				     const char *directory);

/*
 * Read what lies in the directory of a hook that has ended, of which everything is hostile. Number
 * of runs that were given; *ret_complaint (a literal; NULL: none) is about the first that was not
 * as it must be.
 */
size_t restore_read(struct restore *r, int dir_fd, uid_t writer, const char **ret_complaint);
