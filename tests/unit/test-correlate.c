// SPDX-License-Identifier: GPL-2.0-or-later
/* What belongs to one failure finds together in whatever order it comes, and nothing else does. */
#include <errno.h>
#include <signal.h>

#include "hearing/correlate.h"
#include "incident.h"
#include "test.h"

#define WORKER	77
#define PAGE(n) ((struct range){ 0x80000000 + (n)*PAGE_BYTES, PAGE_BYTES })

static struct {
	unsigned n_failures, n_signalled, n_files, n_given_back;
	uint64_t signalled_page;
	char result[32];
} heard;

static void on_failure(const struct failure_case *f, void *userdata)
{
	heard.n_failures++;
	heard.n_files = f->n_files;
	snprintf(heard.result, sizeof(heard.result), "%s", f->result);
}

static void on_signalled(const struct failure_case *f, const struct kernel_report *signal,
			 void *userdata)
{
	CHECK(signal->comm && !strcmp(signal->comm, "victim"));
	heard.n_signalled++;
	heard.signalled_page = f->phys_start;
}

static void on_heard(struct range phys, void *userdata)
{
}

static void on_given_back(struct range phys, void *userdata)
{
	heard.n_given_back++;
}

static struct correlate *begin(void)
{
	static const struct correlate_callbacks callbacks = { on_failure, on_signalled, on_heard,
							      on_given_back };

	memset(&heard, 0, sizeof(heard));
	return correlate_new(&callbacks, NULL);
}

static struct kernel_report at(enum report_kind kind, uint64_t usec, unsigned page)
{
	return (struct kernel_report){
		.kind = kind,
		.seen_usec = usec,
		.running_tid = WORKER,
		.phys = PAGE(page),
		.page_type = "dax",
		.result = "recovered",
		.pid = 1234,
		.start_ticks = 9,
		.comm = "victim",
		.code = BUS_MCEERR_AO,
		.inode = 131,
		.file_range = { 8192, PAGE_BYTES },
	};
}

static void take(struct correlate *c, struct kernel_report report)
{
	correlate_take(c, &report);
}

/* All orders of four reports; the DAX tuple is only known within its failure. */
TEST(order_does_not_matter)
{
	for (unsigned order = 0; order < 256; order++) {
		const struct kernel_report all[] = {
			at(REPORT_CHECK, 10, 1),
			at(REPORT_ENTRY, 20, 1),
			at(REPORT_SIGNAL, 30, 0),
			at(REPORT_FAILURE, 40, 1),
		};
		_cleanup_(correlate_freep) struct correlate *c = NULL;
		unsigned seen = 0;

		for (unsigned i = 0; i < 4; i++)
			seen |= 1u << (order >> 2 * i & 3);
		if (seen != 15)
			continue;
		c = begin();
		for (unsigned i = 0; i < 4; i++)
			take(c, all[order >> 2 * i & 3]);
		CHECK(heard.n_failures == 1);
		CHECK(heard.n_signalled == 1);
		CHECK(heard.signalled_page == PAGE(1).start_bytes);
		CHECK(correlate_sources(c, PAGE(1)) == (SOURCE_MCE | SOURCE_MEMORY_FAILURE));
		CHECK(correlate_sources(c, PAGE(2)) == 0);
		CHECK(correlate_signalled(c, PAGE(1), 1234, 9) == BUS_MCEERR_AO);
		CHECK(correlate_signalled(c, PAGE(1), 1234, 10) == 0);
		CHECK(correlate_signalled(c, PAGE(2), 1234, 9) == 0);
	}
}

TEST(without_probes_a_signal_belongs_to_the_failure_that_follows)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, at(REPORT_FAILURE, 10, 1));
	take(c, at(REPORT_SIGNAL, 20, 0));
	CHECK(heard.n_signalled == 0);
	take(c, at(REPORT_FAILURE, 30, 2));
	CHECK(heard.n_signalled == 1);
	CHECK(heard.signalled_page == PAGE(2).start_bytes);
}

