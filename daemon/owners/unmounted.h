/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unmounted: bytes that no mounted filesystem keeps: of a block device, or of a dax device. */
#pragma once

#include <sys/types.h>

#include "incident.h"

/*
 * Add the owner of bytes of block device `name`, from which nothing is mounted and on which nothing
 * is built: raw. 1: it is in use by what cannot be seen here, nothing was added; 0; or negative
 * errno.
 */
int unmounted_ask(const char *name, dev_t dev, struct range phys, struct incident *in);

/*
 * Add the owner of bytes of a devdax namespace, with their offset in its character device. 0 or
 * -ENOMEM.
 */
int devdax_ask(struct incident *in);
