// SPDX-License-Identifier: GPL-2.0-or-later
/* Hits are kept by process, each thing once, and no process makes us keep more than is useful. */
#include <errno.h>

#include "cleanup.h"
#include "holders/hits.h"
#include "test.h"

static struct hit mapping(pid_t pid, uint32_t target, uint64_t virt_start)
{
	return (struct hit){ .pid = pid,
			     .target = target,
			     .mapped = true,
			     .virt_start = virt_start,
			     .length_bytes = 1,
			     .start_ticks = 5 };
}

static struct hit file(pid_t pid, uint32_t target, bool writable)
{
	return (struct hit){ .pid = pid, .target = target, .writable = writable, .start_ticks = 5 };
}

TEST(processes_are_sorted_whatever_order_they_come_in)
{
	static const pid_t pids[] = { 40, 10, 30, 20, 10, 40, 50 };
	_cleanup_(hits_done) struct hits h = { .n_targets = 1 };

	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++)
		REQUIRE(hits_add(&h, mapping(pids[i], 0, i)) == 0);
	REQUIRE(h.n == 5);
	for (size_t i = 0; i < h.n; i++)
		CHECK(h.all[i].pid == (pid_t)(i + 1) * 10);
	CHECK(h.all[0].n == 2 && h.all[3].n == 2 && h.all[1].n == 1);
}

TEST(a_file_open_a_thousand_times_is_told_once_for_each_way)
{
	_cleanup_(hits_done) struct hits h = { .n_targets = 100 };

	for (int i = 0; i < 1000; i++)
		REQUIRE(hits_add(&h, file(1, 3, false)) == 0);
	CHECK(h.all[0].n == 1);
	for (int i = 0; i < 1000; i++)
		REQUIRE(hits_add(&h, file(1, 3, i % 2)) == 0);
	CHECK(h.all[0].n == 2);
	for (uint32_t i = 0; i < 100; i++)
		REQUIRE(hits_add(&h, file(1, i, false)) == 0);
	CHECK(h.all[0].n == 101);
}

TEST(mappings_are_listed_up_to_a_bound_but_each_target_is)
{
	_cleanup_(hits_done) struct hits h = { .n_targets = 3 };
	bool last = false;

	for (uint64_t i = 0; i < 100000; i++)
		REQUIRE(hits_add(&h, mapping(1, i % 2, i)) == 0);
	CHECK(h.all[0].n < 1100);
	REQUIRE(hits_add(&h, mapping(1, 2, 0)) == 0);
	for (size_t i = 0; i < h.all[0].n; i++)
		last |= h.all[0].all[i].target == 2;
	CHECK(last);
}

TEST(a_pid_that_changed_hands_is_not_two_processes_in_one)
{
	_cleanup_(hits_done) struct hits h = { .n_targets = 1 };
	struct hit other = mapping(1, 0, 9);

	other.start_ticks = 6;
	REQUIRE(hits_add(&h, mapping(1, 0, 0)) == 0);
	REQUIRE(hits_add(&h, other) == 0);
	CHECK(h.n == 1 && h.all[0].n == 1 && h.all[0].start_ticks == 5);
}

TEST_MAIN()
