// SPDX-License-Identifier: GPL-2.0-or-later
/* stack: a temporary directory takes the place of /sys/class/block, and tables are made by hand. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "locate/stack.h"
#include "test.h"

#define PMEM1 makedev(259, 2)
#define DM(n) makedev(254, n)

struct fake_sysfs {
	char path[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void fake_done(struct fake_sysfs *fake)
{
	close(fake->fd);
	nftw(fake->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const struct fake_sysfs *fake, const char *dir, const char *name, const char *text)
{
	_cleanup_(closep) int fd = -1;
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = openat(fake->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void put_dir(const struct fake_sysfs *fake, const char *dir)
{
	if (mkdirat(fake->fd, dir, 0700) < 0)
		abort();
}

static void put_device(const struct fake_sysfs *fake, const char *dir, const char *dev,
		       const char *size)
{
	put_dir(fake, dir);
	put(fake, dir, "dev", dev);
	put(fake, dir, "size", size);
}

static void put_volume(const struct fake_sysfs *fake, const char *name, const char *dev,
		       const char *size, const char *label, const char *const *slaves)
{
	char path[160];

	put_device(fake, name, dev, size);
	snprintf(path, sizeof(path), "%s/dm", name);
	put_dir(fake, path);
	put(fake, path, "name", label);
	snprintf(path, sizeof(path), "%s/slaves", name);
	put_dir(fake, path);
	for (; *slaves; slaves++) {
		snprintf(path, sizeof(path), "%s/slaves/%s", name, *slaves);
		put_dir(fake, path);
	}
}

/* pmem0 with a partition, and pmem1 without. */
static struct fake_sysfs fake_disks(void)
{
	struct fake_sysfs fake = { .path = "/tmp/test-stack-XXXXXX" };

	if (!mkdtemp(fake.path))
		abort();
	fake.fd = open(fake.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_device(&fake, "pmem0", "259:0\n", "100000\n");
	put_device(&fake, "pmem0/pmem0p1", "259:1\n", "90000\n");
	put(&fake, "pmem0/pmem0p1", "start", "2048\n");
	put(&fake, "pmem0/pmem0p1", "partition", "1\n");
	if (symlinkat("pmem0/pmem0p1", fake.fd, "pmem0p1") < 0)
		abort();
	put_device(&fake, "pmem1", "259:2\n", "100000\n");
	return fake;
}

static struct range sectors(uint64_t first, uint64_t n)
{
	return (struct range){ first * SECTOR_BYTES, n * SECTOR_BYTES };
}

static bool is(const struct stack_piece *piece, const char *name, uint64_t first, uint64_t n,
	       uint64_t at)
{
	struct range wanted = sectors(first, n);

	return !strcmp(piece->name, name) && piece->bytes.start_bytes == wanted.start_bytes &&
	       piece->bytes.length_bytes == wanted.length_bytes &&
	       piece->at_bytes == at * SECTOR_BYTES;
}

/* ---- tables ---- */

TEST(lines_of_a_table_become_targets)
{
	_cleanup_(dm_table_done) struct dm_table table = {};

	REQUIRE(dm_table_add(&table, 0, 100, "linear", "259:1 500") == 0);
	REQUIRE(dm_table_add(&table, 100, 1024, "striped", "2 128 259:1 0 259:2 64") == 0);
	REQUIRE(dm_table_add(&table, 1124, 8, "error", "") == 0);
	REQUIRE(dm_table_add(&table, 1132, 8, "thin", "254:3 1") == 0);
	REQUIRE(table.n == 4);
	CHECK(table.targets[0].kind == DM_TARGET_STRIPED && table.targets[0].n_legs == 1);
	CHECK(table.targets[0].legs[0].start_bytes == 500 * 512);
	CHECK(table.targets[1].chunk_bytes == 128 * 512 && table.targets[1].n_legs == 2);
	CHECK(table.targets[1].legs[1].dev == PMEM1 &&
	      table.targets[1].legs[1].start_bytes == 64 * 512);
	CHECK(table.targets[2].kind == DM_TARGET_EMPTY);
	CHECK(table.targets[3].kind == DM_TARGET_OPAQUE);
	CHECK_STREQ(table.targets[3].type, "thin");
}

TEST(a_table_that_makes_no_sense_is_refused)
{
	static const struct {
		const char *type, *params;
	} bad[] = {
		{ "linear", "" },
		{ "linear", "259:1" },
		{ "linear", "259 1 0" },
		{ "linear", "259:1 0 x" },
		{ "linear", "259:1 36028797018963968" },
		{ "linear", "259:1 36028797018963967" },
		{ "striped", "0 8 259:1 0" },
		{ "striped", "2 0 259:1 0 259:2 0" },
		{ "striped", "2 8 259:1 0" },
		{ "striped", "1 8 259:1 0 259:2 0" },
		{ "striped", "3 8 259:1 0 259:2 0 259:2 8" },
		{ "striped", "2 9223372036854775807 259:1 0 259:2 0" },
		{ "striped", "4000000000 8 259:1 0" },
	};
	_cleanup_(dm_table_done) struct dm_table table = {};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(dm_table_add(&table, 0, 1024, bad[i].type, bad[i].params) == -EBADMSG);
	CHECK(dm_table_add(&table, 0, 0, "linear", "259:1 0") == -EBADMSG);
	CHECK(dm_table_add(&table, UINT64_MAX, 8, "linear", "259:1 0") == -EBADMSG);
	CHECK(table.n == 0);
}

/* ---- volumes ---- */

static int two_pieces(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};

