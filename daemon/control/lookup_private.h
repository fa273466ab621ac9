/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_private: what lookup_file.c and lookup_process.c share. */
#pragma once

#include "incident.h"

/*
 * The device of a filesystem: known in full on an NVDIMM, by name on another disk, not at all
 * elsewhere. 0 or negative errno.
 */
int lookup_device(dev_t dev, struct device *ret);

/* Filesystem and mount point of an owner of which dev is known. 0 or negative errno. */
int lookup_mount(int proc_fd, struct owner *owner);
