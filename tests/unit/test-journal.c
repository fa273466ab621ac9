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
	struct repair_journal j = { .link = link };
	struct salvaged_page page = { 0x1000, PAGE_BYTES, 0x04, 0x20, { 0 } }, back;
	_cleanup_(json_object_putp) struct json_object *detail =
		record_pages((struct range){ 0x1000, PAGE_BYTES });
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int64_t first, second;

	for (unsigned i = 0; i < PAGE_BYTES; i++)
		page.data[i] = i * 7;
	HOLDS(journal_get_salvage(&j, 0x1000, &back) == -ENOENT);
	HOLDS(journal_intent(&j, "remap", detail, &first) == 0);
	HOLDS(journal_put_salvage(&j, &page, 1) == 0);
	HOLDS(journal_get_salvage(&j, 0x1000, &back) == 0);
	HOLDS(back.phys_start == 0x1000 && back.bad_sectors == 0x04);
	HOLDS(!memcmp(back.data, page.data, PAGE_BYTES));
	HOLDS(journal_intent(&j, "clear", detail, &second) == 0);
	HOLDS(second != first);
	HOLDS(journal_outcome(&j, second, -EIO, NULL) == 0);
	HOLDS(journal_history(&j, (struct range){ 0x1000, PAGE_BYTES }, &history) == 0);
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

static int lost_page(struct worker_link *link, void *job)
{
	struct repair_journal j = { .link = link };
	struct salvaged_page page = { 0x2000, PAGE_BYTES, 0xff, 0, { 0 } }, back;

	HOLDS(journal_put_salvage(&j, &page, 1) == 0);
	HOLDS(journal_get_salvage(&j, 0x2000, &back) == 0);
	HOLDS(back.bad_sectors == 0xff && back.length_bytes == PAGE_BYTES);
	HOLDS(!memcmp(back.data, page.data, PAGE_BYTES));
	return 0;
}

TEST(a_page_of_which_nothing_was_saved_comes_back_as_well)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;

	REQUIRE(ledger_open(dir.path, &ledger, NULL) == 0);
	REQUIRE(put_incident(ledger) == 0);
	CHECK(run(lost_page, ledger) == 0);
}

/* The second outcome of one step is refused, and so is all that comes with it. */
static int notes_and_intent(struct worker_link *link, void *job)
{
	struct repair_journal j = { .link = link };
	_cleanup_(json_object_putp) struct json_object *detail =
		record_pages((struct range){ 0x1000, PAGE_BYTES });
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	struct salvaged_page page = { 0x1000, PAGE_BYTES, 0x04, 0, { 1 } }, back;
	int64_t first, second;

	HOLDS(journal_intent(&j, "remap", detail, &first) == 0);
	HOLDS(journal_outcome(&j, first, 0, NULL) == 0);
	HOLDS(journal_flush(&j) == 0);
	HOLDS(journal_flush(&j) == 0);
	HOLDS(journal_put_salvage(&j, &page, 1) == 0);
	HOLDS(journal_outcome(&j, first, 0, NULL) == 0);
	HOLDS(journal_intent(&j, "swap", detail, &second) == -EREMOTEIO);
	HOLDS(journal_get_salvage(&j, 0x1000, &back) == -ENOENT);
	HOLDS(journal_history(&j, (struct range){ 0x1000, PAGE_BYTES }, &history) == 0);
	HOLDS(json_object_array_length(history) == 1);
	return 0;
}

TEST(what_was_noted_is_on_record_with_the_next_step_or_neither_is)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;

	REQUIRE(ledger_open(dir.path, &ledger, NULL) == 0);
	REQUIRE(put_incident(ledger) == 0);
	CHECK(run(notes_and_intent, ledger) == 0);
}

#define START 0x8021a000ull

static struct range page_at(unsigned n)
{
	return (struct range){ START + n * PAGE_BYTES, PAGE_BYTES };
}

/* What the record says of the n-th page: a file's bytes from `offset` on, so many of them lost. 1,
 * or 0: nothing was swapped. */
