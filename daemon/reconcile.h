/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reconcile: what is bad now, compared with what we know already. */
#pragma once

#include "source/badblocks.h"

/* bad without known: both sorted and disjoint, and so is *ret. 0 or -ENOMEM. */
int reconcile_subtract(const struct badblocks *bad, const struct badblocks *known,
		       struct badblocks **ret);
