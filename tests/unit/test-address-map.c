// SPDX-License-Identifier: GPL-2.0-or-later
/* address_map: lookups on hand-made maps. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "locate/address_map.h"
#include "test.h"

#define REGION 0x80000000ull
#define DATA   0x80200000ull
#define MIB    (1024 * 1024ull)

/* [REGION, DATA) metadata of namespace0.0, 510 MiB of data, 64 MiB that nobody has. */
static struct address_map *one_fsdax_namespace(void)
{
	char *dimms[] = { (char[]){ "nmem0" }, NULL };
	struct address_map *map;
	struct place place = {
		.region_start = REGION,
		.device = {
			.bus = (char[]){ "ndbus0" },
			.provider = (char[]){ "ndbed" },
			.dimms = dimms,
			.region = (char[]){ "region0" },
		},
	};

	if (address_map_new(&map) < 0)
		abort();
	place.phys = (struct range){ REGION + 512 * MIB, 64 * MIB };
	place.device.mode = (char[]){ "none" };
	if (address_map_add(map, &place) < 0)
		abort();

	place.device.namespace_name = (char[]){ "namespace0.0" };
	place.device.mode = (char[]){ "fsdax" };
	place.device.blockdev = (char[]){ "pmem0" };
	place.phys = (struct range){ REGION, DATA - REGION };
	if (address_map_add(map, &place) < 0)
		abort();
	place.phys = (struct range){ DATA, 510 * MIB };
	place.data_start = DATA;
	if (address_map_add(map, &place) < 0)
		abort();
	return map;
}

TEST(an_empty_map_knows_no_address)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	_cleanup_(closep) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct range sector = { 0, 512 }, phys;

	REQUIRE(address_map_new(&map) == 0);
	CHECK(!address_map_find(map, sector, NULL));
	CHECK(address_map_to_phys_at(map, fd, "pmem0", sector, &phys) == -ENODEV);
}

TEST(places_are_sorted_whatever_order_they_came_in)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();

	REQUIRE(map->n_places == 3);
	CHECK(map->places[0].phys.start_bytes == REGION);
	CHECK(map->places[1].phys.start_bytes == DATA);
	CHECK(map->places[2].phys.start_bytes == REGION + 512 * MIB);
}

TEST(two_places_never_share_an_address)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	struct place place = { .phys = { DATA - 1, 1 } };

	CHECK(address_map_add(map, &place) == -EEXIST);
	place.phys = (struct range){ REGION - 4096, 4097 };
	CHECK(address_map_add(map, &place) == -EEXIST);
	place.phys = (struct range){ 0, UINT64_MAX };
	CHECK(address_map_add(map, &place) == -EEXIST);
	place.phys = (struct range){ 0, 0 };
	CHECK(address_map_add(map, &place) == -EINVAL);
	place.phys = (struct range){ UINT64_MAX, 2 };
	CHECK(address_map_add(map, &place) == -EINVAL);
	CHECK(map->n_places == 3);
	place.phys = (struct range){ REGION - 4096, 4096 };
	CHECK(address_map_add(map, &place) == 0);
	CHECK(map->places[0].phys.start_bytes == REGION - 4096);
}

TEST(a_range_over_two_places_is_found_piece_by_piece)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	struct range phys = { DATA - 4096, 8192 }, piece;
	const struct place *place;

	place = address_map_find(map, phys, &piece);
	REQUIRE(place == &map->places[0]);
	CHECK(piece.start_bytes == DATA - 4096 && piece.length_bytes == 4096);
	phys = (struct range){ range_end(piece), range_end(phys) - range_end(piece) };
	place = address_map_find(map, phys, &piece);
	REQUIRE(place == &map->places[1]);
	CHECK(piece.start_bytes == DATA && piece.length_bytes == 4096);
}

TEST(an_address_that_no_region_has_is_an_ordinary_answer)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	struct range piece;

	CHECK(!address_map_find(map, (struct range){ REGION - 4096, 4096 }, &piece));
	CHECK(!address_map_find(map, (struct range){ REGION + 576 * MIB, 4096 }, &piece));
	CHECK(!address_map_find(map, (struct range){ DATA, 0 }, &piece));
	CHECK(address_map_find(map, (struct range){ 0, UINT64_MAX }, &piece) == &map->places[0]);
	CHECK(piece.start_bytes == REGION && piece.length_bytes == DATA - REGION);
}

TEST(sectors_are_rounded_out)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	_cleanup_(device_done) struct device page = { 0 }, crumbs = { 0 };

	REQUIRE(place_to_device(&map->places[1], (struct range){ 0x8021a000, 4096 }, &page) == 0);
	CHECK(page.sector == 208 && page.n_sectors == 8);
	CHECK_STREQ(page.blockdev, "pmem0");
	CHECK_STREQ(page.dimms[0], "nmem0");
	REQUIRE(place_to_device(&map->places[1], (struct range){ 0x8021a1ff, 2 }, &crumbs) == 0);
	CHECK(crumbs.sector == 208 && crumbs.n_sectors == 2);
}

