// SPDX-License-Identifier: GPL-2.0-or-later
/* However many pages fail: few events, all addresses, and counts that add up. */
#include "hearing/failures.h"
#include "test.h"

static struct {
	unsigned n_events, n_at_once;
	uint64_t sum, bytes;
	struct range last;
} told;

static void tell(const struct failure_run *runs, size_t n_runs, const struct failure_case *one,
		 void *userdata)
{
	CHECK(n_runs > 0 && n_runs <= FAILURES_TOGETHER);
	CHECK(!one || (n_runs == 1 && runs->n == 1 && one->phys_start == runs->phys.start_bytes));
	told.n_events++;
	told.n_at_once += one != NULL;
	for (size_t i = 0; i < n_runs; i++) {
		CHECK(runs[i].n > 0 && runs[i].phys.length_bytes > 0);
		CHECK(!strcmp(runs[i].result, runs[0].result));
		told.sum += runs[i].n;
		told.bytes += runs[i].phys.length_bytes;
		told.last = runs[i].phys;
	}
}

static bool fail(struct failures *f, uint64_t page, const char *result)
{
	struct failure_case c = { .phys_start = page * PAGE_BYTES, .page_type = "dirty-lru" };

	strcpy(c.result, result);
	return failures_take(f, &c);
}

static void flush(struct failures *f)
{
	while (failures_flush(f))
		;
}

static struct failures *begin(void)
{
	memset(&told, 0, sizeof(told));
	return failures_new(tell, NULL);
}

/* All that a period tells at once, far from what follows. */
static struct failures *begin_late(void)
{
	struct failures *f = begin();

	for (uint64_t i = 0; i < 64; i++)
		CHECK(fail(f, 1000000 + 2 * i, "recovered") == (i == 0));
	CHECK(told.n_events == 64 && told.n_at_once == 64);
	memset(&told, 0, sizeof(told));
	return f;
}

TEST(the_first_ones_are_told_at_once_and_singly)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	CHECK(!fail(f, 5, "recovered"));
	CHECK(told.n_events == 0);
	flush(f);
	CHECK(told.n_events == 1 && told.sum == 1 && told.last.start_bytes == 5 * PAGE_BYTES);
	flush(f);
	CHECK(told.n_events == 1);
	CHECK(fail(f, 6, "recovered"));
	CHECK(told.n_events == 2 && told.n_at_once == 1);
}

TEST(pages_side_by_side_are_one_run_whatever_their_order)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	for (uint64_t i = 0; i < 500; i++) {
		fail(f, 5000 + i, "recovered");
		fail(f, 4999 - i, "recovered");
	}
	flush(f);
	CHECK(told.n_events == 1 && told.sum == 1000);
	CHECK(told.last.start_bytes == 4500 * PAGE_BYTES &&
	      told.last.length_bytes == 1000 * PAGE_BYTES);
}

TEST(a_page_that_fails_again_is_counted_again)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	for (unsigned i = 0; i < 1000; i++)
		fail(f, 7, "already-poisoned");
	flush(f);
	CHECK(told.n_events == 1 && told.sum == 1000 && told.bytes == PAGE_BYTES);
}

TEST(what_met_another_end_is_another_run)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	fail(f, 7, "recovered");
	fail(f, 8, "failed");
	fail(f, 9, "recovered");
	flush(f);
	CHECK(told.n_events == 2 && told.sum == 3 && told.bytes == 3 * PAGE_BYTES);
}

TEST(no_address_is_lost_where_there_is_no_room)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	for (uint64_t i = 0; i < 10000; i++)
		fail(f, 2 * i, "recovered");
	flush(f);
	CHECK(told.sum == 10000 && told.bytes == 10000 * PAGE_BYTES);
	CHECK(told.n_events <= 10000 / FAILURES_TOGETHER + 1);
}

TEST(the_end_of_a_period_is_told_in_pieces)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();

	for (uint64_t i = 0; i < 100; i++)
		fail(f, 2 * i, "recovered");
	CHECK(failures_flush(f) && told.n_events == 1 && told.sum == FAILURES_TOGETHER);
	CHECK(!fail(f, 198, "recovered") && !fail(f, 500, "recovered"));
	CHECK(!failures_flush(f) && told.n_events == 2 && told.sum == 102);
	CHECK(fail(f, 7, "recovered"));
}

TEST(of_too_many_runs_some_at_a_time_make_way)
{
	_cleanup_(failures_freep) struct failures *f = begin_late();
	unsigned before = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		fail(f, 2 * i, i % 2 ? "recovered" : "failed");
		CHECK(told.n_events <= before + 1);
		before = told.n_events;
	}
	CHECK(before >= 700 / FAILURES_TOGETHER);
	flush(f);
	CHECK(told.sum == 1000 && told.bytes == 1000 * PAGE_BYTES);
}

TEST(what_waits_is_told_at_the_end)
{
	struct failures *f = begin_late();

	fail(f, 7, "recovered");
	failures_free(f);
	CHECK(told.n_events == 1 && told.sum == 1);
}

TEST_MAIN()