TEST(a_signal_of_another_task_is_nobodys)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report forged = at(REPORT_SIGNAL, 25, 0);

	forged.running_tid = 1234;
	take(c, at(REPORT_ENTRY, 20, 1));
	take(c, forged);
	take(c, at(REPORT_FAILURE, 30, 1));
	CHECK(heard.n_signalled == 0);
	CHECK(correlate_signalled(c, PAGE(1), 1234, 9) == 0);
}

TEST(a_signal_of_long_ago_is_nobodys)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, at(REPORT_SIGNAL, 1000, 0));
	take(c, at(REPORT_FAILURE, 1002000, 1));
	CHECK(heard.n_signalled == 0);
}

TEST(a_flood_of_forged_signals_does_not_push_out_a_real_one)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report forged = at(REPORT_SIGNAL, 21, 0);

	take(c, at(REPORT_ENTRY, 20, 1));
	for (unsigned i = 0; i < 1000; i++) {
		forged.running_tid = 2000 + (pid_t)i;
		take(c, forged);
	}
	take(c, at(REPORT_SIGNAL, 22, 0));
	CHECK(heard.n_signalled == 1);
}

TEST(all_files_of_a_shared_page_are_of_one_case)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, at(REPORT_ENTRY, 10, 1));
	for (unsigned i = 0; i < CASE_MAX_FILES + 5; i++)
		take(c, at(REPORT_DAX, 11, 0));
	take(c, at(REPORT_FAILURE, 12, 1));
	take(c, at(REPORT_RETURN, 13, 1));
	CHECK(heard.n_failures == 1);
	CHECK(heard.n_files == CASE_MAX_FILES);
}

TEST(a_page_that_was_poisoned_before_is_told_by_its_return)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report end = at(REPORT_RETURN, 30, 1);

	end.error = -EHWPOISON;
	take(c, at(REPORT_ENTRY, 20, 1));
	take(c, end);
	CHECK(heard.n_failures == 1);
	CHECK(!strcmp(heard.result, "already-poisoned"));
}

TEST(the_same_page_twice_is_two_failures)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	for (uint64_t usec = 10; usec < 50; usec += 20) {
		take(c, at(REPORT_ENTRY, usec, 1));
		take(c, at(REPORT_FAILURE, usec + 5, 1));
		take(c, at(REPORT_RETURN, usec + 6, 1));
	}
	CHECK(heard.n_failures == 2);
}

TEST(memory_is_bounded_and_the_youngest_stay)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	for (unsigned i = 0; i < 100000; i++) {
		take(c, at(REPORT_CHECK, i, i));
		take(c, at(REPORT_ENTRY, i, i));
		take(c, at(REPORT_FAILURE, i, i));
		take(c, at(REPORT_RETURN, i, i));
	}
	CHECK(heard.n_failures == 100000);
	CHECK(correlate_sources(c, PAGE(99999)) == (SOURCE_MCE | SOURCE_MEMORY_FAILURE));
	CHECK(correlate_sources(c, PAGE(1)) == 0);
}

TEST(a_corrected_error_is_no_source)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report check = at(REPORT_CHECK, 10, 1);

	check.corrected = true;
	take(c, check);
	CHECK(correlate_sources(c, PAGE(1)) == 0);
}

static struct kernel_report page_at(uint64_t usec, unsigned page, const struct page_facts *facts)
{
	struct kernel_report report = at(REPORT_PAGE, usec, page);

	report.page = facts;
	return report;
}

