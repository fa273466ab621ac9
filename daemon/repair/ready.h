/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ready: what the repair of a page would wait for, as far as can be told with nobody stopped and
 * nothing changed.
 *
 * For who would do something first that should not be done in vain, as a hook that is run. The
 * repair itself looks again at each of these.
 */
#pragma once

#include "repair/fs.h"
#include "repair/plan.h"
#include "repair/repair.h"
#include "repair/result.h"

/*
 * The page's owners and holders are those in in; fs is open. 0: nothing is known to be in its way;
 * 1: the outcome would be *ret, "waiting"; negative errno.
 */
int ready_look(const struct repair_job *job, struct repair_fs *fs, const struct incident *in,
	       const struct page_plan *page, struct page_result *ret);
