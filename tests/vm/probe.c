// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe: what the sources and the address map see, as JSON, without a daemon.
 *
 *   probe map                    a line for each place
 *   probe scan                   all poison now
 *   probe bad START LENGTH       what is bad of a physical range
 *   probe ars BUS START LENGTH   records of the last scrub
 *   probe phys DEVICE OFFSET LENGTH
 *   probe history START          may a machine check have hit this page?
 *   probe scrubs                 a line for each bus
 *   probe scrub BUS              start one
 *   probe watch                  a line for each thing heard, until SIGTERM
 *
 * Test-only. An error is a line {"error":"..."} and exit status 1.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "incident.h"
#include "locate/address_map.h"
#include "source/ars.h"
#include "source/kernel.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"
#include "source/scrub.h"

static void put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static void put_string(struct json_object *to, const char *key, const char *s)
{
	put(to, key, s ? json_object_new_string(s) : NULL);
}

static struct json_object *address(uint64_t phys)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, phys);
	return json_object_new_string(text);
}

static struct json_object *ranges(const struct badblocks *bad)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < bad->n_ranges; i++) {
		struct json_object *one = json_object_new_object();

		put(one, "phys_start", address(bad->ranges[i].start_bytes));
		put(one, "length_bytes", json_object_new_uint64(bad->ranges[i].length_bytes));
		json_object_array_add(all, one);
	}
	return all;
}

static int say(struct json_object *line)
{
	printf("%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	json_object_put(line);
	return 0;
}

static int fail(int r)
{
	struct json_object *line = json_object_new_object();

	put_string(line, "error", strerrorname_np(-r));
	say(line);
	return 1;
}

static struct json_object *heard(const char *what)
{
	struct json_object *line = json_object_new_object();

	put_string(line, "heard", what);
	return line;
}

static int show_map(const struct address_map *map)
{
	for (size_t i = 0; i < map->n_places; i++) {
		const struct place *place = &map->places[i];
		struct json_object *line = json_object_new_object();

		put(line, "phys_start", address(place->phys.start_bytes));
		put(line, "length_bytes", json_object_new_uint64(place->phys.length_bytes));
		put(line, "region_start", address(place->region_start));
		put(line, "data_start", address(place->data_start));
		put(line, "device", device_to_json(&place->device));
		say(line);
	}
	return 0;
}

static int show_bad(struct badblocks *bad)
{
	struct json_object *line = json_object_new_object();

	put(line, "ranges", ranges(bad));
	put(line, "cut", json_object_new_boolean(bad->cut));
	return say(line);
}

static int show_scan(struct nvdimm *nv)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL, *only_ars = NULL;
	struct json_object *line;
	int r;

	r = nvdimm_scan(nv, &bad, &only_ars);
	if (r < 0)
		return fail(r);
	line = heard("scan");
	put(line, "ranges", ranges(bad));
	put(line, "only_ars", ranges(only_ars));
	put(line, "cut", json_object_new_boolean(bad->cut));
	return say(line);
}

static void on_badblocks(void *userdata)
{
	say(heard("badblocks"));
	show_scan(*(struct nvdimm **)userdata);
}

static void on_topology(void *userdata)
{
	struct nvdimm *nv = *(struct nvdimm **)userdata;
	struct json_object *line = heard("topology");

	put(line, "buses", json_object_new_uint64(nvdimm_n_buses(nv)));
	put(line, "places", json_object_new_uint64(nvdimm_map(nv)->n_places));
	say(line);
}

static void on_scrub(const char *bus, bool started, unsigned count, void *userdata)
{
	struct json_object *line = heard(started ? "scrub-started" : "scrub-finished");

	put_string(line, "bus", bus);
	put(line, "count", json_object_new_uint64(count));
	say(line);
}

static void on_degraded(const char *what, const char *reason, void *userdata)
{
	struct json_object *line = heard("degraded");

	put_string(line, "what", what);
	put_string(line, "reason", reason);
	say(line);
}

static void on_restored(const char *what, void *userdata)
{
	struct json_object *line = heard("restored");

	put_string(line, "what", what);
	say(line);
}

static void on_report(const struct kernel_report *report, void *userdata)
{
	static const char *const names[] = {
		[REPORT_CHECK] = "machine-check",
		[REPORT_FAILURE] = "memory-failure",
		[REPORT_SIGNAL] = "signal",
		[REPORT_CORRECTED] = "corrected",
		[REPORT_ENTRY] = "entry",
		[REPORT_RETURN] = "return",
		[REPORT_DAX] = "dax",
	};
	struct json_object *line = heard(names[report->kind]);

	put(line, "usec", json_object_new_uint64(report->seen_usec));
	put(line, "tid", json_object_new_int(report->running_tid));
	if (report->phys.length_bytes)
		put(line, "phys_start", address(report->phys.start_bytes));
	if (report->kind == REPORT_FAILURE) {
		put_string(line, "page_type", report->page_type);
		put_string(line, "result", report->result);
	}
	if (report->kind == REPORT_SIGNAL)
		put(line, "pid", json_object_new_int(report->pid));
	if (report->kind == REPORT_DAX)
		put(line, "inode", json_object_new_uint64(report->inode));
	say(line);
}

