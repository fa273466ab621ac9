/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs: one attribute of one directory, as a line of text or as a number. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SYSFS_ND_DEVICES "/sys/bus/nd/devices"
#define SYSFS_BLOCK	 "/sys/class/block"

/*
 * The line that `name`, a path below dir_fd, holds: without its newline. 0, -ENOBUFS: it is longer
 * than n_bytes - 1, -EBADMSG: not one line of text, or another negative errno. *buffer is set when
 * 0.
 */
int sysfs_read_line(int dir_fd, const char *name, char *buffer, size_t n_bytes);

/* A decimal number, or with 0x a hexadecimal one. 0, -EBADMSG, -ERANGE or another negative errno. */
int sysfs_read_u64(int dir_fd, const char *name, uint64_t *ret);

/* A directory, to read attributes below: an fd or negative errno. */
int sysfs_open_dir(int dir_fd, const char *name);
