// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * incidents: status, list, show, watch and repair: what only the daemon can tell or do.
 *
 *   main -> [incidents] -> client, print
 */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "print.h"

static int64_t integer(struct json_object *object, const char *name)
{
	return json_object_get_int64(json_object_object_get(object, name));
}

static bool boolean(struct json_object *object, const char *name)
{
	return json_object_get_boolean(json_object_object_get(object, name));
}

/* Elements of an array member; 0 where there is no such array. */
static size_t n_elements(struct json_object *object, const char *name)
{
	struct json_object *array = json_object_object_get(object, name);

	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static struct json_object *element(struct json_object *object, const char *name, size_t i)
{
	return json_object_array_get_idx(json_object_object_get(object, name), i);
}

static void print_sources(struct json_object *status)
{
	for (size_t i = 0; i < n_elements(status, "sources"); i++) {
		struct json_object *source = element(status, "sources", i);

		printf("Source ");
		print_member(source, "name");
		printf(": ");
		print_member(source, "state");
		print_member_after(", ", source, "reason");
		printf("\n");
	}
}

static void print_status(struct json_object *status)
{
	struct json_object *by_state = json_object_object_get(status, "by_state");

	printf("hwpoisond ");
	print_member(status, "version");
	printf(", pid %" PRIi64 "%s%s\n", integer(status, "pid"),
	       boolean(status, "dry_run") ? ", dry run: nothing is acted upon" : "",
	       boolean(status, "ledger") ? "" : ", without a ledger: nothing is repaired");
	print_sources(status);
	print_buses(status);
	printf("Incidents: %" PRIi64 " open, %" PRIi64 " bytes", integer(status, "open_incidents"),
	       integer(status, "open_bytes"));
	if (json_object_is_type(by_state, json_type_object)) {
		json_object_object_foreach (by_state, state, n)
			printf(", %" PRIi64 " %s", json_object_get_int64(n), state);
	}
	printf("\nEvents: %" PRIi64 " sent, %" PRIi64 " dropped\n", integer(status, "events_sent"),
	       integer(status, "events_dropped"));
}

int command_status(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *status = NULL;
	int r = client_ask(ctl, "Status", NULL, &status);

	if (r != EXIT_FINE)
		return r;
	if (ctl->json)
		print_json(status);
	else
		print_status(status);
	return integer(status, "open_incidents") > 0 ? EXIT_POISON : EXIT_FINE;
}

/* Show each incident of one batch, or keep it for the one document. */
static int take_batch(const struct ctl *ctl, struct json_object *batch, struct json_object *all)
{
	for (size_t i = 0; i < n_elements(batch, "incidents"); i++) {
		struct json_object *json = element(batch, "incidents", i);
		_cleanup_(incident_freep) struct incident *in = NULL;
		int r;

		if (ctl->json) {
			json_object_array_add(all, json_object_get(json));
			continue;
		}
		r = incident_from_json(json, &in);
		if (r < 0)
			return r;
		if (!json_object_array_length(all))
			print_incident_header();
		print_incident_row(in);
		json_object_array_add(all, json_object_new_boolean(1));
	}
	return 0;
}

/* All batches into `all`. 0; negative errno; or 1 with an error in *reply. */
static int list_all(const struct ctl *ctl, struct json_object *all, struct client_reply *reply)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(json_object_putp) struct json_object *parameters = json_object_new_object();
	bool more = true;
	int r;

	json_object_object_add(parameters, "all",
			       json_object_new_boolean(!!(ctl->given & OPTION_ALL)));
	r = client_connect(ctl->socket, &c);
	if (r >= 0)
		r = client_call(c, "List", parameters, true);
	while (r >= 0 && more) {
		client_reply_done(reply);
		r = client_next(c, reply);
		if (r < 0)
			return r;
		if (reply->error)
			return 1;
		more = reply->continues;
		r = take_batch(ctl, reply->parameters, all);
	}
	return r;
}

int command_list(const struct ctl *ctl)
{
	_cleanup_(client_reply_done) struct client_reply reply = {};
	_cleanup_(json_object_putp) struct json_object *document = json_object_new_object();
	struct json_object *all = json_object_new_array();
	int r;

	json_object_object_add(document, "incidents", all);
	r = list_all(ctl, all, &reply);
	if (r)
		return client_complain(ctl, r, &reply);
	if (ctl->json)
		print_json(document);
	else if (!json_object_array_length(all))
		printf("No incidents\n");
	return EXIT_FINE;
}

static struct json_object *number_parameter(uint64_t number)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "incident", json_object_new_uint64(number));
	return parameters;
}

static int incident_number(const struct ctl *ctl, uint64_t *ret)
{
	if (parse_number(ctl->arguments[0], ret) && *ret && *ret <= INT64_MAX)
		return EXIT_FINE;
	print_error("No number of an incident: %s.", ctl->arguments[0]);
	return EXIT_USAGE;
}

static void print_steps(struct json_object *reply)
{
	if (n_elements(reply, "steps"))
		printf("Steps:\n");
	for (size_t i = 0; i < n_elements(reply, "steps"); i++) {
		struct json_object *step = element(reply, "steps", i);
		int64_t result = integer(step, "result");

		printf("  ");
		print_member(step, "step");
		if (!boolean(step, "finished"))
			printf(": not finished\n");
		else
			printf(": %s\n", result < 0 ? strerror((int)-result) : "done");
	}
}

