/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hints: which inode had which blocks when all were last looked at, so that the next search begins
 * with those that had the bytes then.
 *
 * Nothing is believed because it is here: each inode that a hint names is asked itself, and that
 * no hint names one means nothing. So a list that is old, cut or wrong costs time only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "owners/unowned.h"

struct hints_writer;

/*
 * A new list for the filesystem `dev`, in a directory that only root can write to. It takes the
 * place of the old one when it is finished, and is dropped if it is not. 0 or negative errno.
 */
int hints_begin(const char *directory, dev_t dev, struct hints_writer **ret);
int hints_add(struct hints_writer *w, uint64_t inode, struct range bytes);

/*
 * `whole`: every inode was looked at; a list of a part of them does not replace a longer one. Frees
 * w in any case. 0 or negative errno.
 */
int hints_finish(struct hints_writer *w, bool whole);
struct hints_writer *hints_drop(struct hints_writer *w); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct hints_writer *, hints_drop);

/*
 * Remove lists, the one that was not used for longest first, until what is left is little enough to
 * keep: filesystems go, or get another number, and nobody tells. hints_finish() does it.
 */
void hints_prune(int directory_fd);

/*
 * Inodes that had any of the ranges, sorted, each once. *ret is the caller's. 0, also where there
 * is no list; or negative errno.
 */
int hints_find(const char *directory, dev_t dev, const struct unowned *u, uint64_t **ret,
	       size_t *ret_n);
