// SPDX-License-Identifier: GPL-2.0-or-later
#include "strv.h"
#include "test.h"

TEST(an_empty_one_is_null)
{
	CHECK(strv_length(NULL) == 0);
	CHECK(!strv_contains(NULL, ""));
	CHECK(!strv_free(NULL));
}

TEST(what_is_pushed_stays_in_order_and_ends_with_null)
{
	_cleanup_(strv_freep) char **v = NULL;
	char word[] = "one";

	REQUIRE(strv_push(&v, word) == 0);
	word[0] = 'x'; /* it is a copy */
	REQUIRE(strv_push(&v, "") == 0);
	CHECK(strv_length(v) == 2 && !v[2]);
	CHECK_STREQ(v[0], "one");
	CHECK(strv_contains(v, "") && !strv_contains(v, "on"));
}

TEST(pushing_once_adds_no_second_one)
{
	_cleanup_(strv_freep) char **v = NULL;

	CHECK(strv_push_once(&v, "a") == 1);
	CHECK(strv_push_once(&v, "a") == 0);
	CHECK(strv_push_once(&v, "b") == 1);
	CHECK(strv_length(v) == 2);
}

TEST_MAIN()
