// SPDX-License-Identifier: GPL-2.0-or-later
/* search: which bytes still lack an owner, and the hints that one search leaves for the next. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "owners/fsmap.h"
#include "owners/hints.h"
#include "owners/realtime.h"
#include "owners/unowned.h"
#include "scratch.h"
#include "test.h"

#define KIB UINT64_C(1024)

static struct unowned unowned_of(const struct range *ranges, size_t n)
{
	struct unowned u = {};

	for (size_t i = 0; i < n; i++)
		if (unowned_add(&u, ranges[i]) < 0)
			exit(99);
	unowned_sort(&u);
	return u;
}

#define UNOWNED(...)                                                                               \
	unowned_of((const struct range[]){ __VA_ARGS__ },                                          \
		   sizeof((const struct range[]){ __VA_ARGS__ }) / sizeof(struct range))

static struct find data(uint64_t start, uint64_t length, uint64_t inode)
{
	return (struct find){
		.kind = OWNER_FILE_DATA,
		.bytes = { start, length },
		.inode = inode,
		.file_offset_bytes = 100 * KIB,
	};
}

TEST(a_search_is_over_when_each_byte_has_one_owner)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 8 * KIB, 4 * KIB }, { 0, 512 });
	struct find left = data(0, 10 * KIB, 11), right = data(10 * KIB, 64 * KIB, 12);

	CHECK(!unowned_settled(&u));
	CHECK(unowned_found(&u, &left) == 1);
	CHECK(!unowned_settled(&u));
	CHECK(unowned_found(&u, &right) == 1);
	CHECK(unowned_settled(&u));
}

TEST(a_find_is_clipped_and_keeps_its_place_in_the_file)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 8 * KIB, 512 });
	struct find file = data(4 * KIB, 64 * KIB, 11);

	REQUIRE(unowned_found(&u, &file) == 1);
	CHECK(u.finds[0].find.bytes.start_bytes == 8 * KIB);
	CHECK(u.finds[0].find.bytes.length_bytes == 512);
	CHECK(u.finds[0].find.file_offset_bytes == 104 * KIB);
}

TEST(what_is_shared_settles_nothing)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 0, 4 * KIB });
	struct find one = data(0, 4 * KIB, 11), two = data(0, 4 * KIB, 12);

	one.shared = two.shared = true;
	CHECK(unowned_found(&u, &one) == 1);
	CHECK(unowned_found(&u, &two) == 1);
	CHECK(!unowned_settled(&u));
}

TEST(the_same_file_found_twice_counts_once)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 0, 8 * KIB });
	struct find half = data(0, 4 * KIB, 11);

	CHECK(unowned_found(&u, &half) == 1);
	CHECK(unowned_found(&u, &half) == 0);
	CHECK(!unowned_settled(&u));
	CHECK(u.ranges[0].n_finds == 1);
}

TEST(two_files_that_claim_the_same_bytes_do_not_settle_others)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 0, 8 * KIB });
	struct find one = data(0, 4 * KIB, 11), two = data(0, 4 * KIB, 12);

	CHECK(unowned_found(&u, &one) == 1);
	CHECK(unowned_found(&u, &two) == 1);
	CHECK(!unowned_settled(&u));
}

TEST(ranges_that_overlap_are_one)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 4 * KIB, 4 * KIB }, { 0, 5 * KIB },
							   { 8 * KIB, KIB });

	CHECK(u.n == 2);
	CHECK(u.ranges[0].bytes.start_bytes == 0 && u.ranges[0].bytes.length_bytes == 8 * KIB);
	CHECK(unowned_meets(&u, (struct range){ 8 * KIB + 512, 1 }));
	CHECK(!unowned_meets(&u, (struct range){ 9 * KIB, 100 * KIB }));
}

TEST(equal_numbers_on_two_devices_are_not_the_same_bytes)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ REALTIME_START + 8 * KIB, 4 * KIB },
							   { 8 * KIB, 4 * KIB });
	struct find own = data(0, 64 * KIB, 11), realtime = data(REALTIME_START, 64 * KIB, 12);

	REQUIRE(u.n == 2);
	CHECK(unowned_found(&u, &own) == 1);
	CHECK(!unowned_settled(&u));
	CHECK(u.ranges[0].n_finds == 1 && u.ranges[1].n_finds == 0);
	CHECK(unowned_found(&u, &realtime) == 1);
	CHECK(unowned_settled(&u));
	CHECK(u.finds[0].find.inode == 11 && u.finds[1].find.inode == 12);
}

TEST(a_hundred_thousand_ranges_are_found_again)
{
	_cleanup_(unowned_done) struct unowned u = {};

	for (uint64_t i = 100000; i-- > 0;)
		REQUIRE(unowned_add(&u, (struct range){ i * 8 * KIB, 512 }) == 0);
	unowned_sort(&u);
	REQUIRE(u.n == 100000);
	for (uint64_t i = 0; i < 100000; i++) {
		struct find file = data(i * 8 * KIB, 4 * KIB, 11 + i);

		REQUIRE(!unowned_settled(&u));
		REQUIRE(unowned_found(&u, &file) == 1);
	}
	CHECK(unowned_settled(&u));
}

TEST(more_finds_than_are_kept_are_told)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 0, 4 * KIB });

	for (uint64_t i = 0; i <= FSMAP_MAX_PIECES; i++) {
		struct find file = data(0, 4 * KIB, 11 + i);

		file.shared = true;
		REQUIRE(unowned_found(&u, &file) >= 0);
	}
	CHECK(u.ranges[0].truncated);
	CHECK(u.ranges[0].n_finds == FSMAP_MAX_PIECES);
}

/* ---- hints ---- */

