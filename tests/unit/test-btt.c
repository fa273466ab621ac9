// SPDX-License-Identifier: GPL-2.0-or-later
/* btt: temporary directories take the place of sysfs and debugfs. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "locate/btt.h"
#include "test.h"

#define KIB 1024ull

struct fake {
	char path[64];
	int fd; /* both sysfs and debugfs */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void fake_done(struct fake *fake)
{
	close(fake->fd);
	nftw(fake->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const struct fake *fake, const char *path, const char *text)
{
	_cleanup_(closep) int fd = openat(fake->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void put_field(const struct fake *fake, unsigned arena, const char *name, const char *text)
{
	char path[80];

	snprintf(path, sizeof(path), "btt/btt0.0/arena%u/%s", arena, name);
	put(fake, path, text);
}

/*
 * As the kernel shows it: 1 MiB with 200 blocks of 4096 bytes, of which 190 are shown. Version 2
 * begins where the namespace does.
 */
static void put_arena(const struct fake *fake, unsigned arena, const char *start,
		      const char *data_start, const char *map_start, const char *log_start)
{
	static const char *const fields[][2] = {
		{ "size", "0x0000000000100000\n" },  { "internal_lbasize", "4096\n" },
		{ "internal_nlba", "0x000000c8\n" }, { "external_nlba", "0x000000be\n" },
		{ "version_major", "2\n" },
	};
	char path[80];

	snprintf(path, sizeof(path), "btt/btt0.0/arena%u", arena);
	if (mkdirat(fake->fd, path, 0700) < 0)
		abort();
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		put_field(fake, arena, fields[i][0], fields[i][1]);
	put_field(fake, arena, "infooff", start);
	put_field(fake, arena, "dataoff", data_start);
	put_field(fake, arena, "mapoff", map_start);
	put_field(fake, arena, "logoff", log_start);
}

static struct fake fake_btt(void)
{
	struct fake fake = { .path = "/tmp/test-btt-XXXXXX" };

	if (!mkdtemp(fake.path))
		abort();
	fake.fd = open(fake.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(fake.fd, "pmem0s", 0700) < 0 || mkdirat(fake.fd, "pmem0s/queue", 0700) < 0 ||
	    mkdirat(fake.fd, "btt", 0700) < 0 || mkdirat(fake.fd, "btt/btt0.0", 0700) < 0 ||
	    symlinkat("../../../btt0.0", fake.fd, "pmem0s/device") < 0)
		abort();
	put(&fake, "pmem0s/queue/logical_block_size", "512\n");
	put_arena(&fake, 0, "0x0000000000000000\n", "0x0000000000001000\n", "0x00000000000f0000\n",
		  "0x00000000000f8000\n");
	put_arena(&fake, 1, "0x0000000000100000\n", "0x0000000000101000\n", "0x00000000001f0000\n",
		  "0x00000000001f8000\n");
	return fake;
}

static void read_it(const struct fake *fake, struct btt *btt)
{
	REQUIRE(btt_read(fake->fd, fake->fd, "pmem0s", btt) == 0);
}

TEST(arenas_are_read_as_the_kernel_shows_them)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};

	read_it(&fake, &btt);
	REQUIRE(btt.n_arenas == 2);
	CHECK(btt.sector_bytes == 512);
	CHECK(btt.arenas[1].bytes.start_bytes == 1024 * KIB);
	CHECK(btt.arenas[1].data_start == 1028 * KIB && btt.arenas[1].n_sectors == 190);
}

TEST(version_one_leaves_the_first_page_alone)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};

	put_field(&fake, 0, "version_major", "1\n");
	put_field(&fake, 1, "version_major", "1\n");
	read_it(&fake, &btt);
	CHECK(btt.arenas[0].bytes.start_bytes == 4 * KIB && btt.arenas[0].data_start == 8 * KIB);
}

TEST(what_is_no_btt_is_said_to_be_none)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	struct btt btt = {};

	CHECK(btt_read(fake.fd, fake.fd, "pmem1s", &btt) == -ENOENT);
	CHECK(btt_read(fake.fd, fake.fd, "../btt", &btt) == -ENOENT);
	unlinkat(fake.fd, "pmem0s/device", 0);
	if (symlinkat("../../../namespace0.0", fake.fd, "pmem0s/device") < 0)
		abort();
	CHECK(btt_read(fake.fd, fake.fd, "pmem0s", &btt) == -ENOENT);
	CHECK(!btt.arenas);
}