	if (dm_table_add(&table, 0, 1000, "linear", "259:1 500") < 0 ||
	    dm_table_add(&table, 1000, 1000, "linear", "259:2 0") < 0)
		abort();
	*ret = table;
	return 0;
}

static struct fake_sysfs fake_linear(void)
{
	struct fake_sysfs fake = fake_disks();

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "vg-home\n",
		   (const char *const[]){ "pmem0p1", "pmem1", NULL });
	return fake;
}

TEST(a_sector_of_the_disk_is_one_of_the_volume)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_linear();
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	REQUIRE(stack_new_with(fake.fd, two_pieces, &stack) == 0);
	REQUIRE(stack_reach(stack, "pmem0", sectors(2048 + 500 + 7, 2), &pieces) == 0);
	REQUIRE(pieces.n == 3);
	CHECK(is(&pieces.all[0], "pmem0", 2555, 2, 2555));
	CHECK(is(&pieces.all[1], "pmem0p1", 507, 2, 2555));
	CHECK(is(&pieces.all[2], "dm-0", 7, 2, 2555));
	CHECK(pieces.all[2].dev == DM(0));
}

TEST(a_range_is_clipped_to_what_the_volume_has)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_linear();
	_cleanup_(stack_level_done) struct stack_level level = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	REQUIRE(stack_new_with(fake.fd, two_pieces, &stack) == 0);
	REQUIRE(stack_above(stack, "pmem0p1", sectors(400, 2000), &level) == 0);
	REQUIRE(level.pieces.n == 1);
	CHECK(is(&level.pieces.all[0], "dm-0", 0, 1000, 500));
	CHECK(level.mapped && !level.partitioned && !*level.opaque);
}

TEST(a_range_of_the_volume_lies_on_both_disks)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_linear();
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	REQUIRE(stack_new_with(fake.fd, two_pieces, &stack) == 0);
	REQUIRE(stack_below(stack, "dm-0", sectors(998, 4), &pieces) == 0);
	REQUIRE(pieces.n == 2);
	CHECK(is(&pieces.all[0], "pmem0", 2048 + 500 + 998, 2, 0));
	CHECK(is(&pieces.all[1], "pmem1", 0, 2, 2));
	CHECK(stack_below(stack, "dm-0", sectors(1999, 2), &pieces) == -ERANGE);
	CHECK(stack_below(stack, "dm-1", sectors(0, 1), &pieces) == -ENODEV);
	CHECK(stack_below(stack, "dm-0", (struct range){ 0, 0 }, &pieces) == -ERANGE);
}

static int whole_disk(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};

	if (dm_table_add(&table, 0, 2000, "linear", "259:0 1000") < 0)
		abort();
	*ret = table;
	return 0;
}

TEST(a_disk_that_a_volume_holds_has_no_partition_to_ask)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_level_done) struct stack_level level = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "whole\n",
		   (const char *const[]){ "pmem0", NULL });
	REQUIRE(stack_new_with(fake.fd, whole_disk, &stack) == 0);
	REQUIRE(stack_above(stack, "pmem0", sectors(0, 4096), &level) == 0);
	CHECK(level.mapped && level.partitioned);
	REQUIRE(level.pieces.n == 1);
	CHECK(is(&level.pieces.all[0], "dm-0", 0, 2000, 1000));
}

static int stripes(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};
	int r;

	r = dev == DM(0) ? dm_table_add(&table, 0, 80, "striped", "2 8 259:1 16 259:2 4")
			 : dm_table_add(&table, 0, 64, "linear", "254:0 12");
	if (r < 0)
		abort();
	*ret = table;
	return 0;
}

static struct fake_sysfs fake_stripes(void)
{
	struct fake_sysfs fake = fake_disks();

	put_volume(&fake, "dm-0", "254:0\n", "80\n", "low\n",
		   (const char *const[]){ "pmem0p1", "pmem1", NULL });
	put_volume(&fake, "dm-1", "254:1\n", "64\n", "top\n",
		   (const char *const[]){ "dm-0", NULL });
	return fake;
}