static int says(struct repair_journal *j, unsigned n, uint64_t offset, uint64_t n_lost,
		uint64_t n_saved)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(page_at(n), 0);
	struct page_result result = { 0 };
	int n_swaps = record_losses(j, page_at(n).start_bytes, in, &result);

	if (n_swaps <= 0)
		return n_swaps;
	return n_swaps == 1 && result.zeroed_bytes == n_lost && result.salvaged_bytes == n_saved &&
	       in->repair.n_losses == 1 && in->repair.losses[0].inode == 131 &&
	       in->repair.losses[0].file_offset_bytes == offset &&
	       in->repair.losses[0].length_bytes == n_lost;
}

static int put_swap(struct repair_journal *j, const struct target *t,
		    const struct salvaged_page *saved, const char *outcome)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_swap(t, saved),
						       *ended =
							       outcome ? json_tokener_parse(outcome)
								       : NULL;
	int64_t intent;

	return journal_intent(j, "swap", detail, &intent) ?: journal_outcome(j, intent, 0, ended);
}

/* Three pages of a file that ends in the third: the swap was done for the first two. */
static int several_pages(struct worker_link *link, void *job)
{
	struct repair_journal j = { .link = link };
	struct owner owner = { .kind = OWNER_FILE_DATA, .inode = 131, .mountpoint = "/mnt" };
	struct target all = { &owner, -1, 8192, 3, 2 * PAGE_BYTES + 100, true },
		      last = { &owner, -1, 8192 + 2 * PAGE_BYTES, 1, 100, true };
	struct salvaged_page saved[] = { { START, PAGE_BYTES, 0xff, 0, { 0 } },
					 { START + PAGE_BYTES, PAGE_BYTES, 0x01, 0, { 0 } },
					 { START + 2 * PAGE_BYTES, PAGE_BYTES, 0xff, 0, { 0 } } };
	struct range pages = { START, 3 * PAGE_BYTES }, found;
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(pages),
						       *history = NULL;
	int64_t remap;
	size_t at = 0;

	HOLDS(journal_intent(&j, "remap", detail, &remap) == 0);
	HOLDS(put_swap(&j, &all, saved,
		       "{\"swapped\":[{\"phys_start\":\"0x8021a000\",\"length_bytes\":8192}]}") ==
	      0);
	HOLDS(says(&j, 0, 8192, PAGE_BYTES, 0) == 1);
	HOLDS(says(&j, 1, 8192 + PAGE_BYTES, SECTOR_BYTES, PAGE_BYTES - SECTOR_BYTES) == 1);
	HOLDS(says(&j, 2, 0, 0, 0) == 0);
	HOLDS(put_swap(&j, &last, &saved[2], NULL) == 0);
	HOLDS(says(&j, 2, 8192 + 2 * PAGE_BYTES, 100, 0) == 1);
	HOLDS(says(&j, 3, 0, 0, 0) == 0);

	HOLDS(journal_history(&j, page_at(2), &history) == 0);
	HOLDS(record_has_steps(history, page_at(2)) && !record_has_steps(history, page_at(3)));
	HOLDS(record_find_pages(history, page_at(2).start_bytes, &at, &found));
	HOLDS(found.start_bytes == START && found.length_bytes == 3 * PAGE_BYTES);
	HOLDS(!record_find_pages(history, page_at(2).start_bytes, &at, &found));
	return 0;
}

TEST(of_a_swap_of_several_pages_each_is_told_its_part)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;

	REQUIRE(ledger_open(dir.path, &ledger, NULL) == 0);
	REQUIRE(put_incident(ledger) == 0);
	CHECK(run(several_pages, ledger) == 0);
}

static int is_refused(struct worker_link *link, void *job)
{
	struct repair_journal j = { .link = link };
	struct salvaged_page page = { 0 };
	int64_t intent;

	HOLDS(journal_intent(&j, "swap", NULL, &intent) == -EREMOTEIO);
	HOLDS(journal_put_salvage(&j, &page, 1) == 0);
	HOLDS(journal_flush(&j) == -EREMOTEIO);
	return 0;
}

TEST(without_a_ledger_no_step_is_allowed)
{
	CHECK(run(is_refused, NULL) == 0);
}

TEST_MAIN()
