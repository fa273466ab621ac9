/* SPDX-License-Identifier: GPL-2.0-or-later */
/* beside: devices that a filesystem uses beside its own: its log, its realtime data. */
#pragma once

#include "owners/search.h"

/*
 * Ask for the owners of all of st, where a mounted XFS has that device beside its own. 1; 0: none
 * has, nothing was added; or negative errno.
 */
int beside_ask(struct search *s, const struct stretch *st);
