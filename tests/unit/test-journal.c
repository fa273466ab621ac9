// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker's questions reach the ledger and its answers the worker; without a ledger no step is
 * allowed. */
#include <errno.h>

#include "repair/journal.h"
#include "repair/record.h"
#include "scratch.h"
#include "test.h"

struct daemon_side {
	sd_event *event;
	struct ledger *ledger;
	int r;
};

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct daemon_side *d = userdata;

	CHECK(wants_reply);
	CHECK(journal_serve(d->ledger, w, 7, message) == 0);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct daemon_side *d = userdata;

	d->r = r;
	worker_free(w);
	sd_event_exit(d->event, 0);
}

/* What the child returns: 0, or the line of the first claim that does not hold. */
#define HOLDS(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			return __LINE__;                                                           \
	} while (0)

static int run(worker_run child, struct ledger *ledger)
{
	struct worker_ops ops = { "test", child, on_message, on_done, 10000000 };
	struct daemon_side d = { .ledger = ledger, .r = -1 };
	struct worker *w;

	CHECK(sd_event_new(&d.event) == 0);
	CHECK(worker_start(d.event, &ops, NULL, &d, &w) == 0);
	CHECK(sd_event_loop(d.event) == 0);
	sd_event_unref(d.event);
	return d.r;
}

static int put_incident(struct ledger *ledger)
{
	_cleanup_(incident_freep) struct incident *in = incident_new((struct range){ 0x1000, 512 },
								     SOURCE_BADBLOCKS);

	in->number = 7;
	return ledger_put_incident(ledger, in);
}

static int steps_and_salvage(struct worker_link *link, void *job)
{
	struct repair_journal j = { link, 7 };
	struct salvaged_page page = { 0x1000, PAGE_BYTES, 0x04, 0x20, { 0 } }, back;
	_cleanup_(json_object_putp) struct json_object *detail = record_page(0x1000);
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int64_t first, second;

	for (unsigned i = 0; i < PAGE_BYTES; i++)
		page.data[i] = i * 7;
	HOLDS(journal_get_salvage(&j, 0x1000, &back) == -ENOENT);
	HOLDS(journal_intent(&j, "remap", detail, &first) == 0);
	HOLDS(journal_put_salvage(&j, &page) == 0);
	HOLDS(journal_get_salvage(&j, 0x1000, &back) == 0);
	HOLDS(back.phys_start == 0x1000 && back.bad_sectors == 0x04);
	HOLDS(!memcmp(back.data, page.data, PAGE_BYTES));
	HOLDS(journal_intent(&j, "clear", detail, &second) == 0);
	HOLDS(second != first);
	HOLDS(journal_outcome(&j, second, -EIO, NULL) == 0);
	HOLDS(journal_history(&j, 0x1000, &history) == 0);
	HOLDS(json_object_array_length(history) == 2);
	return 0;
}

TEST(steps_and_saved_bytes_come_back_as_they_went)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;

	REQUIRE(ledger_open(dir.path, &ledger, NULL) == 0);
	REQUIRE(put_incident(ledger) == 0);
	CHECK(run(steps_and_salvage, ledger) == 0);
}

static int is_refused(struct worker_link *link, void *job)
{
	struct repair_journal j = { link, 7 };
	struct salvaged_page page = { 0 };
	int64_t intent;

	HOLDS(journal_intent(&j, "swap", NULL, &intent) == -EREMOTEIO);
	HOLDS(journal_put_salvage(&j, &page) == -EREMOTEIO);
	return 0;
}

TEST(without_a_ledger_no_step_is_allowed)
{
	CHECK(run(is_refused, NULL) == 0);
}

TEST_MAIN()
