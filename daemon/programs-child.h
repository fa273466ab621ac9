/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs-child: BPF programs are loaded in a child process, which hands us their descriptors.
 *
 * Loading takes 15 MB for the kernel's types and goes through a good deal of code; none of it is
 * needed again, and none of it then was ours.
 */
#pragma once

#include <stddef.h>

#define PROGRAMS_MAX_FDS 32

/* Runs in the child. Fills `result`, which is plain bytes, and those of fds that it has. */
typedef void (*programs_loader)(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata);

/*
 * 0 with *ret_result and ret_fds as the child left them (-1: none), or negative errno: -ETIME the
 * child is stuck, -ECHILD it died.
 */
int programs_load_in_child(programs_loader run, void *userdata, void *ret_result, size_t n_bytes,
			   int ret_fds[static PROGRAMS_MAX_FDS]);