static int show_incident(const struct ctl *ctl, struct json_object *reply)
{
	struct json_object *json = json_object_object_get(reply, "incident");
	_cleanup_(incident_freep) struct incident *in = NULL;

	if (ctl->json) {
		print_json(json);
		return EXIT_FINE;
	}
	if (incident_from_json(json, &in) < 0) {
		print_error("The daemon shows this incident in a way that is not understood.");
		return EXIT_FAILED;
	}
	print_incident(in);
	print_steps(reply);
	return EXIT_FINE;
}

int command_show(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *parameters = NULL;
	_cleanup_(json_object_putp) struct json_object *reply = NULL;
	uint64_t number;
	int r = incident_number(ctl, &number);

	if (r != EXIT_FINE)
		return r;
	parameters = number_parameter(number);
	r = client_ask(ctl, "Show", parameters, &reply);
	return r == EXIT_FINE ? show_incident(ctl, reply) : r;
}

static void print_strings(struct json_object *object, const char *name, const char *before)
{
	for (size_t i = 0; i < n_elements(object, name); i++) {
		printf("%s", before);
		print_name(stdout, json_object_get_string(element(object, name, i)));
		printf("\n");
	}
}

static void print_page_plan(struct json_object *page)
{
	_cleanup_(incident_freep) struct incident *in = NULL;

	print_member(page, "phys_start");
	print_member_after(": ", page, "method");
	print_member_after(": ", page, "reason");
	print_member_after(", ", page, "detail");
	printf("\n");
	print_strings(page, "steps", "  step ");
	if (incident_from_parts(page, &in) >= 0) {
		in->owners_complete = true; /* of this page's part in the plan */
		print_owners(in);
	}
}

static void print_plan(struct json_object *plan)
{
	for (size_t i = 0; i < n_elements(plan, "pages"); i++)
		print_page_plan(element(plan, "pages", i));
	printf("%" PRIi64 " bytes would be salvaged, %" PRIi64 " zeroed\n",
	       integer(plan, "salvaged_bytes"), integer(plan, "zeroed_bytes"));
	for (size_t i = 0; i < n_elements(plan, "waits_for"); i++) {
		struct json_object *process = element(plan, "waits_for", i);

		printf("Waits for process %" PRIi64, integer(process, "pid"));
		print_member_after(", ", process, "comm");
		printf("\n");
	}
}

static int order_repair(const struct ctl *ctl, uint64_t number)
{
	_cleanup_(json_object_putp) struct json_object *parameters = number_parameter(number);
	_cleanup_(json_object_putp) struct json_object *reply = NULL;
	bool dry_run = ctl->given & OPTION_DRY_RUN;
	struct json_object *plan;
	int r;

	json_object_object_add(parameters, "dry_run", json_object_new_boolean(dry_run));
	r = client_ask(ctl, "Repair", parameters, &reply);
	if (r != EXIT_FINE)
		return r;
	if (!dry_run)
		return show_incident(ctl, reply);
	plan = json_object_object_get(reply, "plan");
	if (ctl->json)
		print_json(plan);
	else
		print_plan(plan);
	return EXIT_FINE;
}

int command_repair(const struct ctl *ctl)
{
	uint64_t number;
	int r = incident_number(ctl, &number);

	return r == EXIT_FINE ? order_repair(ctl, number) : r;
}

/* "2026-11-22T07:00:00Z critical poison.found #7 0x8021a000 + 4096, pmem0 sector 208 + 8" */
static void print_event(struct json_object *event)
{
	struct json_object *data = json_object_object_get(event, "data");
	_cleanup_(incident_freep) struct incident *in = NULL;
	const char *type = member_string(event, "type");

	if (!strncmp(type, "io.hwpoisond.", strlen("io.hwpoisond.")))
		type += strlen("io.hwpoisond.");
	print_member(event, "time");
	printf(" ");
	print_name_padded(stdout, member_string(event, "severity"), 8);
	printf(" ");
	print_name(stdout, type);
	if (incident_from_json(data, &in) >= 0) {
		printf(" #%" PRIu64 " ", in->number);
		print_range(in);
		printf(", ");
		print_device_line(&in->device);
	}
	print_member_after(": ", data, "reason");
	printf("\n");
	fflush(stdout);
}

static void show_event(const struct ctl *ctl, struct json_object *reply)
{
	struct json_object *event = json_object_object_get(reply, "event");
	int64_t n_dropped = integer(reply, "dropped");

	if (event && ctl->json)
		print_json_line(event);
	else if (event)
		print_event(event);
	if (n_dropped > 0)
		print_error("%" PRIi64 " events were missed: this reader was too slow.", n_dropped);
}

int command_watch(const struct ctl *ctl)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(client_reply_done) struct client_reply reply = {};
	int r;

	r = client_connect(ctl->socket, &c);
	if (r >= 0)
		r = client_call(c, "Watch", NULL, true);
	while (r >= 0 && !ferror(stdout)) {
		client_reply_done(&reply);
		r = client_next(c, &reply);
		if (r >= 0 && reply.error)
			break;
		if (r >= 0)
			show_event(ctl, reply.parameters);
		if (r >= 0 && !reply.continues)
			return EXIT_FINE;
	}
	if (ferror(stdout))
		return EXIT_FAILED;
	return client_complain(ctl, r, &reply);
}
