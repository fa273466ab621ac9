/* SPDX-License-Identifier: GPL-2.0-or-later */
/* views: where else the file of an owner is to be seen. */
#pragma once

#include "incident.h"
#include "owners/inside.h"
#include "owners/mounts.h"
#include "owners/wanted.h"

/* More than these of one owner are left out, and that is told. */
#define VIEWS_MAX 64u

/* Overlays with a layer on one filesystem. */
struct views;

/* in, mounts and mount_root must outlive *ret. 0 or -ENOMEM. */
int views_new(int proc_fd, const struct mounts *mounts, const struct inside *in,
	      const char *mount_root, struct views **ret);
struct views *views_free(struct views *v);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct views *, views_free);

/*
 * Add to an owner that has its paths all other places, each looked at. The names are those from the
 * filesystem's own root. 0 or -ENOMEM.
 */
int views_find(const struct views *v, const struct wanted_inode *names, struct owner *owner);