TEST(chunks_go_round_the_legs_in_both_directions)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_stripes();
	_cleanup_(stack_pieces_done) struct stack_pieces down = {};
	_cleanup_(stack_level_done) struct stack_level level = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	REQUIRE(stack_new_with(fake.fd, stripes, &stack) == 0);
	REQUIRE(stack_below(stack, "dm-0", sectors(4, 24), &down) == 0);
	REQUIRE(down.n == 4);
	CHECK(is(&down.all[0], "pmem0", 2048 + 16 + 4, 4, 0));
	CHECK(is(&down.all[1], "pmem1", 4, 8, 4));
	CHECK(is(&down.all[2], "pmem0", 2048 + 16 + 8, 8, 12));
	CHECK(is(&down.all[3], "pmem1", 12, 4, 20));

	REQUIRE(stack_above(stack, "pmem1", sectors(0, 20), &level) == 0);
	REQUIRE(level.pieces.n == 2);
	CHECK(is(&level.pieces.all[0], "dm-0", 8, 8, 4));
	CHECK(is(&level.pieces.all[1], "dm-0", 24, 8, 12));
}

TEST(every_sector_goes_down_and_comes_up_again)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_stripes();
	_cleanup_(stack_freep) struct stack *stack = NULL;

	REQUIRE(stack_new_with(fake.fd, stripes, &stack) == 0);
	for (uint64_t sector = 0; sector < 64; sector++) {
		_cleanup_(stack_pieces_done) struct stack_pieces down = {}, up = {};
		bool found = false;

		REQUIRE(stack_below(stack, "dm-1", sectors(sector, 1), &down) == 0);
		REQUIRE(down.n == 1);
		REQUIRE(stack_reach(stack, down.all[0].name, down.all[0].bytes, &up) == 0);
		for (size_t i = 0; i < up.n; i++)
			found = found || (up.all[i].dev == DM(1) &&
					  up.all[i].bytes.start_bytes == sector * SECTOR_BYTES &&
					  up.all[i].at_bytes == down.all[0].bytes.start_bytes);
		CHECK(found);
	}
}

static int snapshot_or_nothing(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};

	if (dev == DM(1))
		return -EPERM;
	if (dm_table_add(&table, 0, 2000, "snapshot", NULL) < 0)
		abort();
	*ret = table;
	return 0;
}

TEST(what_cannot_be_followed_has_a_name)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_level_done) struct stack_level level = {}, other = {};
	_cleanup_(stack_pieces_done) struct stack_pieces down = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "snap\n",
		   (const char *const[]){ "pmem1", NULL });
	put_volume(&fake, "dm-1", "254:1\n", "2000\n", "secret\n",
		   (const char *const[]){ "pmem0p1", NULL });
	REQUIRE(stack_new_with(fake.fd, snapshot_or_nothing, &stack) == 0);
	REQUIRE(stack_above(stack, "pmem1", sectors(0, 8), &level) == 0);
	CHECK(level.pieces.n == 0 && !level.mapped);
	CHECK_STREQ(level.opaque, "dm-0 (snap, snapshot)");
	REQUIRE(stack_above(stack, "pmem0p1", sectors(0, 8), &other) == 0);
	CHECK_STREQ(other.opaque, "dm-1 (secret, its table cannot be read)");
	CHECK_STREQ(other.opaque_name, "dm-1");

	/* Downwards it is where the way ends. */
	REQUIRE(stack_below(stack, "dm-0", sectors(5, 2), &down) == 0);
	REQUIRE(down.n == 1);
	CHECK(is(&down.all[0], "dm-0", 5, 2, 0));
}

TEST(the_disks_below_are_each_named_once)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_stripes();
	_cleanup_(stack_disks_done) struct stack_disks volume = {}, partition = {}, disk = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-2", "254:2\n", "64\n", "both\n",
		   (const char *const[]){ "dm-1", "pmem1", NULL });
	REQUIRE(stack_new_with(fake.fd, stripes, &stack) == 0);
	REQUIRE(stack_disks(stack, "dm-2", &volume) == 0);
	REQUIRE(volume.n == 2);
	CHECK(strcmp(volume.names[0], volume.names[1]));
	for (size_t i = 0; i < volume.n; i++)
		CHECK(!strcmp(volume.names[i], "pmem0") || !strcmp(volume.names[i], "pmem1"));
	CHECK_STREQ(volume.opaque, "");
	REQUIRE(stack_disks(stack, "pmem0p1", &partition) == 0);
	REQUIRE(partition.n == 1);
	CHECK_STREQ(partition.names[0], "pmem0");
	REQUIRE(stack_disks(stack, "pmem1", &disk) == 0);
	REQUIRE(disk.n == 1);
	CHECK_STREQ(disk.names[0], "pmem1");
	CHECK(stack_disks(stack, "pmem7", &disk) == -ENODEV);
}

