// SPDX-License-Identifier: GPL-2.0-or-later
/* A search in a child is heard to its end, and given up when it gets stuck. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "holders/helper.h"
#include "test.h"

#define SECOND_USEC UINT64_C(1000000)

static int put_many(struct hit_pipe *to, const void *job)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < *(const int *)job; i++)
		r = hit_put(to, &(struct hit){ .pid = i, .target = (uint32_t)i * 3 });
	return r;
}

static int fail_after_one(struct hit_pipe *to, const void *job)
{
	int r = hit_put(to, &(struct hit){ .pid = 7 });

	return r < 0 ? r : hit_flush(to) ?: -EACCES;
}

static int die(struct hit_pipe *to, const void *job)
{
	hit_put(to, &(struct hit){ .pid = 7 });
	hit_flush(to);
	raise(SIGKILL);
	return 0;
}

static int get_stuck(struct hit_pipe *to, const void *job)
{
	hit_put(to, &(struct hit){ .pid = 7 });
	hit_flush(to);
	for (;;)
		pause();
	return 0;
}

TEST(what_it_finds_arrives_in_order_and_whole)
{
	_cleanup_(helper_done) struct helper h = { .fd = -1 };
	uint64_t deadline = helper_deadline(10 * SECOND_USEC);
	int n = 5000, i = 0, r;
	struct hit hit;

	REQUIRE(helper_start(put_many, &n, &h) == 0);
	for (; (r = helper_next(&h, deadline, &hit)) > 0; i++)
		REQUIRE(hit.pid == i && hit.target == (uint32_t)i * 3);
	CHECK(r == 0);
	CHECK(i == n);
}

TEST(finding_nothing_is_an_answer)
{
	_cleanup_(helper_done) struct helper h = { .fd = -1 };
	struct hit hit;
	int n = 0;

	REQUIRE(helper_start(put_many, &n, &h) == 0);
	CHECK(helper_next(&h, helper_deadline(10 * SECOND_USEC), &hit) == 0);
}

TEST(its_error_is_ours_behind_what_it_found)
{
	_cleanup_(helper_done) struct helper h = { .fd = -1 };
	uint64_t deadline = helper_deadline(10 * SECOND_USEC);
	struct hit hit;

	REQUIRE(helper_start(fail_after_one, NULL, &h) == 0);
	CHECK(helper_next(&h, deadline, &hit) == 1 && hit.pid == 7);
	CHECK(helper_next(&h, deadline, &hit) == -EACCES);
}

TEST(a_death_is_no_end_of_the_search)
{
	_cleanup_(helper_done) struct helper h = { .fd = -1 };
	uint64_t deadline = helper_deadline(10 * SECOND_USEC);
	struct hit hit;

	REQUIRE(helper_start(die, NULL, &h) == 0);
	CHECK(helper_next(&h, deadline, &hit) == 1);
	CHECK(helper_next(&h, deadline, &hit) == -EPIPE);
}

TEST(who_gets_stuck_is_given_up_and_killed)
{
	struct helper h = { .fd = -1 };
	struct hit hit;
	pid_t pid;

	REQUIRE(helper_start(get_stuck, NULL, &h) == 0);
	pid = h.pid;
	CHECK(helper_next(&h, helper_deadline(10 * SECOND_USEC), &hit) == 1 && hit.pid == 7);
	CHECK(helper_next(&h, helper_deadline(20000), &hit) == -ETIMEDOUT);
	helper_done(&h);
	CHECK(h.fd == -1);
	/* Reaped by now, or at the latest here. */
	CHECK(waitpid(pid, NULL, 0) == pid || errno == ECHILD);
}

TEST_MAIN()
