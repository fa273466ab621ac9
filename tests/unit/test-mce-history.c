// SPDX-License-Identifier: GPL-2.0-or-later
/* mce_history: temporary files take the place of /dev/kmsg and /proc/meminfo. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "source/mce_history.h"
#include "test.h"

#define PAGE	 0x8021a000ull
#define BOOT	 "5,0,0,-;Linux version 6.1.0\n"
#define HIT_6_1	 "3,900,5123456,-;Memory failure: 0x8021a: recovery action for dax page: Recovered\n"
#define HIT_6_12 "3,900,5123456,-,caller=T9;Memory failure: 0x8021a: already hardware poisoned\n"
#define NONE	 "MemTotal:  100 kB\nHardwareCorrupted:     0 kB\nAnonHugePages: 0 kB\n"
#define SOME	 "MemTotal:  100 kB\nHardwareCorrupted:     4 kB\nAnonHugePages: 0 kB\n"

static int file_with(const char *text)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	return fd;
}

static int verdict(const char *log, const char *meminfo, uint64_t phys_address)
{
	_cleanup_(closep) int kmsg_fd = file_with(log), meminfo_fd = file_with(meminfo);

	return mce_history_from(kmsg_fd, meminfo_fd, (struct range){ phys_address, 1 });
}

TEST(a_log_that_reaches_back_to_boot_proves_innocence)
{
	CHECK(verdict(BOOT "6,1,5,-;something\n", SOME, PAGE) == MCE_NEVER);
}

TEST(both_kernels_say_which_page_was_hit)
{
	CHECK(verdict(BOOT HIT_6_1, SOME, PAGE) == MCE_HIT);
	CHECK(verdict(BOOT HIT_6_12, SOME, PAGE) == MCE_HIT);
	CHECK(verdict(BOOT HIT_6_1, SOME, PAGE + 4095) == MCE_HIT);
	CHECK(verdict(BOOT HIT_6_1, SOME, PAGE + 4096) == MCE_NEVER);
	CHECK(verdict(BOOT HIT_6_1, SOME, PAGE - 1) == MCE_NEVER);
}

TEST(a_hit_in_a_log_that_was_overwritten_is_still_a_hit)
{
	CHECK(verdict(HIT_6_1, NONE, PAGE) == MCE_HIT);
}

TEST(an_overwritten_log_proves_nothing_once_a_page_was_hit)
{
	CHECK(verdict("6,40,5,-;something\n", SOME, PAGE) == MCE_MAYBE);
	CHECK(verdict("6,40,5,-;something\n", NONE, PAGE) == MCE_NEVER);
	CHECK(verdict("", SOME, PAGE) == MCE_MAYBE);
	CHECK(verdict("", NONE, PAGE) == MCE_NEVER);
}

TEST(a_kernel_that_does_not_count_proves_nothing)
{
	CHECK(verdict("6,40,5,-;something\n", "MemTotal: 100 kB\n", PAGE) == MCE_MAYBE);
	CHECK(verdict("6,40,5,-;something\n", "", PAGE) == MCE_MAYBE);
	CHECK(verdict("6,40,5,-;something\n", "a\nHardwareCorrupted: x kB\n", PAGE) == MCE_MAYBE);
}

TEST(of_several_pages_one_is_enough)
{
	_cleanup_(closep) int kmsg_fd = file_with(BOOT HIT_6_1), meminfo_fd = file_with(SOME);
	struct range pages = { PAGE - 3 * 4096, 3 * 4096 };

	CHECK(mce_history_from(kmsg_fd, meminfo_fd, pages) == MCE_NEVER);
	pages.length_bytes++;
	CHECK(mce_history_from(kmsg_fd, meminfo_fd, pages) == MCE_HIT);
}

TEST(more_hits_than_are_kept_make_every_page_one)
{
	_cleanup_(freep) char *log = malloc(400000);
	size_t n = (size_t)sprintf(log, "%s", BOOT);

	for (unsigned i = 1; i <= 4096; i++)
		n += (size_t)sprintf(log + n, "3,%u,5,-;Memory failure: 0x%x: x\n", i, i * 2);
	CHECK(verdict(log, SOME, PAGE) == MCE_NEVER);
	CHECK(verdict(log, SOME, 8192ull * 4096) == MCE_HIT);
	sprintf(log + n, "3,5000,5,-;Memory failure: 0x1: x\n");
	CHECK(verdict(log, SOME, PAGE) == MCE_HIT);
}

TEST(a_huge_page_is_hit_as_a_whole)
{
	static const char line[] = BOOT
		"3,9,5,-;Memory failure: 0x80200: recovery action for huge page: Recovered\n";

	CHECK(verdict(line, SOME, 0x80200000) == MCE_HIT);
	CHECK(verdict(line, SOME, PAGE) == MCE_HIT);
	CHECK(verdict(line, SOME, 0x80400000) == MCE_NEVER);
}

TEST(what_others_wrote_to_the_log_is_no_hit)
{
	/* Facility 1: written by a process. */
	CHECK(verdict(BOOT "11,9,5,-;Memory failure: 0x8021a: x\n", SOME, PAGE) == MCE_NEVER);
	CHECK(verdict(BOOT "3,9,5,-;foo Memory failure: 0x8021a: x\n", SOME, PAGE) == MCE_NEVER);
	CHECK(verdict(BOOT "3,9,5,-;Memory failure: 0x8021a0: x\n", SOME, PAGE) == MCE_NEVER);
	CHECK(verdict(BOOT "3,9,5,-;Memory failure: 0x8021a x\n", SOME, PAGE) == MCE_NEVER);
	CHECK(verdict(BOOT "3,9,5,-;Memory failure: 0x\n", SOME, PAGE) == MCE_NEVER);
	/* A line of a record's dictionary, even one that looks like a record. */
	CHECK(verdict(BOOT " 3,9,5,-;Memory failure: 0x8021a: x\n", SOME, PAGE) == MCE_NEVER);
}

TEST(a_record_that_ends_nowhere_is_not_believed_to_be_the_last)
{
	CHECK(verdict(BOOT "3,9,5,-;Memory fail", SOME, PAGE) == MCE_MAYBE);
}

TEST(a_record_longer_than_any_is_an_error)
{
	_cleanup_(freep) char *log = malloc(20000);

	memset(log, 'x', 19999);
	log[19999] = '\0';
	CHECK(verdict(log, NONE, PAGE) == -EBADMSG);
}

TEST(a_log_of_many_records_is_read_to_its_end)
{
	_cleanup_(freep) char *log = malloc(200000);
	size_t n = (size_t)sprintf(log, "%s", BOOT);

	for (unsigned i = 1; i < 3000; i++)
		n += (size_t)sprintf(log + n, "6,%u,%u,-;a message of usual length\n", i, i);
	CHECK(verdict(log, SOME, PAGE) == MCE_NEVER);
	strcpy(log + n, HIT_6_1);
	CHECK(verdict(log, SOME, PAGE) == MCE_HIT);
}

TEST_MAIN()