TEST(metadata_of_a_namespace_has_no_sector)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	_cleanup_(device_done) struct device device = { 0 };

	REQUIRE(place_to_device(&map->places[0], (struct range){ REGION + 4096, 512 }, &device) ==
		0);
	CHECK(device.sector == 0 && device.n_sectors == 0);
	CHECK_STREQ(device.namespace_name, "namespace0.0");
}

TEST(a_device_is_only_made_for_a_range_inside_its_place)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	struct device device = { 0 };

	CHECK(place_to_device(&map->places[1], (struct range){ DATA - 1, 2 }, &device) == -ERANGE);
	CHECK(place_to_device(&map->places[1], (struct range){ DATA, 0 }, &device) == -ERANGE);
	CHECK(!device.blockdev);
}

static int fake_sysfs_block(char *path)
{
	static const char *const files[][2] = {
		{ "pmem0p1/partition", "1\n" },
		{ "pmem0p1/start", "2048\n" },
		{ "pmem0p1/size", "4096\n" },
	};
	int fd;

	if (!mkdtemp(path))
		abort();
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* As in sysfs: a link whose last directory but one is the disk's. */
	if (mkdirat(fd, "pmem0", 0700) < 0 || mkdirat(fd, "pmem0/pmem0p1", 0700) < 0 ||
	    symlinkat("pmem0/pmem0p1", fd, "pmem0p1") < 0)
		abort();
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		_cleanup_(closep) int file = openat(fd, files[i][0], O_WRONLY | O_CREAT | O_CLOEXEC,
						    0600);

		if (write(file, files[i][1], strlen(files[i][1])) < 0)
			abort();
	}
	return fd;
}

static void remove_fake(const char *path, int fd)
{
	unlinkat(fd, "pmem0/pmem0p1/partition", 0);
	unlinkat(fd, "pmem0/pmem0p1/start", 0);
	unlinkat(fd, "pmem0/pmem0p1/size", 0);
	unlinkat(fd, "pmem0p1", 0);
	unlinkat(fd, "pmem0/pmem0p1", AT_REMOVEDIR);
	unlinkat(fd, "pmem0", AT_REMOVEDIR);
	rmdir(path);
}

TEST(bytes_of_a_block_device_have_physical_addresses)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	char path[] = "/tmp/test-address-map-XXXXXX";
	_cleanup_(closep) int fd = fake_sysfs_block(path);
	struct range phys = { 0 };

	CHECK(address_map_to_phys_at(map, fd, "pmem0", (struct range){ 106496, 4096 }, &phys) == 0);
	CHECK(phys.start_bytes == 0x8021a000 && phys.length_bytes == 4096);
	CHECK(address_map_to_phys_at(map, fd, "pmem0p1", (struct range){ 4096, 512 }, &phys) == 0);
	CHECK(phys.start_bytes == DATA + MIB + 4096 && phys.length_bytes == 512);
	CHECK(address_map_to_phys_at(map, fd, "sda", (struct range){ 0, 512 }, &phys) == -ENODEV);
	remove_fake(path, fd);
}

TEST(bytes_past_the_end_of_a_device_have_none)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	char path[] = "/tmp/test-address-map-XXXXXX";
	_cleanup_(closep) int fd = fake_sysfs_block(path);
	struct range phys = { 0 };

	CHECK(address_map_to_phys_at(map, fd, "pmem0", (struct range){ 510 * MIB, 512 }, &phys) ==
	      -ERANGE);
	CHECK(address_map_to_phys_at(map, fd, "pmem0", (struct range){ 0, UINT64_MAX }, &phys) ==
	      -ERANGE);
	CHECK(address_map_to_phys_at(map, fd, "pmem0", (struct range){ UINT64_MAX - 512, 512 },
				     &phys) == -ERANGE);
	CHECK(address_map_to_phys_at(map, fd, "pmem0p1", (struct range){ 2 * MIB, 512 }, &phys) ==
	      -ERANGE);
	CHECK(address_map_to_phys_at(map, fd, "pmem0p1", (struct range){ 0, 0 }, &phys) == -ERANGE);
	CHECK(phys.length_bytes == 0);
	remove_fake(path, fd);
}

TEST(a_path_below_dev_is_a_name_too)
{
	_cleanup_(address_map_freep) struct address_map *map = one_fsdax_namespace();
	struct range phys = { 0 };
	int r;

	r = address_map_to_phys(map, "/dev/pmem0", (struct range){ 0, 512 }, &phys);
	if (r == -ENOENT)
		SKIP("no /sys/class/block here");
	CHECK(r == 0 && phys.start_bytes == DATA);
	CHECK(address_map_to_phys(map, "/etc/passwd", (struct range){ 0, 512 }, &phys) == -ENODEV);
	CHECK(address_map_to_phys(map, "/dev/../etc", (struct range){ 0, 512 }, &phys) == -ENODEV);
	CHECK(address_map_to_phys(map, "", (struct range){ 0, 512 }, &phys) == -ENODEV);
}

TEST(the_running_system_has_a_map_even_without_any_bus)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	int r = address_map_build(&map);

	if (r == -EACCES)
		SKIP("regions do not tell their addresses to an ordinary user");
	REQUIRE(r == 0);
	for (size_t i = 1; i < map->n_places; i++)
		CHECK(range_end(map->places[i - 1].phys) <= map->places[i].phys.start_bytes);
}

TEST_MAIN()
