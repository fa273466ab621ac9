// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * export: all that the ledger remembers, as lines of JSON.
 *
 *   main -> [export] -> client
 *
 * One line for each incident, ended or not: an archive that outlives the ledger's own memory.
 */
#include "client.h"
#include "print.h"

static void print_records(struct json_object *batch)
{
	struct json_object *records = json_object_object_get(batch, "records");
	size_t n = json_object_is_type(records, json_type_array) ? json_object_array_length(records)
								 : 0;

	for (size_t i = 0; i < n; i++)
		printf("%s\n", json_object_to_json_string_ext(
				       json_object_array_get_idx(records, i),
				       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int command_export(const struct ctl *ctl)
{
	_cleanup_(client_freep) struct client *c = NULL;
	bool more = true;
	int r;

	r = client_connect(ctl->socket, &c);
	if (r >= 0)
		r = client_call(c, "Export", NULL, true);
	while (r >= 0 && more) {
		_cleanup_(client_reply_done) struct client_reply reply = {};

		r = client_next(c, &reply);
		if (r < 0 || reply.error)
			return client_complain(ctl, r, &reply);
		print_records(reply.parameters);
		more = reply.continues;
	}
	return r < 0 ? client_complain(ctl, r, NULL) : EXIT_FINE;
}
