/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlay: which directories an overlay is made of, and whether it shows a file of one of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "owners/mounts.h"

/* More layers than the kernel takes. */
#define OVERLAY_MAX_LAYERS 512u

struct overlay_layers {
	char **paths;		/* as the mounter gave them, topmost first */
	size_t n;
};

/*
 * From the options of the superblock, as mountinfo has them. 0; -EBADMSG: none are named; or
 * -ENOMEM.
 */
int overlay_parse(const char *options, struct overlay_layers *ret);
void overlay_layers_done(struct overlay_layers *layers);

/*
 * Open a layer as the mount namespace of root_fd sees it, O_PATH. fd; -ENOENT where its path was
 * relative to a directory that we do not know; or another negative errno.
 */
int overlay_open_layer(int root_fd, const char *path);

/*
 * Does no layer above the k-th hide `below` (a path without a slash in front) of it? is_directory:
 * directories are merged instead of hidden. Where that cannot be told for sure, it is hidden.
 */
bool overlay_shows(int root_fd, const struct overlay_layers *layers, size_t k, const char *below,
		   bool is_directory);

/*
 * Add the names under which overlays of our own mount namespace show the files of `paths`. proc_fd:
 * an open /proc, stays the caller's. 0 or -ENOMEM; what can't be read shows nothing.
 */
int overlay_add_names(int proc_fd, char ***paths);
