// SPDX-License-Identifier: GPL-2.0-or-later
/* However many errors are added by however many processors: each is taken once. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/poison-sums.h"
#include "source/kernel-sums.h"
#include "test.h"

#define N_THREADS 4u
#define N_ERRORS  100000u

static struct {
	uint64_t n_reports, sum, of_pages, of_dimms;
	struct kernel_report last;
} taken;

static void each(const struct kernel_report *report, void *userdata)
{
	CHECK(report->kind == REPORT_CORRECTED && report->count > 0 && *report->label);
	taken.n_reports++;
	taken.sum += report->count;
	*(report->phys.length_bytes ? &taken.of_pages : &taken.of_dimms) += report->count;
	taken.last = *report;
}

static bool take(struct poison_sums *sums)
{
	memset(&taken, 0, sizeof(taken));
	return kernel_sums_take(sums, each, NULL);
}

/* What bpf/poison.bpf.c does. 1: told, 0: counted, -1: no room. */
static int add(struct poison_sums *sums, uint64_t page, const char *label, uint64_t n)
{
	struct poison_sum key = { .phys_start = page * POISON_PAGE_BYTES, .controller = 1 };
	struct poison_sum *sum;

	strncpy(key.label, label, sizeof(key.label) - 1);
	sum = poison_sum_find(sums->pages, POISON_N_PAGE_SUMS, &key);
	key.phys_start = 0;
	if (!sum)
		sum = poison_sum_find(sums->dimms, POISON_N_DIMM_SUMS, &key);
	if (!sum)
		return -1;
	if (poison_sum_change(sum, POISON_SUM_QUIET, POISON_SUM_COUNTING))
		return 1;
	poison_sum_add(sum, n);
	return 0;
}

static struct poison_sums sums;

static void begin(void)
{
	memset(&sums, 0, sizeof(sums));
}

TEST(the_first_is_told_the_rest_is_a_sum)
{
	begin();
	CHECK(add(&sums, 5, "DIMM_A1", 1) == 1);
	CHECK(!take(&sums) && taken.n_reports == 0);
	CHECK(add(&sums, 5, "DIMM_A1", 1) == 1);
	for (unsigned i = 0; i < 1000; i++)
		CHECK(add(&sums, 5, "DIMM_A1", 2) == 0);
	CHECK(take(&sums) && taken.n_reports == 1 && taken.sum == 2000);
	CHECK(taken.last.phys.start_bytes == 5 * POISON_PAGE_BYTES && taken.last.controller == 1);
	CHECK(!take(&sums));
	CHECK(add(&sums, 5, "DIMM_A1", 1) == 1);
}

TEST(pages_labels_and_controllers_are_counted_apart)
{
	begin();
	CHECK(add(&sums, 5, "DIMM_A1", 1) == 1);
	CHECK(add(&sums, 6, "DIMM_A1", 1) == 1);
	CHECK(add(&sums, 5, "DIMM_B1", 1) == 1);
	CHECK(add(&sums, 5, "DIMM_A1", 1) == 0);
	CHECK(add(&sums, 5, "DIMM_B1", 1) == 0);
	take(&sums);
	CHECK(taken.n_reports == 2 && taken.sum == 2);
}

TEST(of_more_pages_than_there_is_room_for_the_dimm_is_told)
{
	uint64_t n_told = 0, n_counted = 0;

	begin();
	for (uint64_t i = 0; i < 100000; i++)
		*(add(&sums, 1 + i, "DIMM_A1", 1) == 1 ? &n_told : &n_counted) += 1;
	take(&sums);
	CHECK(n_told > POISON_N_PAGE_SUMS / 2 && n_told <= POISON_N_PAGE_SUMS + 1);
	CHECK(taken.sum == n_counted && taken.of_dimms == n_counted);
}

TEST(more_dimms_than_there_is_room_for_have_no_sum)
{
	unsigned n_refused = 0;
	char label[32];

	begin();
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(label, sizeof(label), "DIMM_%u", i);
		n_refused += add(&sums, 0, label, 1) < 0;
	}
	CHECK(n_refused >= 10000 - POISON_N_PAGE_SUMS - POISON_N_DIMM_SUMS && n_refused < 10000);
}

TEST(what_stays_quiet_makes_way)
{
	begin();
	for (uint64_t i = 0; i < 100000; i++)
		add(&sums, 1 + i, "DIMM_A1", 1);
	take(&sums);
	take(&sums);
	CHECK(!take(&sums));
	for (unsigned i = 0; i < POISON_N_PAGE_SUMS; i++)
		CHECK(sums.pages[i].state == POISON_SUM_FREE);
	CHECK(add(&sums, 777777, "DIMM_B1", 1) == 1);
}

TEST(a_label_as_long_as_can_be_is_cut)
{
	char label[100];

	begin();
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	add(&sums, 5, label, 1);
	add(&sums, 5, label, 1);
	CHECK(take(&sums) && taken.sum == 1);
}

static uint64_t n_told[N_THREADS], n_refused[N_THREADS];

static void *run(void *argument)
{
	unsigned me = (unsigned)(uintptr_t)argument;

	for (uint64_t i = 0; i < N_ERRORS; i++) {
		int r = add(&sums, 1 + i % 700, i % 3 ? "DIMM_A1" : "DIMM_B1", 1);

		n_told[me] += r > 0;
		n_refused[me] += r < 0;
	}
	return NULL;
}

TEST(none_is_taken_twice_and_none_is_left_while_all_are_at_it)
{
	pthread_t threads[N_THREADS];
	uint64_t sum = 0, n = 0;

	begin();
	for (unsigned i = 0; i < N_THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < 200; i++) {
		take(&sums);
		sum += taken.sum;
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	while (take(&sums))
		sum += taken.sum;
	for (unsigned i = 0; i < N_THREADS; i++)
		n += n_told[i] + n_refused[i];
	CHECK(n + sum == N_THREADS * N_ERRORS);
	CHECK(sum > 0 && n > 0);
}

TEST_MAIN()