static void on_lost(const struct kernel_losses *total, void *userdata)
{
	struct json_object *line = heard("lost");

	put(line, "n_lost", json_object_new_uint64(total->n_reports));
	say(line);
}

static const struct nvdimm_callbacks nvdimm_callbacks = {
	.on_badblocks = on_badblocks,
	.on_topology = on_topology,
	.on_scrub = on_scrub,
	.on_degraded = on_degraded,
	.on_restored = on_restored,
};

static int watch(void)
{
	static const struct kernel_callbacks kernel_callbacks = {
		.on_report = on_report,
		.on_lost = on_lost,
		.on_degraded = on_degraded,
	};
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(nvdimm_freep) struct nvdimm *nv = NULL;
	_cleanup_(kernel_freep) struct kernel_source *k = NULL;
	const char *reason;
	sigset_t stop;
	int r;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	r = sd_event_new(&event);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = nvdimm_new(event, &nvdimm_callbacks, &nv, &nv);
	if (r < 0)
		return fail(r);
	if (kernel_new(event, &kernel_callbacks, NULL, 0, &k, &reason) < 0)
		on_degraded("kernel", reason, NULL);
	r = sd_event_loop(event);
	return r < 0 ? fail(r) : 0;
}

static int scan(void)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(nvdimm_freep) struct nvdimm *nv = NULL;
	int r;

	r = sd_event_new(&event);
	if (r >= 0)
		r = nvdimm_new(event, &nvdimm_callbacks, &nv, &nv);
	return r < 0 ? fail(r) : show_scan(nv);
}

static int scrubs(void)
{
	_cleanup_(freep) struct scrub_state *states = NULL;
	int n = scrub_states(&states);

	for (int i = 0; i < n; i++) {
		struct json_object *line = json_object_new_object();

		put_string(line, "bus", states[i].bus);
		put_string(line, "provider", states[i].provider);
		put(line, "supported", json_object_new_boolean(states[i].supported));
		put(line, "active", json_object_new_boolean(states[i].active));
		put(line, "count", json_object_new_uint64(states[i].count));
		say(line);
	}
	return n < 0 ? fail(n) : 0;
}

static int history(uint64_t phys_address)
{
	static const char *const names[] = {
		[MCE_NEVER] = "never",
		[MCE_HIT] = "hit",
		[MCE_MAYBE] = "maybe",
	};
	struct json_object *line = json_object_new_object();
	int r = mce_history_of((struct range){ phys_address, 1 });

	if (r < 0)
		return fail(r);
	put_string(line, "machine_check", names[r]);
	return say(line);
}

static struct range range_of(char **words)
{
	return (struct range){ strtoull(words[0], NULL, 0), strtoull(words[1], NULL, 0) };
}

int main(int argc, char **argv)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	const char *verb = argc > 1 ? argv[1] : "";
	struct range phys;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(verb, "watch"))
		return watch();
	if (!strcmp(verb, "scan"))
		return scan();
	if (!strcmp(verb, "scrubs"))
		return scrubs();
	if (!strcmp(verb, "scrub") && argc == 3)
		return (r = scrub_start(argv[2])) < 0 ? fail(r) : 0;
	if (!strcmp(verb, "history") && argc == 3)
		return history(strtoull(argv[2], NULL, 0));
	if (!strcmp(verb, "ars") && argc == 5) {
		r = ars_records(argv[2], range_of(argv + 3), &bad);
		return r < 0 ? fail(r) : show_bad(bad);
	}

	r = address_map_build(&map);
	if (r < 0)
		return fail(r);
	if (!strcmp(verb, "map"))
		return show_map(map);
	if (!strcmp(verb, "bad") && argc == 4) {
		r = nvdimm_bad_within(map, range_of(argv + 2), &bad);
		return r < 0 ? fail(r) : show_bad(bad);
	}
	if (!strcmp(verb, "phys") && argc == 5) {
		r = address_map_to_phys(map, argv[2], range_of(argv + 3), &phys);
		if (r < 0)
			return fail(r);
		printf("0x%" PRIx64 "\n", phys.start_bytes);
		return 0;
	}
	fprintf(stderr, "usage: probe map|scan|bad|ars|phys|history|scrubs|scrub|watch ...\n");
	return 2;
}
