/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repair: make the media clean and the files whole, or leave everything as it was.
 *
 *   respond -> [repair]
 *
 * Runs in a worker. Before each irreversible step it asks the daemon, which commits the intent to the ledger and
 * answers; no answer, no step. Everything is checked again right before it is changed (who owns the block, is it still bad),
 * and read back afterwards. See DESIGN.md 4 for the methods, plan.h for the table of what each needs.
 */
#pragma once

#include <stdbool.h>

#include "incident.h"
#include "ledger/ledger.h"
#include "locate/address_map.h"

/* How repair talks to its ledger; the worker's implementation asks the daemon, tests keep it in memory. */
struct repair_journal {
	/* Durable before it returns 0; negative: do not take the step. */
	int (*intent)(void *userdata, const char *step, struct json_object *detail, int64_t *ret_intent);
	int (*outcome)(void *userdata, int64_t intent, int result, struct json_object *detail);
	int (*put_salvage)(void *userdata, const struct salvaged_page *page);
	int (*get_salvage)(void *userdata, uint64_t phys_start, struct salvaged_page *ret);	/* -ENOENT */
	int (*add_loss)(void *userdata, const struct loss *loss);
	void *userdata;
};
