/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schema: the tables of the ledger, and how those of earlier versions become them. */
#pragma once

#include "ledger/database.h"

#define APPLICATION_ID 0x68777064 /* "hwpd", in the file's header */
#define SCHEMA_VERSION 3

/*
 * Make the tables in an empty file (version 0), or bring those of an earlier version up to this
 * one. All or nothing. 0 or negative errno.
 */
int schema_prepare(sqlite3 *db, int64_t version);
