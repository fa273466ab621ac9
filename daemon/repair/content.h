/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * content: does a block device carry a filesystem or partitions, as udev's own probe found?
 *
 * From udev's database, not from the device: nothing is read that a machine check may have hit.
 */
#pragma once

/*
 * *ret_type (the caller's to free) is "xfs", "gpt", ... 1: it carries that; 0: nothing that udev
 * knows; -ENODATA: udev has not looked at it (yet), or does not run; or another negative errno.
 */
int content_of(const char *blockdev, char **ret_type);
