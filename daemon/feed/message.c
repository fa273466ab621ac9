// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * message: one sentence per event, for whoever reads the journal.
 *
 *   feed -> line -> [message] -> journal
 *
 * In:   an event's type and data.
 * Out:  a sentence, and a MESSAGE_ID that never changes: people filter by it.
 *
 * The list at the end names every event type there is. Programs read HWPOISOND_EVENT instead.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "feed/message.h"

static const char *text_at(struct json_object *o, const char *name)
{
	const char *text = json_object_get_string(json_object_object_get(o, name));

	return text ? text : "unknown";
}

static unsigned long long number_at(struct json_object *o, const char *name)
{
	return json_object_get_uint64(json_object_object_get(o, name));
}

static size_t length_at(struct json_object *o, const char *name)
{
	struct json_object *array = json_object_object_get(o, name);

	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static struct json_object *element_at(struct json_object *o, const char *name, size_t i)
{
	return json_object_array_get_idx(json_object_object_get(o, name), i);
}

static void say_incident(FILE *f, struct json_object *data)
{
	if (number_at(data, "incident"))
		fprintf(f, " (incident %llu)", number_at(data, "incident"));
}

/* "4096 bytes at 0x8021a000 on pmem0" */
static void say_range(FILE *f, struct json_object *data)
{
	struct json_object *device = json_object_object_get(data, "device");
	static const char *const names[] = { "blockdev", "chardev", "namespace",
					     "region",	 "bus",	    "mode" };

	fprintf(f, "%llu bytes at %s", number_at(data, "length_bytes"),
		text_at(data, "phys_start"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_object_object_get(device, names[i])) {
			fprintf(f, " on %s", text_at(device, names[i]));
			return;
		}
}

/* A path where the first owner has one, else what kind of owner it is. */
static void say_owners(FILE *f, struct json_object *data)
{
	size_t n = length_at(data, "owners");
	struct json_object *first;

	if (!n) {
		fprintf(f, "nothing that we know of");
		return;
	}
	first = element_at(data, "owners", 0);
	if (length_at(first, "paths"))
		fprintf(f, "%s", json_object_get_string(element_at(first, "paths", 0)));
	else if (json_object_object_get(first, "inode"))
		fprintf(f, "inode %llu of %s", number_at(first, "inode"),
			text_at(first, "mountpoint"));
	else
		fprintf(f, "%s", text_at(first, "kind"));
	if (n > 1)
		fprintf(f, " and %zu more", n - 1);
}

static void say_process(FILE *f, struct json_object *holder)
{
	fprintf(f, "%s (pid %llu)", text_at(holder, "comm"), number_at(holder, "pid"));
}

static void say_reason(FILE *f, struct json_object *data)
{
	if (json_object_object_get(data, "reason"))
		fprintf(f, ": %s", text_at(data, "reason"));
}

static void say_found(FILE *f, struct json_object *data)
{
	fprintf(f, "Memory poison: ");
	say_range(f, data);
	fprintf(f, " are lost");
	say_incident(f, data);
}

static void say_resolved(FILE *f, struct json_object *data)
{
	size_t n = length_at(data, "holders");

	fprintf(f, "Memory poison: ");
	say_range(f, data);
	fprintf(f, " belong to ");
	say_owners(f, data);
	if (n) {
		fprintf(f, ", held by ");
		say_process(f, element_at(data, "holders", 0));
		if (n > 1)
			fprintf(f, " and %zu more", n - 1);
	}
	say_incident(f, data);
}

static void say_gone(FILE *f, struct json_object *data)
{
	fprintf(f, "Memory poison is gone: ");
	say_range(f, data);
	say_incident(f, data);
}

static void say_holder(FILE *f, struct json_object *data, const char *what)
{
	struct json_object *holder = json_object_object_get(data, "holder");

	say_process(f, holder);
	fprintf(f, ", which holds lost bytes of ");
	say_owners(f, data);
	fprintf(f, ", %s", what);
	if (!strcmp(text_at(holder, "outcome"), "dry-run"))
		fprintf(f, " (dry run: nothing was done)");
	say_reason(f, data);
	say_incident(f, data);
}

static void say_reported(FILE *f, struct json_object *data)
{
	const char *outcome = text_at(json_object_object_get(data, "holder"), "outcome");

	if (!strcmp(outcome, "restarted"))
		say_holder(f, data, "ended with its unit, which runs again");
	else if (!strcmp(outcome, "stopped"))
		say_holder(f, data, "ended with its unit, which is down");
	else
		say_holder(f, data, "is only reported");
}

static void say_signalled(FILE *f, struct json_object *data)
{
	say_holder(f, data, "was sent a signal");
}

static void say_terminated(FILE *f, struct json_object *data)
{
	say_holder(f, data, "was terminated");
}

static void say_survived(FILE *f, struct json_object *data)
{
	say_holder(f, data, "lives on");
}

static void say_repair(FILE *f, struct json_object *data, const char *what)
{
	struct json_object *repair = json_object_object_get(data, "repair");

	fprintf(f, "Repair of ");
	say_range(f, data);
	if (json_object_object_get(repair, "method"))
		fprintf(f, " by %s", text_at(repair, "method"));
	fprintf(f, " %s", what);
	say_reason(f, data);
}

static void say_repair_planned(FILE *f, struct json_object *data)
{
	say_repair(f, data, "is planned");
	say_incident(f, data);
}

static void say_repair_done(FILE *f, struct json_object *data)
{
	struct json_object *repair = json_object_object_get(data, "repair");

	say_repair(f, data, "is done");
	fprintf(f, ", %llu bytes zeroed, %llu salvaged", number_at(repair, "zeroed_bytes"),
		number_at(repair, "salvaged_bytes"));
	say_incident(f, data);
}

static void say_repair_failed(FILE *f, struct json_object *data)
{
	say_repair(f, data, "failed");
	say_incident(f, data);
}

static void say_repair_waiting(FILE *f, struct json_object *data)
{
	say_repair(f, data, "waits");
	say_incident(f, data);
}

static void say_started(FILE *f, struct json_object *data)
{
	fprintf(f, "hwpoisond %s started", text_at(data, "version"));
	if (json_object_get_boolean(json_object_object_get(data, "dry_run")))
		fprintf(f, ", dry run: nothing will be done");
}

static void say_stopping(FILE *f, struct json_object *data)
{
	fprintf(f, "hwpoisond stops");
}

static void say_degraded(FILE *f, struct json_object *data)
{
	fprintf(f, "Going on without %s", text_at(data, "what"));
	say_reason(f, data);
}

static void say_restored(FILE *f, struct json_object *data)
{
	fprintf(f, "%s works again", text_at(data, "what"));
}

static void say_scrub_started(FILE *f, struct json_object *data)
{
	fprintf(f, "Scrub of %s started", text_at(data, "bus"));
}

static void say_scrub_progress(FILE *f, struct json_object *data)
{
	fprintf(f, "Scrub of %s is under way", text_at(data, "bus"));
}

static void say_scrub_finished(FILE *f, struct json_object *data)
{
	fprintf(f, "Scrub of %s finished", text_at(data, "bus"));
	if (json_object_object_get(data, "new_ranges"))
		fprintf(f, ", %llu new bad ranges", number_at(data, "new_ranges"));
}

static void say_memory_failure(FILE *f, struct json_object *data)
{
	if (number_at(data, "count") > 1)
		fprintf(f, "The kernel met %llu memory failures in %llu bytes at %s: %s, %s",
			number_at(data, "count"), number_at(data, "length_bytes"),
			text_at(data, "phys_start"), text_at(data, "page_type"),
			text_at(data, "result"));
	else
		fprintf(f, "The kernel met a memory failure at %s: %s, %s",
			text_at(data, "phys_start"), text_at(data, "page_type"),
			text_at(data, "result"));
}

static void say_kernel_signalled(FILE *f, struct json_object *data)
{
	fprintf(f, "The kernel sent SIGBUS for lost memory to ");
	say_process(f, data);
}

static void say_corrected(FILE *f, struct json_object *data)
{
	fprintf(f, "%llu corrected memory errors at %s", number_at(data, "count"),
		text_at(data, "label"));
}

static void say_dimm(FILE *f, struct json_object *data)
{
	fprintf(f, "Health of %s: %s", text_at(data, "dimm"), text_at(data, "health"));
}

static void say_gap(FILE *f, struct json_object *data)
{
	fprintf(f, "%llu events were dropped here", number_at(data, "dropped"));
}

static const struct message {
	const char *type;
	const char *id;
	void (*say)(FILE *f, struct json_object *data);
} messages[] = {
	{ "daemon.started", "d617b86b9af34e869bd002b5be13dba2", say_started },
	{ "daemon.stopping", "61326b354f77490692e83188b664a443", say_stopping },
	{ "source.degraded", "26d33b85d32a40f5b6729e161fcea6dc", say_degraded },
	{ "source.restored", "0fcaebd855d147cca394bd068a43c981", say_restored },
	{ "poison.found", "4478fb32091842138070fbf0ea3a19c6", say_found },
	{ "poison.resolved", "64fa10734a42688167d78e7576ef708a", say_resolved },
	{ "poison.gone", "295dff287b834f8ebbe3a119cbbc4d64", say_gone },
	{ "holder.reported", "1aabcc63bd374b34bd8c485914ec0144", say_reported },
	{ "holder.signalled", "ca0bc6be4db74d20adcd3f7c48e0ccc9", say_signalled },
	{ "holder.terminated", "671a3ac3f1e84ab2adabb8a973211398", say_terminated },
	{ "holder.survived", "d06776ece11749f3b93e48f203b53828", say_survived },
	{ "repair.planned", "f71bca525e7d40dcbd12a99e782497e5", say_repair_planned },
	{ "repair.done", "413de11d5b4a4940b996c29869359423", say_repair_done },
	{ "repair.failed", "a8299f8cc9694545b4b95e0649cc9215", say_repair_failed },
	{ "repair.waiting", "3abb86838ee240ae813eeb532298e1fb", say_repair_waiting },
	{ "scrub.started", "35334e482cf849deb8812d2b1026cbcb", say_scrub_started },
	{ "scrub.progress", "db9562a7810a499dbb971eacf00b86de", say_scrub_progress },
	{ "scrub.finished", "fa50caac3e8c4bc5bda458a25b5b628f", say_scrub_finished },
	{ "kernel.memory_failure", "f6a5f8022a2a41b28f39b08831a20953", say_memory_failure },
	{ "kernel.signalled", "09290e4046b84f6f81eb64fcede23df0", say_kernel_signalled },
	{ "kernel.corrected", "964c0e931ad549cb8eaf2156678fcad8", say_corrected },
	{ "dimm.health", "5451b544019d4e9e88708ee56aa4327f", say_dimm },
	{ "feed.gap", "001b6f643b3b43d29acf36f5c4bde712", say_gap },
};

static const struct message *find(const char *type)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (!strcmp(messages[i].type, type))
			return &messages[i];
	return NULL;
}

const char *message_type_at(size_t i)
{
	return i < sizeof(messages) / sizeof(messages[0]) ? messages[i].type : NULL;
}

bool message_known(const char *type)
{
	return find(type);
}

const char *message_id(const char *type)
{
	assert(find(type));
	return find(type)->id;
}

char *message_text(const char *type, struct json_object *data)
{
	char *text = NULL;
	size_t length_bytes;
	FILE *f;
	int r;

	assert(find(type));

	f = open_memstream(&text, &length_bytes);
	if (!f)
		return NULL;
	find(type)->say(f, data);
	r = ferror(f);
	if (fclose(f) != 0 || r) {
		free(text);
		return NULL;
	}
	/* A file name may hold anything, and must neither start a field of its own nor a terminal's
	 * escape sequence. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return text;
}
