// SPDX-License-Identifier: GPL-2.0-or-later
/* What is new is what is bad and not yet known: to the byte, wherever the two lists cut each other.
 */
#include "reconcile.h"
#include "test.h"

struct pair {
	uint64_t start, end;
};

static struct badblocks *list(const struct pair *pairs, size_t n)
{
	struct badblocks *b = calloc(1, sizeof(*b));

	for (size_t i = 0; i < n; i++)
		CHECK(badblocks_add(b, (struct range){ pairs[i].start,
						       pairs[i].end - pairs[i].start }) == 0);
	return b;
}

#define LIST(...)                                                                                  \
	list((struct pair[]){ __VA_ARGS__ },                                                       \
	     sizeof((struct pair[]){ __VA_ARGS__ }) / sizeof(struct pair))

static void expect(struct badblocks *bad, struct badblocks *known, struct badblocks *want)
{
	_cleanup_(badblocks_freep) struct badblocks *left = NULL;

	CHECK(reconcile_subtract(bad, known, &left) == 0);
	CHECK(left->n_ranges == want->n_ranges);
	for (size_t i = 0; i < left->n_ranges && i < want->n_ranges; i++) {
		CHECK(left->ranges[i].start_bytes == want->ranges[i].start_bytes);
		CHECK(left->ranges[i].length_bytes == want->ranges[i].length_bytes);
	}
	badblocks_free(bad);
	badblocks_free(known);
	badblocks_free(want);
}

TEST(nothing_known_leaves_everything)
{
	expect(LIST({ 10, 20 }, { 30, 40 }), list(NULL, 0), LIST({ 10, 20 }, { 30, 40 }));
}

TEST(everything_known_leaves_nothing)
{
	expect(LIST({ 10, 20 }), LIST({ 0, 100 }), list(NULL, 0));
	expect(LIST({ 10, 20 }), LIST({ 10, 20 }), list(NULL, 0));
}

TEST(a_known_middle_leaves_two_ends)
{
	expect(LIST({ 10, 40 }), LIST({ 20, 30 }), LIST({ 10, 20 }, { 30, 40 }));
}

TEST(a_range_that_grew_leaves_its_new_part)
{
	expect(LIST({ 10, 40 }), LIST({ 10, 20 }), LIST({ 20, 40 }));
	expect(LIST({ 10, 40 }), LIST({ 30, 40 }), LIST({ 10, 30 }));
}

TEST(one_known_range_may_cut_two_bad_ones)
{
	expect(LIST({ 10, 20 }, { 30, 40 }), LIST({ 15, 35 }), LIST({ 10, 15 }, { 35, 40 }));
}

TEST(many_known_ranges_may_cut_one_bad_one)
{
	expect(LIST({ 0, 100 }), LIST({ 5, 10 }, { 20, 30 }, { 90, 200 }),
	       LIST({ 0, 5 }, { 10, 20 }, { 30, 90 }));
}

TEST(what_is_known_elsewhere_does_not_count)
{
	expect(LIST({ 50, 60 }), LIST({ 0, 50 }, { 60, 70 }), LIST({ 50, 60 }));
}

TEST_MAIN()
