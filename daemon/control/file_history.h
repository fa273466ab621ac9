/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file_history: what the ledger says about one file. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "ledger/ledger.h"

/* A file as it is now. */
struct file_id {
	const char *path;	/* absolute, without symlinks */
	dev_t dev;
	uint64_t inode;
	uint32_t generation;	/* 0: the filesystem does not tell */
};

/*
 * A page of the record: {"rows":[{"incident":{...},"losses":[...]}],"last":17}, the incidents whose
 * numbers come after `after`; without rows: there are no more. Short enough to be read between two
 * events. *ret is a new reference. 0 or negative errno.
 */
int history_page(struct ledger *ledger, uint64_t after, struct json_object **ret);
typedef int (*history_pages)(uint64_t after, struct json_object **ret, void *userdata);

/*
 * Every incident that each file, or one of the same name before it, was an owner of: appended to
 * entries[i] of files[i], which are arrays. 0; -EUCLEAN: some of the record could not be read; or
 * another negative errno.
 */
int file_history(history_pages pages, void *userdata, const struct file_id *files,
		 struct json_object *const *entries, size_t n);
