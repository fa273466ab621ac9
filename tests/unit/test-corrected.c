// SPDX-License-Identifier: GPL-2.0-or-later
/* However many errors come: few events, and counts that add up. */
#include "hearing/corrected.h"
#include "test.h"

static struct {
	uint64_t n_events, sum, others, of_dimm_b;
} told;

static void tell(const struct corrected_count *count, void *userdata)
{
	CHECK(count->n > 0);
	told.n_events++;
	told.sum += count->n;
	if (!strcmp(count->label, "others"))
		told.others += count->n;
	if (!strcmp(count->label, "DIMM_B1") && !count->phys_start)
		told.of_dimm_b += count->n;
}

static struct kernel_report error(uint64_t page, uint64_t count)
{
	return (struct kernel_report){
		.kind = REPORT_CORRECTED,
		.phys = { page * PAGE_BYTES, PAGE_BYTES },
		.count = count,
		.controller = 0,
		.label = "DIMM_A1",
	};
}

static bool take(struct corrected *c, uint64_t page, uint64_t count)
{
	struct kernel_report report = error(page, count);

	return corrected_take(c, &report);
}

static struct corrected *begin(void)
{
	memset(&told, 0, sizeof(told));
	return corrected_new(tell, NULL);
}

TEST(the_first_is_told_at_once_the_rest_as_a_sum)
{
	_cleanup_(corrected_freep) struct corrected *c = begin();

	CHECK(take(c, 5, 1));
	CHECK(told.n_events == 1 && told.sum == 1);
	for (unsigned i = 0; i < 999; i++)
		CHECK(!take(c, 5, 2));
	CHECK(told.n_events == 1);
	corrected_flush(c);
	CHECK(told.n_events == 2 && told.sum == 1999);
	corrected_flush(c);
	CHECK(told.n_events == 2);
	CHECK(take(c, 5, 1));
	CHECK(told.n_events == 3);
}

TEST(a_storm_over_all_pages_adds_up)
{
	struct corrected *c = begin();

	for (uint64_t i = 0; i < 1000000; i++)
		take(c, 1 + i % 50000, 1);
	corrected_free(c);
	CHECK(told.sum == 1000000);
	CHECK(told.others == 0);
	CHECK(told.n_events < 200);
}

TEST(a_storm_over_two_dimms_tells_which_has_how_many)
{
	struct corrected *c = begin();

	for (uint64_t i = 0; i < 100000; i++) {
		struct kernel_report other = error(1 + i % 5000, 2);

		other.label = "DIMM_B1";
		take(c, 1 + i % 5000, 1);
		corrected_take(c, &other);
	}
	corrected_free(c);
	CHECK(told.sum == 300000 && told.others == 0);
	CHECK(told.of_dimm_b > 190000);
	CHECK(told.n_events < 300);
}

TEST(more_dimms_than_there_is_room_for_add_up)
{
	struct corrected *c = begin();

	for (uint64_t i = 0; i < 100000; i++) {
		struct kernel_report one = error(1 + i, 1);
		char label[32];

		snprintf(label, sizeof(label), "DIMM_%u", (unsigned)(i % 1000));
		one.label = label;
		corrected_take(c, &one);
	}
	corrected_free(c);
	CHECK(told.sum == 100000 && told.others > 0);
	CHECK(told.n_events < 300);
}

TEST(pages_and_dimms_are_counted_apart)
{
	_cleanup_(corrected_freep) struct corrected *c = begin();
	struct kernel_report other = error(5, 3);

	other.label = "DIMM_B1";
	take(c, 5, 1);
	take(c, 6, 1);
	corrected_take(c, &other);
	CHECK(told.n_events == 3 && told.sum == 5);
}

TEST_MAIN()
