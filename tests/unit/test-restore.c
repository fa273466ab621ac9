// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/repair/restore.c: what a hook is asked, and how little of it is believed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "range.h"
#include "repair/restore-private.h"
#include "repair/salvage.h"
#include "scratch.h"
#include "test.h"

#define PAGE 0x8021a000ull

struct bed {
	struct scratch dir;
	int dir_fd;
	struct restore *restore;
};

/* Two runs: sector 1, and sectors 4 to 6 of which the last is short. */
static struct bed bed_new(void)
{
	struct bed bed = { .dir = scratch_new() };

	bed.dir_fd = open(bed.dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bed.restore = calloc(1, sizeof(*bed.restore));
	if (bed.dir_fd < 0 || !bed.restore)
		abort();
	bed.restore->runs = calloc(2, sizeof(*bed.restore->runs));
	if (!bed.restore->runs)
		abort();
	bed.restore->n_runs = 2;
	bed.restore->runs[0] = (struct lost_run){ .phys_start = PAGE + 512, .length_bytes = 512 };
	bed.restore->runs[1] = (struct lost_run){ .phys_start = PAGE + 2048,
						  .length_bytes = 1024 + 100 };
	return bed;
}

static void bed_done(struct bed *bed)
{
	restore_free(bed->restore);
	close(bed->dir_fd);
	scratch_done(&bed->dir);
}

#define BED _cleanup_(bed_done) struct bed bed = bed_new()

static void leave(const struct bed *bed, const char *name, size_t n_bytes, int byte)
{
	FILE *f = fopen(scratch_file(&bed->dir, name), "w");

	for (size_t i = 0; f && i < n_bytes; i++)
		fputc(byte, f);
	if (!f || fclose(f) != 0)
		abort();
}

static size_t read_all(struct bed *bed, const char **complaint)
{
	return restore_read(bed->restore, bed->dir_fd, geteuid(), complaint);
}

TEST(bytes_of_the_right_length_are_taken)
{
	BED;
	const char *complaint;

	leave(&bed, "0x8021a200", 512, 'a');
	leave(&bed, "0x8021a800", 1124, 'b');
	leave(&bed, "README", 10, 'x');
	CHECK(read_all(&bed, &complaint) == 2 && !complaint);
	CHECK(bed.restore->runs[0].data[511] == 'a' && bed.restore->runs[1].data[1123] == 'b');
}

TEST(what_is_not_there_was_not_given)
{
	BED;
	const char *complaint;

	leave(&bed, "0x8021a800", 1124, 'b');
	CHECK(read_all(&bed, &complaint) == 1 && !complaint);
	CHECK(!bed.restore->runs[0].given && bed.restore->runs[1].given);
}

TEST(too_much_or_too_little_is_nothing)
{
	static const size_t lengths[] = { 0, 511, 513, 4096 };

	for (size_t i = 0; i < 4; i++) {
		BED;
		const char *complaint;

		leave(&bed, "0x8021a200", lengths[i], 'a');
		leave(&bed, "0x8021a800", 1124, 'b');
		CHECK(read_all(&bed, &complaint) == 1);
		CHECK(!bed.restore->runs[0].given && complaint && strstr(complaint, "length"));
	}
}

TEST(what_is_not_an_ordinary_file_of_its_own_is_nothing)
{
	BED;
	char command[512];
	const char *complaint;
	static const char *const ways[] = {
		"ln -s elsewhere 0x8021a200",
		"ln elsewhere 0x8021a200",
		"mkdir 0x8021a200",
		"mkfifo 0x8021a200",
	};

	leave(&bed, "elsewhere", 512, 's');
	for (size_t i = 0; i < 4; i++) {
		snprintf(command, sizeof(command), "cd '%s' && rm -rf 0x8021a200 && %s",
			 bed.dir.path, ways[i]);
		REQUIRE(system(command) == 0);
		CHECK(read_all(&bed, &complaint) == 0 && complaint);
		CHECK(!bed.restore->runs[0].given);
	}
}

TEST(a_file_of_somebody_else_is_nothing)
{
	BED;
	const char *complaint;

	leave(&bed, "0x8021a200", 512, 'a');
	CHECK(restore_read(bed.restore, bed.dir_fd, geteuid() + 1, &complaint) == 0);
	CHECK(complaint && strstr(complaint, "not its own"));
}

static struct salvaged_page page_with(uint32_t bad)
{
	struct salvaged_page page = { .phys_start = PAGE,
				      .length_bytes = PAGE_BYTES,
				      .bad_sectors = bad };

