/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ledger-internal: what the files of the ledger share; nobody else includes this. */
#pragma once

#include <sqlite3.h>

#include "ledger/ledger.h"

struct ledger {
	sqlite3 *db;
	uint64_t seq_given;	/* the last one; what comes next is one more */
	uint64_t seq_durable;	/* given or reserved, as the file has it */
	uint64_t last_number;	/* of an incident, given or on record */
	bool in_batch;
	int batch_r;		/* why a part of the batch is not on record, or 0 */
};

/* Before anything that must be on record by itself: what the batch has so far is committed. */
void ledger_settle(struct ledger *l);

/* One JSON column; *ret is NULL where the column is. -EUCLEAN: not JSON. */
int ledger_column_json(sqlite3_stmt *s, int column, struct json_object **ret);

/* The text of a JSON object, borrowed from it; NULL for NULL. */
const char *ledger_json_text(struct json_object *json);
