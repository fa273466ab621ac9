/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message: what an event says to a person, and the id under which the journal knows its type. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

/* Is there such an event? Without "io.hwpoisond.". */
bool message_known(const char *type);

/* All of them, one after the other; NULL behind the last. */
const char *message_type_at(size_t i);

/* 32 hex digits, for MESSAGE_ID=. */
const char *message_id(const char *type);

/* One line of text; the caller's to free. NULL: out of memory. data is borrowed. */
char *message_text(const char *type, struct json_object *data);