	for (unsigned i = 0; i < PAGE_BYTES; i++)
		page.data[i] = bad & 1u << i / SECTOR_BYTES ? 0 : 'g';
	return page;
}

TEST(lost_sectors_get_what_was_given_and_good_ones_keep_what_they_have)
{
	BED;
	struct salvaged_page page = page_with(1u << 1 | 1u << 5 | 1u << 7);
	const char *complaint;

	leave(&bed, "0x8021a200", 512, 'a');
	leave(&bed, "0x8021a800", 1124, 'b');
	REQUIRE(read_all(&bed, &complaint) == 2);
	restore_merge(bed.restore, &page);
	CHECK(page.bad_sectors == 1u << 7 && page.restored_sectors == (1u << 1 | 1u << 5));
	CHECK(page.data[511] == 'g' && page.data[512] == 'a' && page.data[1023] == 'a');
	CHECK(page.data[1024] == 'g');
	CHECK(page.data[2048] == 'g'); /* asked for, and good all the same by now */
	CHECK(page.data[2560] == 'b' && page.data[3071] == 'b');
	CHECK(page.data[3072] == 'g' && page.data[3584] == 0);
	CHECK(salvage_lost_bytes(&page, PAGE_BYTES) == 512);
	CHECK(salvage_restored_bytes(&page, PAGE_BYTES) == 1024);
}

TEST(a_short_end_is_filled_as_far_as_the_file_goes)
{
	BED;
	struct salvaged_page page = page_with(0x70);
	const char *complaint;

	leave(&bed, "0x8021a800", 1124, 'b');
	REQUIRE(read_all(&bed, &complaint) == 1);
	restore_merge(bed.restore, &page);
	CHECK(page.bad_sectors == 0 && page.restored_sectors == 0x70);
	CHECK(page.data[3072 + 99] == 'b' && page.data[3072 + 100] == 0);
	CHECK(salvage_restored_bytes(&page, 3172) == 1124);
}

TEST(nothing_given_changes_nothing)
{
	BED;
	struct salvaged_page page = page_with(0xff), other = page_with(0xff);

	restore_merge(bed.restore, &page);
	restore_merge(NULL, &page);
	CHECK(page.bad_sectors == 0xff && !page.restored_sectors);
	bed.restore->runs[0].given = true;
	other.phys_start += PAGE_BYTES; /* it is another page's */
	restore_merge(bed.restore, &other);
	CHECK(other.bad_sectors == 0xff && !other.restored_sectors);
}

TEST(the_question_names_each_file_and_where_in_it)
{
	BED;
	struct incident *in = incident_new((struct range){ PAGE + 512, 512 }, SOURCE_BADBLOCKS);
	struct owner *owner = incident_add_owner(in);
	_cleanup_(json_object_putp) struct json_object *question = NULL;
	struct json_object *restore, *ranges, *first, *files, *file;

	owner->kind = OWNER_FILE_DATA;
	owner->inode = 131;
	owner->phys_start = PAGE + 512;
	owner->length_bytes = 512;
	owner->file_offset_bytes = 8704;
	strv_push(&owner->paths, "/mnt/\xff");
	question = restore_question(in, bed.restore, "/run/x");
	incident_free(in);
	REQUIRE(question);
	restore = json_object_object_get(question, "restore");
	ranges = json_object_object_get(restore, "ranges");
	CHECK_STREQ(json_object_get_string(json_object_object_get(restore, "directory")), "/run/x");
	REQUIRE(json_object_array_length(ranges) == 2);
	first = json_object_array_get_idx(ranges, 0);
	CHECK_STREQ(json_object_get_string(json_object_object_get(first, "name")), "0x8021a200");
	CHECK(json_object_get_int(json_object_object_get(first, "length_bytes")) == 512);
	files = json_object_object_get(first, "files");
	REQUIRE(json_object_array_length(files) == 1);
	file = json_object_array_get_idx(files, 0);
	CHECK(json_object_get_int(json_object_object_get(file, "file_offset_bytes")) == 8704);
	CHECK(json_object_object_get(file, "paths_hex"));
	/* The other run of the page is the same file's. */
	files = json_object_object_get(json_object_array_get_idx(ranges, 1), "files");
	REQUIRE(json_object_array_length(files) == 1);
	file = json_object_array_get_idx(files, 0);
	CHECK(json_object_get_int(json_object_object_get(file, "file_offset_bytes")) == 10240);
}

TEST_MAIN()
