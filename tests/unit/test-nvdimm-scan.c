// SPDX-License-Identifier: GPL-2.0-or-later
/* nvdimm-scan: temporary directories take the place of /sys/bus/nd/devices and /sys/class/block. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "source/nvdimm-scan.h"
#include "source/nvdimm.h"
#include "test.h"

#define REGION 0x80000000ull
#define DATA   0x80200000ull
#define PAGE   0x8021a000ull
#define MIB    (1024 * 1024ull)

struct fake_lists {
	char path[64];
	struct list_dirs dirs;
	struct address_map *map;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void fake_lists_done(struct fake_lists *fake)
{
	list_dirs_done(&fake->dirs);
	address_map_free(fake->map);
	nftw(fake->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int make_dir(const struct fake_lists *fake, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fake->path, name);
	if (mkdir(path, 0700) < 0)
		abort();
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(const struct fake_lists *fake, const char *device, const char *text, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/badblocks", fake->path, device);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void put_lists(const struct fake_lists *fake, const char *region, const char *disk)
{
	put(fake, "nd/region0", region, strlen(region));
	put(fake, "block/pmem0", disk, strlen(disk));
}

static void add_place(struct address_map *map, struct range phys, uint64_t data_start)
{
	struct place place = {
		.phys = phys,
		.region_start = REGION,
		.data_start = data_start,
		.device = { .region = (char[]){ "region0" }, .blockdev = (char[]){ "pmem0" } },
	};

	if (address_map_add(map, &place) < 0)
		abort();
}

/* A region of 512 MiB: 2 MiB of metadata, then the data of pmem0. No bus, hence no ARS. */
static struct fake_lists fake_lists(void)
{
	struct fake_lists fake = { .path = "/tmp/test-nvdimm-scan-XXXXXX" };

	if (!mkdtemp(fake.path) || address_map_new(&fake.map) < 0)
		abort();
	fake.dirs.nd_devices_fd = make_dir(&fake, "nd");
	fake.dirs.block_fd = make_dir(&fake, "block");
	close(make_dir(&fake, "nd/region0"));
	close(make_dir(&fake, "block/pmem0"));
	add_place(fake.map, (struct range){ REGION, DATA - REGION }, 0);
	add_place(fake.map, (struct range){ DATA, 510 * MIB }, DATA);
	return fake;
}

static bool is(const struct badblocks *bad, size_t i, uint64_t start_bytes, uint64_t length_bytes)
{
	return i < bad->n_ranges && bad->ranges[i].start_bytes == start_bytes &&
	       bad->ranges[i].length_bytes == length_bytes;
}

/* 4095 bytes: sectors from 100 on, every second, and the head of a line. */
static size_t full_page(char *text)
{
	size_t n = 0;

	for (unsigned sector = 1000000; n < 4090; sector += 2)
		n += (size_t)sprintf(text + n, "%u 1\n", sector);
	return n + (size_t)sprintf(text + n, "12345");
}

TEST(both_lists_count_from_their_own_start)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL, *only_ars = NULL;

	put_lists(&fake, "4304 8\n", "208 8\n");
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, &only_ars) == 0);
	CHECK(bad->n_ranges == 1 && is(bad, 0, PAGE, 4096) && !bad->cut);
	CHECK(only_ars->n_ranges == 0);
}

TEST(what_one_list_alone_calls_bad_is_bad)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "8 1\n", "208 8\n");
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->n_ranges == 2 && is(bad, 0, REGION + 4096, 512) && is(bad, 1, PAGE, 4096));
}

TEST(what_regions_have_is_told_apart_from_what_a_disk_still_has)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "4304 8\n1048568 16\n", "208 24\n");
	REQUIRE(nvdimm_scan_regions_at(&fake.dirs, fake.map, &bad) == 0);
	CHECK(bad->n_ranges == 2 && is(bad, 0, PAGE, 4096) && !bad->cut);
	CHECK(is(bad, 1, REGION + 512 * MIB - 4096, 4096));
}

TEST(a_disabled_namespace_has_no_list_and_hides_none)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put(&fake, "nd/region0", "4304 8\n", 7);
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->n_ranges == 1 && is(bad, 0, PAGE, 4096) && !bad->cut);
}

TEST(a_list_of_garbage_hides_no_other_and_is_missed)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "hello\n", "208 8\n");
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->n_ranges == 1 && is(bad, 0, PAGE, 4096) && bad->cut);
}

TEST(sectors_outside_of_the_device_are_nobodys)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "1048568 16\n", "1044480 8\n");
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->n_ranges == 1 && is(bad, 0, REGION + 512 * MIB - 4096, 4096));
}

TEST(an_address_that_wraps_is_refused_and_missed)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "36028797018963900 8\n", "");
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->n_ranges == 0 && bad->cut);
}

TEST(a_cut_list_without_a_bus_to_ask_stays_cut)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	char text[4200];
	size_t n = full_page(text);

	put(&fake, "nd/region0", text, n);
	put(&fake, "block/pmem0", "", 0);
	REQUIRE(nvdimm_scan_map(&fake.dirs, fake.map, &bad, NULL) == 0);
	CHECK(bad->cut && bad->n_ranges == 409);
}

TEST(within_a_range_only_its_own_bytes_are_told)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	put_lists(&fake, "4300 5\n", "215 8\n");
	REQUIRE(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ PAGE, 4096 }, &bad) ==
		0);
	CHECK(bad->n_ranges == 2 && is(bad, 0, PAGE, 512) && is(bad, 1, PAGE + 3584, 512));
	CHECK(!bad->cut);
}

TEST(a_decision_is_not_made_on_a_list_that_makes_no_sense)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	struct badblocks *bad = NULL;

	put_lists(&fake, "", "208 x\n");
	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ PAGE, 4096 }, &bad) ==
	      -EBADMSG);
	CHECK(!bad);
}

TEST(a_decision_is_not_made_without_any_list)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	struct badblocks *bad = NULL;

	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ PAGE, 4096 }, &bad) ==
	      -ENXIO);
	CHECK(!bad);
}

TEST(nor_on_an_address_that_is_on_no_region)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	struct badblocks *bad = NULL;

	put_lists(&fake, "", "");
	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map,
				   (struct range){ REGION + 512 * MIB - 512, 1024 },
				   &bad) == -ENODEV);
	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ REGION - 512, 1024 },
				   &bad) == -ENODEV);
	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ PAGE, 0 }, &bad) ==
	      -EINVAL);
	CHECK(!bad);
}

TEST(a_cut_list_is_believed_as_far_as_it_was_seen)
{
	_cleanup_(fake_lists_done) struct fake_lists fake = fake_lists();
	_cleanup_(badblocks_freep) struct badblocks *before = NULL;
	struct badblocks *behind = NULL;
	char text[4200];
	size_t n = full_page(text);

	put(&fake, "nd/region0", text, n);
	put(&fake, "block/pmem0", "", 0);
	REQUIRE(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ PAGE, 4096 }, &before) ==
		0);
	CHECK(before->n_ranges == 0 && !before->cut);
	CHECK(nvdimm_bad_within_at(&fake.dirs, fake.map, (struct range){ REGION + 511 * MIB, 512 },
				   &behind) == -EOVERFLOW);
	CHECK(!behind);
}

TEST_MAIN()
