// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/repair/damage.c, on a real file. */
#include <errno.h>
#include <sys/xattr.h>

#include "repair/damage.h"
#include "test.h"

struct bed {
	char path[64];
	struct owner owner;
	struct target target;
	bool has_attributes;
};

static void bed_done(struct bed *bed)
{
	close(bed->target.fd);
	unlink(bed->path);
}

/* In the build tree, since a tmpfs has no such attributes on older kernels. */
static struct bed bed_new(void)
{
	struct bed bed = { .path = "./test-damage-XXXXXX" };

	bed.target = (struct target){ .fd = mkstemp(bed.path),
				      .n_pages = 1,
				      .length_bytes = PAGE_BYTES };
	if (bed.target.fd < 0)
		abort();
	bed.has_attributes = fsetxattr(bed.target.fd, "user.test", "1", 1, 0) == 0;
	return bed;
}

#define BED                                                                                        \
	_cleanup_(bed_done) struct bed bed = bed_new();                                            \
	bed.target.owner = &bed.owner;                                                             \
	if (!bed.has_attributes)                                                                   \
	SKIP("no extended attributes here")

static const char *recorded(const struct bed *bed)
{
	static char text[8192];
	ssize_t n = fgetxattr(bed->target.fd, DAMAGE_ATTRIBUTE, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static struct salvaged_page page_with(uint32_t bad)
{
	return (struct salvaged_page){ .phys_start = 4096,
				       .length_bytes = PAGE_BYTES,
				       .bad_sectors = bad };
}

TEST(each_lost_run_is_a_line)
{
	BED;
	struct salvaged_page page = page_with(0x0d); /* sectors 0, and 2 and 3 */
	unsigned long long offset, length, when;
	int end = 0;

	bed.target.page_offset_bytes = 8192;
	CHECK(damage_record(&bed.target, &page) == 0);
	CHECK(sscanf(recorded(&bed), "8192 512 %llu\n%llu %llu %*u%n", &when, &offset, &length,
		     &end) == 3);
	CHECK(offset == 9216 && length == 1024 && when > 1700000000);
	CHECK_STREQ(recorded(&bed) + end, "\n");
}

TEST(what_was_lost_before_stays)
{
	BED;
	struct salvaged_page page = page_with(1);

	CHECK(damage_record(&bed.target, &page) == 0);
	bed.target.page_offset_bytes = 4096;
	CHECK(damage_record(&bed.target, &page) == 0);
	CHECK(strstr(recorded(&bed), "0 512 ") == recorded(&bed));
	CHECK(strstr(recorded(&bed), "\n4096 512 "));
}

TEST(nothing_lost_leaves_no_attribute)
{
	BED;
	struct salvaged_page page = page_with(0);

	CHECK(damage_record(&bed.target, &page) == 0);
	CHECK(fgetxattr(bed.target.fd, DAMAGE_ATTRIBUTE, NULL, 0) < 0);
}

TEST(it_does_not_grow_without_bounds_and_keeps_whole_lines)
{
	BED;
	struct salvaged_page page = page_with(0x55);

	for (unsigned i = 0; i < 100; i++) {
		bed.target.page_offset_bytes = i * 4096ull;
		CHECK(damage_record(&bed.target, &page) == 0);
	}
	CHECK(strlen(recorded(&bed)) <= DAMAGE_MAX_BYTES);
	CHECK(strlen(recorded(&bed)) > DAMAGE_MAX_BYTES - 64);
	CHECK(strstr(recorded(&bed), "\n408576 512 ")); /* the last */
	for (const char *line = recorded(&bed); *line; line = strchr(line, '\n') + 1) {
		unsigned long long offset, length, when;

		REQUIRE(sscanf(line, "%llu %llu %llu", &offset, &length, &when) == 3);
		CHECK(length == 512 && when > 1700000000);
	}
}

TEST(what_somebody_else_put_there_does_no_harm)
{
	BED;
	struct salvaged_page page = page_with(1);
	char big[4096];

	memset(big, 'x', sizeof(big));
	REQUIRE(fsetxattr(bed.target.fd, DAMAGE_ATTRIBUTE, big, 3000, 0) == 0 || errno == ENOSPC);
	CHECK(damage_record(&bed.target, &page) == 0);
	CHECK(strstr(recorded(&bed), "0 512 "));
	CHECK(strlen(recorded(&bed)) <= DAMAGE_MAX_BYTES);
}

TEST_MAIN()
