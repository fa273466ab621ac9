/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * damage: what a file has lost, written beside it as the extended attribute user.hwpoisond.lost.
 *
 * So that who copies or restores the file sees it without asking us. One run a line, the newest
 * last: "OFFSET LENGTH TIME", in bytes and in seconds since 1970; the oldest go when it is full.
 */
#pragma once

#include "ledger/ledger.h"
#include "repair/target.h"

#define DAMAGE_ATTRIBUTE "user.hwpoisond.lost"
#define DAMAGE_MAX_BYTES 2048u

/* Add the lost runs of this page. 0 or negative errno, which is nobody's business but the caller's. */
int damage_record(const struct target *t, const struct salvaged_page *page);
