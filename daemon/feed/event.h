/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event: the envelope that every event travels in, CloudEvents 1.0 attributes in JSON. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "feed/feed.h"

struct event_head {
	uint64_t seq;
	const char *type;	/* without "io.hwpoisond." */
	enum severity severity;
	uint64_t incident;	/* 0: none */
};

/* The event as a line, with its newline; the caller's. NULL: out of memory. */
char *event_text(const struct event_head *head, const char *data_text, size_t *ret_bytes);

const char *severity_name(enum severity severity);
