/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlay: what the file of one layer is called in the overlays that show it. */
#pragma once

#include "strv.h"

/*
 * Add the names under which overlays of our own mount namespace show the files of `paths`. proc_fd:
 * an open /proc, stays the caller's. 0 or -ENOMEM; what can't be read shows nothing.
 */
int overlay_add_names(int proc_fd, char ***paths);