#define DEV makedev(259, 3)

static void leave_hints(const char *directory, uint64_t n, bool whole)
{
	struct hints_writer *w;

	if (hints_begin(directory, DEV, &w) < 0)
		exit(99);
	/* Backwards, since inodes and blocks need not be in one order. */
	for (uint64_t i = n; i-- > 0;)
		if (hints_add(w, 1000 + i, (struct range){ i * 8 * KIB, 4 * KIB }) < 0)
			exit(99);
	if (hints_finish(w, whole) < 0)
		exit(99);
}

static size_t n_hinted(const char *directory, struct range range, uint64_t *ret_first)
{
	_cleanup_(unowned_done) struct unowned u = UNOWNED(range);
	_cleanup_(freep) uint64_t *inodes = NULL;
	size_t n;

	if (hints_find(directory, DEV, &u, &inodes, &n) < 0)
		exit(99);
	*ret_first = n ? inodes[0] : 0;
	return n;
}

TEST(hints_name_who_had_the_bytes)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	uint64_t first;

	leave_hints(dir.path, 100000, true); /* more than one batch */
	CHECK(n_hinted(dir.path, (struct range){ 77777 * 8 * KIB + 512, 512 }, &first) == 1);
	CHECK(first == 78777);
	CHECK(n_hinted(dir.path, (struct range){ 77777 * 8 * KIB + 4096, 512 }, &first) == 0);
	CHECK(n_hinted(dir.path, (struct range){ 5 * 8 * KIB, 40 * KIB }, &first) == 5);
	CHECK(first == 1005);
}

TEST(no_hints_are_no_error)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	uint64_t first;

	CHECK(n_hinted(dir.path, (struct range){ 0, 512 }, &first) == 0);
}

TEST(a_list_of_a_part_does_not_replace_a_longer_one)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	uint64_t first;

	leave_hints(dir.path, 1000, true);
	leave_hints(dir.path, 10, false);
	CHECK(n_hinted(dir.path, (struct range){ 900 * 8 * KIB, 512 }, &first) == 1);
	leave_hints(dir.path, 10, true);
	CHECK(n_hinted(dir.path, (struct range){ 900 * 8 * KIB, 512 }, &first) == 0);
	leave_hints(dir.path, 2000, false);
	CHECK(n_hinted(dir.path, (struct range){ 900 * 8 * KIB, 512 }, &first) == 1);
}

static unsigned n_files_in(const char *directory)
{
	_cleanup_(closedirp) DIR *dir = opendir(directory);
	unsigned n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		n += *e->d_name != '.';
	return n;
}

TEST(a_search_that_is_killed_leaves_the_old_hints_and_no_others)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	struct hints_writer *w;
	uint64_t first;
	pid_t pid;

	leave_hints(dir.path, 10, true);
	pid = fork();
	if (pid == 0) {
		if (hints_begin(dir.path, DEV, &w) < 0)
			_exit(1);
		for (uint64_t i = 0; i < 100000; i++)
			hints_add(w, 5000 + i, (struct range){ i * 8 * KIB, 4 * KIB });
		raise(SIGKILL);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(n_files_in(dir.path) == 1);
	CHECK(n_hinted(dir.path, (struct range){ 5 * 8 * KIB, 512 }, &first) == 1);
	CHECK(first == 1005);
	REQUIRE(hints_begin(dir.path, DEV, &w) == 0);
	CHECK(hints_add(w, 1, (struct range){ 0, 512 }) == 0);
	CHECK(!hints_drop(w));
	CHECK(n_files_in(dir.path) == 1);
}

