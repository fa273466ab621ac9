/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lost: bytes of incidents that a filesystem without a reverse map named no owner of, until its
 * inodes were searched.
 */
#pragma once

#include <stdbool.h>

#include "owners/ask.h"
#include "owners/scan.h"

struct lost_bytes {
	struct incident *in;
	struct range phys;
	uint64_t phys_of_fs; /* of byte 0 of its block device, see filesystem_ask() */
};

struct lost {
	struct lost_bytes *all;
	size_t n;
	struct badblocks *poison; /* bytes of its own block device that are bad: not to be read */
	struct unowned unowned;
	struct scan scan;
};

int lost_add(struct lost *l, struct lost_bytes bytes); /* 0 or -ENOMEM */
int lost_add_poison(struct lost *l, struct range dev_bytes); /* 0 or -ENOMEM */
void lost_done(struct lost *l);

/*
 * Search as far as `how` says, those inodes first that processes have open. dev is the block
 * device's. 0 or -ENOMEM.
 */
int lost_search(struct lost *l, const struct fsmap_view *view, dev_t dev, const uint64_t *in_use,
		size_t n_in_use, const struct scan_how *how);

/*
 * Add what was found as owners of the incidents, and what was not as unknown, with the reason.
 * owners_searching of an incident becomes true where a search through all inodes may find more. 0
 * or -ENOMEM.
 */
int lost_tell(struct lost *l, const struct fsmap_view *view, const struct ask_hooks *hooks);