/* Two programs see the same beginning, and which of them comes first is up to the kernel. */
TEST(the_page_is_of_its_failure_before_and_after_the_entry)
{
	const struct page_facts file = { .use = PAGE_FILE, .inode = 131 };

	for (unsigned first = 0; first < 2; first++) {
		_cleanup_(correlate_freep) struct correlate *c = begin();
		struct kernel_report name = at(REPORT_NAME, 22, 0);
		const struct failure_case *found;

		name.name = "/dir/data";
		if (first) {
			take(c, page_at(20, 1, &file));
			take(c, at(REPORT_ENTRY, 21, 1));
		} else {
			take(c, at(REPORT_ENTRY, 20, 1));
			take(c, page_at(21, 1, &file));
		}
		take(c, name);
		take(c, at(REPORT_FAILURE, 30, 1));
		take(c, at(REPORT_RETURN, 31, 1));
		CHECK(heard.n_failures == 1);
		found = correlate_case(c, PAGE(1));
		REQUIRE(found);
		CHECK(found->page.use == PAGE_FILE && found->page.inode == 131);
		CHECK_STREQ(found->page.name, "/dir/data");
	}
}

TEST(a_page_without_a_number_is_of_the_failure_under_way)
{
	const struct page_facts file = { .use = PAGE_FILE, .inode = 131 };
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report page = page_at(25, 1, &file), other = page_at(26, 1, &file);

	page.phys = other.phys = (struct range){ 0 };
	other.running_tid = WORKER + 1;
	take(c, at(REPORT_ENTRY, 20, 1));
	take(c, other);
	take(c, at(REPORT_FAILURE, 30, 1));
	take(c, at(REPORT_RETURN, 31, 1));
	CHECK(correlate_case(c, PAGE(1))->page.use == PAGE_UNSEEN);
	take(c, at(REPORT_ENTRY, 40, 2));
	page.seen_usec = 45;
	take(c, page);
	take(c, at(REPORT_FAILURE, 50, 2));
	CHECK(correlate_case(c, PAGE(2))->page.use == PAGE_FILE);
}

TEST(the_first_look_at_a_page_stays)
{
	const struct page_facts file = { .use = PAGE_FILE, .inode = 131 };
	const struct page_facts other = { .use = PAGE_OTHER };
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, page_at(20, 1, &file));
	take(c, page_at(21, 1, &other));
	take(c, at(REPORT_FAILURE, 30, 1));
	CHECK(correlate_case(c, PAGE(1))->page.inode == 131);
}

TEST(a_failure_that_is_not_over_is_no_case_yet)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, at(REPORT_ENTRY, 20, 1));
	CHECK(!correlate_case(c, PAGE(1)));
	take(c, at(REPORT_FAILURE, 30, 1));
	CHECK(correlate_case(c, PAGE(1)));
	CHECK(!correlate_case(c, PAGE(2)));
}

/* The same page again is another case, and the look at it then says what it was then. */
TEST(the_second_failure_of_a_page_has_its_own_look)
{
	const struct page_facts file = { .use = PAGE_FILE, .inode = 131 };
	const struct page_facts other = { .use = PAGE_OTHER };
	_cleanup_(correlate_freep) struct correlate *c = begin();

	take(c, page_at(10, 1, &file));
	take(c, at(REPORT_FAILURE, 15, 1));
	take(c, at(REPORT_RETURN, 16, 1));
	take(c, page_at(20, 1, &other));
	take(c, at(REPORT_ENTRY, 21, 1));
	take(c, at(REPORT_FAILURE, 25, 1));
	take(c, at(REPORT_RETURN, 26, 1));
	CHECK(heard.n_failures == 2);
	CHECK(correlate_case(c, PAGE(1))->page.use == PAGE_OTHER);
}

TEST(a_page_that_is_given_back_is_no_failure)
{
	_cleanup_(correlate_freep) struct correlate *c = begin();
	struct kernel_report report = at(REPORT_UNPOISON, 100, 5);

	correlate_take(c, &report);
	CHECK(heard.n_given_back == 1 && heard.n_failures == 0);
	CHECK(!correlate_case(c, PAGE(5)));
}

TEST_MAIN()
