// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrub: scrub start and scrub status.
 *
 *   main -> [scrub] -> client, print
 */
#include "client.h"
#include "print.h"

void print_buses(struct json_object *reply)
{
	struct json_object *buses = json_object_object_get(reply, "buses");
	size_t n = json_object_is_type(buses, json_type_array) ? json_object_array_length(buses)
							       : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *bus = json_object_array_get_idx(buses, i);
		bool supported =
			json_object_get_boolean(json_object_object_get(bus, "scrub_supported"));
		bool active = json_object_get_boolean(json_object_object_get(bus, "scrub_active"));

		printf("Bus ");
		print_member(bus, "name");
		printf(" (");
		print_member(bus, "provider");
		printf("): ");
		if (!supported)
			printf("has no scrub\n");
		else
			printf("scrub %s, %" PRIi64 " finished\n", active ? "running" : "idle",
			       json_object_get_int64(
				       json_object_object_get(bus, "scrubs_finished")));
	}
	if (!n)
		printf("No NVDIMM bus\n");
}

static int ask_and_show(const struct ctl *ctl, const char *method, struct json_object *parameters)
{
	_cleanup_(json_object_putp) struct json_object *reply = NULL;
	int r = client_ask(ctl, method, parameters, &reply);

	if (r != EXIT_FINE)
		return r;
	if (ctl->json)
		print_json(reply);
	else
		print_buses(reply);
	return EXIT_FINE;
}

int command_scrub_status(const struct ctl *ctl)
{
	return ask_and_show(ctl, "ScrubStatus", NULL);
}

int command_scrub_start(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *parameters = json_object_new_object();
	struct json_object *buses = json_object_new_array();

	for (int i = 0; i < ctl->n_arguments; i++)
		json_object_array_add(buses, json_object_new_string(ctl->arguments[i]));
	json_object_object_add(parameters, "buses", buses);
	json_object_object_add(parameters, "wait",
			       json_object_new_boolean(!!(ctl->given & OPTION_WAIT)));
	return ask_and_show(ctl, "Scrub", parameters);
}
