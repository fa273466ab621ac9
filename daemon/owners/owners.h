/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owners: what the filesystems keep in a poisoned range.
 *
 *   locate -> [owners] -> holders
 *
 * In: incidents whose device is known. Out: owners, owners_complete and owners_reason of each,
 * replaced whole. Reads only: ioctls on an fd of each mount, never the block device's data. May
 * take long (a directory pass over a filesystem): call it in a worker. Needs CAP_SYS_ADMIN
 * (GETFSMAP hides inodes without) and CAP_DAC_READ_SEARCH.
 */
#pragma once

#include <stddef.h>

#include "incident.h"
#include "owners/scan_how.h"

/*
 * Fill in all n incidents, with one directory pass per filesystem at most, and one search through
 * all inodes where there is no reverse map. `how` may be NULL; with how->at_once only what is quick: owners_searching
 * says of which incidents a search could tell more. 0 or negative errno (out of memory); what one
 * filesystem refuses is said in that incident's owners_reason.
 */
int owners_find(struct incident **incidents, size_t n_incidents, const struct scan_how *how);

/*
 * Who owns these bytes of the block device on which fs_fd lies, now? The check before each
 * irreversible step. Appends to in->owners what GETFSMAP says, with generation but without paths
 * and mountpoint. phys_of_fs is the physical address of byte 0 of that block device (the
 * partition, where it is one). in->owners_complete becomes true if in had no owners yet and every
 * byte is accounted for; where something is unknown it becomes false, and owners_reason says why:
 * do nothing irreversible then. 0 or negative errno (-EOPNOTSUPP: this filesystem keeps no such
 * map), in which case the owners are as before.
 */
int owners_ask_fsmap(int fs_fd, uint64_t phys_of_fs, struct range phys, struct incident *in);
