/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test: claims that can fail.
 *
 *   TEST(a_short_list_is_read_whole) { CHECK(...); }
 *   TEST_MAIN()
 *
 * Prints "ok - claim" or "not ok - claim" with file and line, and fails if any did. REQUIRE ends the claim at once.
 * SKIP(reason) leaves a claim out and says why; a program all of whose claims were left out exits 77.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*test_function)(void);

static struct {
	const char *name;
	test_function run;
} tests[256];
static size_t n_tests;
static unsigned n_failed_checks;
static const char *skip_reason;

#define TEST(test)                                                                                 \
	static void test_##test(void);                                                             \
	__attribute__((constructor)) static void add_##test(void)                                  \
	{                                                                                          \
		tests[n_tests].name = #test;                                                       \
		tests[n_tests++].run = test_##test;                                                \
	}                                                                                          \
	static void test_##test(void)

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			n_failed_checks++;                                                         \
			printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #what);              \
		}                                                                                  \
	} while (0)

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			n_failed_checks++;                                                         \
			printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #what);              \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define SKIP(reason)                                                                               \
	do {                                                                                       \
		skip_reason = (reason);                                                            \
		return;                                                                            \
	} while (0)

#define CHECK_STREQ(a, b)                                                                          \
	do {                                                                                       \
		const char *_a = (a), *_b = (b);                                                   \
		if (!_a || !_b || strcmp(_a, _b)) {                                                \
			n_failed_checks++;                                                         \
			printf("# %s:%d: \"%s\" is not \"%s\"\n", __FILE__, __LINE__,              \
			       _a ? _a : "(null)", _b ? _b : "(null)");                            \
		}                                                                                  \
	} while (0)

static int test_main(void)
{
	size_t n_failed = 0, n_skipped = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < n_tests; i++) {
		n_failed_checks = 0;
		skip_reason = NULL;
		tests[i].run();
		printf("%s - %s%s%s\n", n_failed_checks ? "not ok" : "ok", tests[i].name,
		       skip_reason ? " # SKIP " : "", skip_reason ? skip_reason : "");
		n_failed += !!n_failed_checks;
		n_skipped += skip_reason && !n_failed_checks;
	}
	if (n_failed)
		return 1;
	return n_skipped == n_tests ? 77 : 0;
}

#define TEST_MAIN()                                                                                \
	int main(void)                                                                             \
	{                                                                                          \
		return test_main();                                                                \
	}
