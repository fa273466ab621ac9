// SPDX-License-Identifier: GPL-2.0-or-later
/* block: a temporary directory takes the place of /sys/class/block. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "locate/block.h"
#include "locate/sysfs.h"
#include "test.h"

struct fake_sysfs {
	char path[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void fake_sysfs_done(struct fake_sysfs *fake)
{
	close(fake->fd);
	nftw(fake->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const struct fake_sysfs *fake, const char *path, const char *text)
{
	int fd = openat(fake->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void put_device(const struct fake_sysfs *fake, const char *dir, const char *dev,
		       const char *size, const char *start)
{
	char path[128];

	if (mkdirat(fake->fd, dir, 0700) < 0)
		abort();
	snprintf(path, sizeof(path), "%s/dev", dir);
	put(fake, path, dev);
	snprintf(path, sizeof(path), "%s/size", dir);
	put(fake, path, size);
	if (!start)
		return;
	snprintf(path, sizeof(path), "%s/start", dir);
	put(fake, path, start);
	snprintf(path, sizeof(path), "%s/partition", dir);
	put(fake, path, "1\n");
}

/* pmem0: 2048 sectors, p1 on [64,1064), p2 on [1064,2048). */
static struct fake_sysfs fake_sysfs_with_a_disk(void)
{
	struct fake_sysfs fake = { .path = "/tmp/test-block-XXXXXX" };

	if (!mkdtemp(fake.path))
		abort();
	fake.fd = open(fake.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_device(&fake, "pmem0", "259:0\n", "2048\n", NULL);
	put_device(&fake, "pmem0/pmem0p1", "259:1\n", "1000\n", "64\n");
	put_device(&fake, "pmem0/pmem0p2", "259:2\n", "984\n", "1064\n");
	mkdirat(fake.fd, "pmem0/queue", 0700);
	if (symlinkat("pmem0/pmem0p1", fake.fd, "pmem0p1") < 0)
		abort();
	return fake;
}

static struct range sectors(uint64_t first, uint64_t n)
{
	return (struct range){ first * SECTOR_BYTES, n * SECTOR_BYTES };
}

static const struct block_slice *slice_of(const struct block_slice *slices, int n,
					  unsigned minor_nr)
{
	for (int i = 0; i < n; i++)
		if (slices[i].dev == makedev(259, minor_nr))
			return &slices[i];
	return NULL;
}

TEST(a_range_in_a_partition_is_reached_through_disk_and_partition)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	_cleanup_(freep) struct block_slice *slices = NULL;
	const struct block_slice *disk, *partition;
	int n;

	n = block_slices(fake.fd, "pmem0", sectors(72, 8), &slices);
	REQUIRE(n == 2);
	disk = slice_of(slices, n, 0);
	partition = slice_of(slices, n, 1);
	REQUIRE(disk && partition && disk == slices);
	CHECK_STREQ(partition->name, "pmem0p1");
	CHECK(disk->bytes.start_bytes == 72 * 512 && disk->disk_offset_bytes == 0);
	CHECK(partition->bytes.start_bytes == 8 * 512 && partition->bytes.length_bytes == 8 * 512);
	CHECK(partition->disk_offset_bytes == 64 * 512);
}

TEST(a_range_over_two_partitions_is_clipped_to_each)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	_cleanup_(freep) struct block_slice *slices = NULL;
	const struct block_slice *first, *second;
	int n;

	n = block_slices(fake.fd, "pmem0", sectors(1060, 8), &slices);
	REQUIRE(n == 3);
	first = slice_of(slices, n, 1);
	second = slice_of(slices, n, 2);
	REQUIRE(first && second);
	CHECK(first->bytes.start_bytes == 996 * 512 && first->bytes.length_bytes == 4 * 512);
	CHECK(second->bytes.start_bytes == 0 && second->bytes.length_bytes == 4 * 512);
}

TEST(a_range_before_all_partitions_is_on_the_disk_alone)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	_cleanup_(freep) struct block_slice *slices = NULL;

	CHECK(block_slices(fake.fd, "pmem0", sectors(0, 64), &slices) == 1);
}

TEST(a_range_behind_the_disk_is_reached_by_nothing)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	_cleanup_(freep) struct block_slice *slices = NULL;

	CHECK(block_slices(fake.fd, "pmem0", sectors(2048, 8), &slices) == 0);
}

TEST(what_is_no_disk_is_said_to_be_none)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	struct block_slice *slices = NULL;

	CHECK(block_slices(fake.fd, "pmem1", sectors(0, 1), &slices) == -ENODEV);
	CHECK(block_slices(fake.fd, "", sectors(0, 1), &slices) == -ENODEV);
	CHECK(block_slices(fake.fd, "..", sectors(0, 1), &slices) == -ENODEV);
	CHECK(block_slices(fake.fd, "pmem0/pmem0p1", sectors(0, 1), &slices) == -ENODEV);
	CHECK(block_slices(fake.fd, "pmem0", (struct range){ 0 }, &slices) == -EINVAL);
	CHECK(!slices);
}

TEST(numbers_that_make_no_sense_are_refused)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	struct block_slice *slices = NULL;

	put(&fake, "pmem0/pmem0p1/size", "36028797018963968\n");
	CHECK(block_slices(fake.fd, "pmem0", sectors(72, 8), &slices) == -ERANGE);
	put(&fake, "pmem0/pmem0p1/size", "-1\n");
	CHECK(block_slices(fake.fd, "pmem0", sectors(72, 8), &slices) == -EBADMSG);
	put(&fake, "pmem0/pmem0p1/size", "1000\n");
	put(&fake, "pmem0/pmem0p1/dev", "259:1:2\n");
	CHECK(block_slices(fake.fd, "pmem0", sectors(72, 8), &slices) == -EBADMSG);
	CHECK(!slices);
}

TEST(a_partition_knows_its_disk)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	struct range extent;
	char disk[64];

	REQUIRE(block_disk_of(fake.fd, "pmem0p1", disk, &extent) == 0);
	CHECK_STREQ(disk, "pmem0");
	CHECK(extent.start_bytes == 64 * 512 && extent.length_bytes == 1000 * 512);
	REQUIRE(block_disk_of(fake.fd, "pmem0", disk, &extent) == 0);
	CHECK_STREQ(disk, "pmem0");
	CHECK(extent.start_bytes == 0 && extent.length_bytes == 2048 * 512);
	CHECK(block_disk_of(fake.fd, "pmem0p9", disk, &extent) == -ENODEV);
}

TEST(a_line_is_one_line)
{
	_cleanup_(fake_sysfs_done) struct fake_sysfs fake = fake_sysfs_with_a_disk();
	char line[8];
	uint64_t n;

	put(&fake, "a", "1234567\n");
	CHECK(sysfs_read_line(fake.fd, "a", line, sizeof(line)) == -ENOBUFS);
	put(&fake, "a", "123\n45\n");
	CHECK(sysfs_read_line(fake.fd, "a", line, sizeof(line)) == -EBADMSG);
	put(&fake, "a", "0x1f\n");
	CHECK(sysfs_read_u64(fake.fd, "a", &n) == 0 && n == 31);
	put(&fake, "a", "18446744073709551616\n");
	CHECK(sysfs_read_u64(fake.fd, "a", &n) == -ERANGE);
	put(&fake, "a", " 1\n");
	CHECK(sysfs_read_u64(fake.fd, "a", &n) == -EBADMSG);
}

TEST_MAIN()