TEST(where_the_way_to_the_disks_is_lost_is_said)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_disks_done) struct stack_disks snapshot = {}, raid = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "snap\n",
		   (const char *const[]){ "pmem1", NULL });
	put_device(&fake, "md0", "9:0\n", "2000\n");
	put_dir(&fake, "md0/slaves");
	put_dir(&fake, "md0/slaves/pmem0p1");
	REQUIRE(stack_new_with(fake.fd, snapshot_or_nothing, &stack) == 0);
	REQUIRE(stack_disks(stack, "dm-0", &snapshot) == 0);
	REQUIRE(snapshot.n == 1);
	CHECK_STREQ(snapshot.names[0], "pmem1");
	CHECK_STREQ(snapshot.opaque, "dm-0");
	REQUIRE(stack_disks(stack, "md0", &raid) == 0);
	REQUIRE(raid.n == 1);
	CHECK_STREQ(raid.names[0], "pmem0");
	CHECK_STREQ(raid.opaque, "md0");
}

TEST(other_holders_are_seen_too)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_level_done) struct stack_level level = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_dir(&fake, "pmem1/holders");
	put_dir(&fake, "pmem1/holders/md0");
	REQUIRE(stack_new_with(fake.fd, two_pieces, &stack) == 0);
	REQUIRE(stack_above(stack, "pmem1", sectors(0, 8), &level) == 0);
	CHECK_STREQ(level.opaque, "md0");
}

TEST(nor_has_a_disk_that_something_unknown_holds)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_level_done) struct stack_level level = {}, partition = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "snap\n",
		   (const char *const[]){ "pmem0", NULL });
	REQUIRE(stack_new_with(fake.fd, snapshot_or_nothing, &stack) == 0);
	REQUIRE(stack_above(stack, "pmem0", sectors(2048, 8), &level) == 0);
	CHECK(level.pieces.n == 0 && level.partitioned);
	CHECK_STREQ(level.opaque, "dm-0 (snap, snapshot)");

	/* Who holds a partition does not. */
	put_dir(&fake, "pmem0/pmem0p1/holders");
	put_dir(&fake, "pmem0/pmem0p1/holders/md0");
	REQUIRE(stack_above(stack, "pmem0p1", sectors(0, 8), &partition) == 0);
	CHECK_STREQ(partition.opaque, "md0");
}

static int lies_on_itself(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};

	if (dm_table_add(&table, 0, 2000, "linear", dev == DM(0) ? "254:1 0" : "254:0 0") < 0)
		abort();
	*ret = table;
	return 0;
}

TEST(a_circle_ends)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "2000\n", "a\n",
		   (const char *const[]){ "dm-1", NULL });
	put_volume(&fake, "dm-1", "254:1\n", "2000\n", "b\n",
		   (const char *const[]){ "dm-0", NULL });
	REQUIRE(stack_new_with(fake.fd, lies_on_itself, &stack) == 0);
	CHECK(stack_below(stack, "dm-0", sectors(0, 8), &pieces) == -ELOOP);
	CHECK(stack_reach(stack, "dm-0", sectors(0, 8), &pieces) == -ELOOP);
	CHECK(stack_disks(stack, "dm-0", &(struct stack_disks){}) == -ELOOP);
	CHECK(pieces.n == 0);
}

static int tiny_chunks(dev_t dev, struct dm_table *ret)
{
	struct dm_table table = {};

	if (dm_table_add(&table, 0, 1 << 20, "striped", "2 1 259:1 0 259:2 0") < 0)
		abort();
	*ret = table;
	return 0;
}

TEST(more_pieces_than_anybody_wants_are_refused)
{
	_cleanup_(fake_done) struct fake_sysfs fake = fake_disks();
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;

	put_volume(&fake, "dm-0", "254:0\n", "1048576\n", "a\n",
		   (const char *const[]){ "pmem0p1", "pmem1", NULL });
	REQUIRE(stack_new_with(fake.fd, tiny_chunks, &stack) == 0);
	CHECK(stack_below(stack, "dm-0", sectors(0, 1 << 20), &pieces) == -E2BIG);
	CHECK(pieces.n == 0);
	CHECK(stack_below(stack, "dm-0", sectors(0, STACK_MAX_BELOW + 1), &pieces) == -E2BIG);
	CHECK(pieces.n == 0);
	REQUIRE(stack_below(stack, "dm-0", sectors(0, STACK_MAX_BELOW), &pieces) == 0);
	CHECK(pieces.n == STACK_MAX_BELOW);
}

TEST_MAIN()
