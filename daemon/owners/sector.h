/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sector: what a sector (BTT) namespace keeps in a poisoned range. */
#pragma once

#include "owners/search.h"

/* Add the owners of all of in->phys. 0 or negative errno. */
int sector_ask(struct search *s, struct incident *in);

/* When every filesystem has answered: give what lies behind lost media its address. 0 or -ENOMEM.
 */
int sector_finish(const struct search *s);