TEST(a_layout_that_makes_no_sense_is_refused)
{
	static const char *const bad[][2] = {
		{ "internal_lbasize", "0\n" },	      { "internal_nlba", "0xffffffff\n" },
		{ "external_nlba", "0x000000c9\n" },  { "mapoff", "0x0000000000000800\n" },
		{ "logoff", "0x00000000000f0100\n" }, { "logoff", "0x0000000000200000\n" },
		{ "size", "0xffffffffffffffff\n" },   { "version_major", "3\n" },
		{ "version_major", "x\n" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		_cleanup_(fake_done) struct fake fake = fake_btt();
		struct btt btt = {};

		put_field(&fake, 0, bad[i][0], bad[i][1]);
		CHECK(btt_read(fake.fd, fake.fd, "pmem0s", &btt) == -EBADMSG);
		CHECK(!btt.arenas);
	}
}

TEST(arenas_that_overlap_are_refused)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	struct btt btt = {};

	put_field(&fake, 0, "size", "0x0000000000100001\n");
	CHECK(btt_read(fake.fd, fake.fd, "pmem0s", &btt) == -EBADMSG);
}

TEST(a_lost_entry_of_the_map_is_a_lost_sector)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};
	_cleanup_(freep) struct btt_piece *pieces = NULL;
	size_t n;

	read_it(&fake, &btt);
	REQUIRE(btt_look(&btt, (struct range){ 0x1f0000 + 8, 16 }, &pieces, &n) == 0);
	REQUIRE(n == 1);
	CHECK(pieces[0].part == BTT_MAP && pieces[0].arena == 1);
	/* The second arena's sectors come behind those of the first. */
	CHECK(pieces[0].sector_bytes.start_bytes == (190 + 2) * 512);
	CHECK(pieces[0].sector_bytes.length_bytes == 4 * 512);
}

TEST(an_entry_that_is_half_lost_is_lost)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};
	_cleanup_(freep) struct btt_piece *pieces = NULL;
	size_t n;

	read_it(&fake, &btt);
	REQUIRE(btt_look(&btt, (struct range){ 0xf0000 + 6, 3 }, &pieces, &n) == 0);
	REQUIRE(n == 1);
	CHECK(pieces[0].sector_bytes.start_bytes == 512);
	CHECK(pieces[0].sector_bytes.length_bytes == 2 * 512);
	CHECK(pieces[0].bytes.start_bytes == 0xf0006 && pieces[0].bytes.length_bytes == 3);
}

TEST(blocks_of_data_are_numbered_and_cut)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};
	_cleanup_(freep) struct btt_piece *pieces = NULL;
	size_t n;

	read_it(&fake, &btt);
	REQUIRE(btt_look(&btt, (struct range){ 4 * KIB + 4096 * 7 + 512, 4096 }, &pieces, &n) == 0);
	REQUIRE(n == 2);
	CHECK(pieces[0].part == BTT_DATA && pieces[0].block == 7);
	CHECK(pieces[0].bytes.length_bytes == 4096 - 512);
	CHECK(pieces[1].block == 8 && pieces[1].bytes.length_bytes == 512);
}

TEST(every_byte_is_accounted_for)
{
	_cleanup_(fake_done) struct fake fake = fake_btt();
	_cleanup_(btt_done) struct btt btt = {};
	_cleanup_(freep) struct btt_piece *pieces = NULL;
	uint64_t at = 0, n_data = 0, n_sectors = 0;
	size_t n;

	read_it(&fake, &btt);
	REQUIRE(btt_look(&btt, (struct range){ 0, 3 * 1024 * KIB }, &pieces, &n) == 0);
	for (size_t i = 0; i < n; i++) {
		CHECK(pieces[i].bytes.start_bytes == at && pieces[i].bytes.length_bytes);
		at = range_end(pieces[i].bytes);
		n_data += pieces[i].part == BTT_DATA;
		n_sectors += pieces[i].sector_bytes.length_bytes / 512;
	}
	CHECK(at == 3 * 1024 * KIB);
	CHECK(n_data == 2 * 200 && n_sectors == 2 * 190);
	CHECK(pieces[0].part == BTT_RECORDS && pieces[n - 1].part == BTT_RECORDS);
}

TEST_MAIN()