TEST(hints_are_neither_read_from_nor_left_where_others_can_write)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(unowned_done) struct unowned u = UNOWNED({ 0, 512 });
	struct hints_writer *w;
	uint64_t *inodes;
	size_t n;

	leave_hints(dir.path, 10, true);
	REQUIRE(chmod(dir.path, 0777) == 0);
	CHECK(hints_begin(dir.path, DEV, &w) == -EPERM);
	CHECK(hints_find(dir.path, DEV, &u, &inodes, &n) == -EPERM);
	chmod(dir.path, 0700);
}

TEST(a_list_of_nonsense_gives_hints_or_none_but_no_harm)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(closep) int fd = -1;
	char path[128];
	uint64_t first;

	snprintf(path, sizeof(path), "%s/hints-%u:%u", dir.path, major(DEV), minor(DEV));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	for (unsigned i = 0; i < 100001; i++) {
		uint64_t odd = i * UINT64_C(0x9e3779b97f4a7c15);

		REQUIRE(write(fd, &odd, sizeof(odd)) == sizeof(odd));
	}
	CHECK(n_hinted(dir.path, (struct range){ KIB, UINT64_C(1) << 62 }, &first) < 100001);
}

/* As a search of another filesystem left it so many days ago; sparse. */
static void leave_list(const char *directory, unsigned minor, off_t n_mib, unsigned days)
{
	const struct timespec then = { time(NULL) - days * 86400, 0 };
	_cleanup_(closep) int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/hints-%u:%u", directory, major(DEV) + 1, minor);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, n_mib << 20) < 0 ||
	    futimens(fd, (const struct timespec[]){ then, then }) < 0)
		exit(99);
}

static bool is_left(const char *directory, unsigned minor)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/hints-%u:%u", directory, major(DEV) + 1, minor);
	return access(path, F_OK) == 0;
}

TEST(lists_of_filesystems_long_gone_give_way)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	uint64_t first;

	leave_list(dir.path, 1, 90, 300);
	leave_list(dir.path, 2, 90, 500);
	leave_list(dir.path, 3, 70, 100);
	leave_hints(dir.path, 10, true);
	CHECK(is_left(dir.path, 1) && is_left(dir.path, 2) && is_left(dir.path, 3));
	leave_list(dir.path, 4, 90, 200);
	leave_hints(dir.path, 10, true);
	CHECK(!is_left(dir.path, 2));
	CHECK(is_left(dir.path, 1) && is_left(dir.path, 3) && is_left(dir.path, 4));
	leave_list(dir.path, 5, 90, 1);
	leave_list(dir.path, 6, 90, 2);
	leave_hints(dir.path, 10, true);
	CHECK(!is_left(dir.path, 1) && !is_left(dir.path, 4));
	CHECK(is_left(dir.path, 3) && is_left(dir.path, 5) && is_left(dir.path, 6));
	CHECK(n_hinted(dir.path, (struct range){ 5 * 8 * KIB, 512 }, &first) == 1);
}

TEST(short_lists_are_not_kept_without_number)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();

	for (unsigned i = 0; i < 100; i++)
		leave_list(dir.path, i, 0, i + 1);
	leave_hints(dir.path, 10, true);
	CHECK(n_files_in(dir.path) == 64);
	CHECK(is_left(dir.path, 0) && is_left(dir.path, 62) && !is_left(dir.path, 63));
}

TEST(a_list_that_helped_is_as_good_as_new)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(closep) int dir_fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[64];
	uint64_t first;

	leave_hints(dir.path, 10, true);
	snprintf(name, sizeof(name), "hints-%u:%u", major(DEV), minor(DEV));
	REQUIRE(utimensat(dir_fd, name, (const struct timespec[2]){}, 0) == 0);
	for (unsigned i = 0; i < 3; i++)
		leave_list(dir.path, i, 90, 300 + i);
	CHECK(n_hinted(dir.path, (struct range){ 5 * 8 * KIB, 512 }, &first) == 1);
	hints_prune(dir_fd);
	CHECK(n_hinted(dir.path, (struct range){ 5 * 8 * KIB, 512 }, &first) == 1);
	CHECK(is_left(dir.path, 0) && is_left(dir.path, 1) && !is_left(dir.path, 2));
}

TEST(what_is_no_list_of_hints_is_not_removed)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(closep) int dir_fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closep) int fd = openat(dir_fd, "ledger.sqlite", O_RDWR | O_CREAT | O_CLOEXEC,
					  0600);

	REQUIRE(fd >= 0 && ftruncate(fd, 1 << 30) == 0);
	REQUIRE(futimens(fd, (const struct timespec[2]){}) == 0);
	for (unsigned i = 0; i < 3; i++)
		leave_list(dir.path, i, 80, 300 + i);
	hints_prune(dir_fd);
	CHECK(n_files_in(dir.path) == 4);
}

TEST_MAIN()
