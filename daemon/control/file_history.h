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
 * Every incident that this file, or one of the same name before it, was an owner of, as an array:
 * a new reference, empty where there is none. 0; -EUCLEAN: some of the ledger could not be read,
 * and *ret is the rest; or another negative errno, without *ret.
 */
int file_history(struct ledger *ledger, const struct file_id *file, struct json_object **ret);
