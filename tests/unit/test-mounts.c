// SPDX-License-Identifier: GPL-2.0-or-later
/* mounts: a temporary directory takes the place of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "owners/mountinfo.h"
#include "owners/mounts.h"
#include "scratch.h"
#include "test.h"

/* Give the fake /proc a process in mount namespace `ns` with that mount table. */
static void add_process(const struct scratch *proc, const char *pid, unsigned ns,
			const char *mountinfo)
{
	char path[300], link[32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc->path, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/ns", proc->path, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/ns/mnt", proc->path, pid);
	snprintf(link, sizeof(link), "mnt:[%u]", ns);
	if (symlink(link, path) < 0)
		exit(99);
	snprintf(path, sizeof(path), "%s/%s/mountinfo", proc->path, pid);
	f = fopen(path, "w");
	if (!f)
		exit(99);
	fputs(mountinfo, f);
	fclose(f);
}

static struct mounts *read_mounts(const struct scratch *proc)
{
	_cleanup_(closep) int fd = open(proc->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mounts *m = NULL;

	return mounts_read(fd, &m) < 0 ? NULL : m;
}

static struct mountinfo *read_table(const char *text)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(closep) int fd = -1;
	struct mountinfo *table = NULL;

	add_process(&proc, "1", 1, text);
	fd = open(scratch_file(&proc, "1"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return mountinfo_read(fd, &table) < 0 ? NULL : table;
}

static bool is_covered(const char *text, const char *mountpoint)
{
	_cleanup_(mountinfo_freep) struct mountinfo *t = read_table(text);

	for (size_t i = 0; t && i < t->n; i++)
		if (!strcmp(t->lines[i].mountpoint, mountpoint))
			return mountinfo_covered(t, i);
	printf("# no %s in the table\n", mountpoint);
	exit(99);
}

TEST(names_with_blanks_newlines_and_backslashes_are_unescaped)
{
	char line[] =
		"36 35 259:3 /a\\040b /mnt/new\\012line\\134\\011x rw - xfs /dev/pm\\040em rw";
	struct mountinfo_line m;

	REQUIRE(mountinfo_parse_line(line, &m) == 0);
	CHECK(m.dev == makedev(259, 3));
	CHECK_STREQ(m.root, "/a b");
	CHECK_STREQ(m.mountpoint, "/mnt/new\nline\\\tx");
	CHECK_STREQ(m.source, "/dev/pm em");
	CHECK(!m.read_only);
	mountinfo_line_done(&m);
}

TEST(optional_fields_may_be_none_or_many)
{
	char none[] = "36 35 8:1 / /a rw,noatime - ext4 /dev/sda1 ro,errors=remount-ro";
	char many[] = "36 35 8:1 / /a ro shared:1 master:2 propagate_from:3 - ext4 /dev/sda1 rw";
	struct mountinfo_line m;

	REQUIRE(mountinfo_parse_line(none, &m) == 0);
	CHECK_STREQ(m.filesystem, "ext4");
	CHECK(m.read_only); /* the superblock's */
	mountinfo_line_done(&m);
	REQUIRE(mountinfo_parse_line(many, &m) == 0);
	CHECK_STREQ(m.filesystem, "ext4");
	CHECK(m.read_only); /* the mount's */
	mountinfo_line_done(&m);
}

TEST(errors_in_options_is_not_ro)
{
	char line[] = "36 35 8:1 / /a rw - ext4 /dev/sda1 rw,errors=remount-ro,rox";
	struct mountinfo_line m;

	REQUIRE(mountinfo_parse_line(line, &m) == 0);
	CHECK(!m.read_only);
	mountinfo_line_done(&m);
}

TEST(lines_of_another_shape_are_refused)
{
	static const char *const bad[] = {
		"",
		"36",
		"36 35",
		"36 35 8:1 / /a rw",
		"36 35 8 / /a rw - xfs x rw",
		"36 35 8:1 / /a rw shared:1 xfs x rw",
		"x 35 8:1 / /a rw - xfs x rw",
		"36 35 8:99999999999 / /a rw - xfs x rw",
		"36 35 8:1 / /a rw - xfs",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mountinfo_line m;
		char line[100];

		snprintf(line, sizeof(line), "%s", bad[i]);
		CHECK(mountinfo_parse_line(line, &m) == -EBADMSG);
	}
}

TEST(a_bad_line_does_not_cost_the_others)
{
	_cleanup_(mountinfo_freep) struct mountinfo *t = read_table(
		"36 35 8:1 / /a rw - xfs x rw\nnonsense\n37 35 8:2 / /b rw - xfs x rw\n");

	REQUIRE(t && t->n == 2);
	CHECK_STREQ(t->lines[1].mountpoint, "/b");
}

#define ROOT "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"

TEST(a_plain_mount_is_not_covered)
{
	CHECK(!is_covered(ROOT "30 20 259:0 / /mnt rw - xfs p rw\n", "/mnt"));
	CHECK(!is_covered(ROOT "30 20 259:0 / /mnt rw - xfs p rw\n"
			       "31 30 0:50 / /mnt/sub rw - tmpfs t rw\n"
			       "32 20 0:51 / /mnt2 rw - tmpfs t rw\n",
			  "/mnt"));
}

TEST(a_mount_on_the_same_place_covers)
{
	CHECK(is_covered(ROOT "30 20 259:0 / /mnt rw - xfs p rw\n"
			      "31 30 0:50 / /mnt rw - tmpfs t rw\n",
			 "/mnt"));
}

TEST(a_mount_on_a_directory_above_covers)
{
	static const char table[] = ROOT "30 20 259:0 / /srv/mnt rw - xfs p rw\n"
					 "31 20 0:50 / /srv rw - tmpfs t rw\n";

	CHECK(is_covered(table, "/srv/mnt"));
	CHECK(!is_covered(table, "/srv"));
}

TEST(a_mount_inside_a_covered_one_is_covered)
{
	CHECK(is_covered(ROOT "30 20 8:2 / /srv rw - ext4 x rw\n"
			      "31 30 259:0 / /srv/mnt rw - xfs p rw\n"
			      "32 30 0:50 / /srv rw - tmpfs t rw\n",
			 "/srv/mnt"));
}

TEST(a_mount_on_top_of_what_covered_another_is_seen)
{
	static const char table[] = ROOT "30 20 8:2 / /srv rw - ext4 x rw\n"
					 "31 30 0:50 / /srv rw - tmpfs t rw\n"
					 "32 31 259:0 / /srv/mnt rw - xfs p rw\n";

	CHECK(!is_covered(table, "/srv/mnt"));
}

TEST(a_table_with_a_loop_in_it_is_survived)
{
	CHECK(!is_covered("30 31 259:0 / /a rw - xfs p rw\n31 30 8:2 / /b rw - xfs p rw\n", "/a"));
}

TEST(only_mounts_with_a_block_device_are_kept)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(mounts_freep) struct mounts *m = NULL;

	add_process(&proc, "self", 1, ROOT "30 20 0:50 / /tmp rw - tmpfs tmpfs rw\n");
	m = read_mounts(&proc);
	REQUIRE(m && m->n == 1);
	CHECK(m->all[0].dev == makedev(8, 1));
	CHECK(m->all[0].via_pid == 0);
}

TEST(each_other_namespace_is_read_once_by_its_lowest_pid)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(mounts_freep) struct mounts *m = NULL;

	add_process(&proc, "self", 1, ROOT);
	add_process(&proc, "9", 1, ROOT);
	add_process(&proc, "100", 2, "40 1 259:0 / /late rw - xfs p rw\n");
	add_process(&proc, "20", 2, "40 1 259:0 / /early rw - xfs p rw\n");
	m = read_mounts(&proc);
	REQUIRE(m && m->n == 2);
	CHECK(m->all[1].via_pid == 20);
	CHECK_STREQ(m->all[1].mountpoint, "/early");
}

TEST(a_process_that_has_gone_is_passed_over)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(mounts_freep) struct mounts *m = NULL;
	char path[300];

	add_process(&proc, "self", 1, ROOT);
	add_process(&proc, "20", 2, "");
	snprintf(path, sizeof(path), "%s/20/mountinfo", proc.path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/21", proc.path);
	mkdir(path, 0700);
	m = read_mounts(&proc);
	REQUIRE(m && m->n == 1);
}

TEST(the_best_mount_is_seen_whole_ours_and_writable)
{
	static const char *const worse_to_better[] = {
		"40 20 259:0 /sub /s rw - xfs p rw\n",
		"41 20 259:0 / /ro ro - xfs p rw\n",
		"42 20 259:0 / /rw rw - xfs p rw\n",
	};
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(mounts_freep) struct mounts *m = NULL;
	char table[500] = ROOT "39 20 259:0 / /c rw - xfs p rw\n48 39 0:9 / /c rw - tmpfs t rw\n";

	add_process(&proc, "20", 2, "50 1 259:0 / /theirs rw - xfs p rw\n");
	for (size_t i = 0; i < 3; i++) {
		static const char *const best[] = { "/theirs", "/ro", "/rw" };
		char path[300];

		strcat(table, worse_to_better[i]);
		snprintf(path, sizeof(path), "%s/self/ns/mnt", proc.path);
		unlink(path);
		add_process(&proc, "self", 1, table);
		mounts_free(TAKE(m));
		m = read_mounts(&proc);
		REQUIRE(m && mounts_best(m, makedev(259, 0)));
		CHECK_STREQ(mounts_best(m, makedev(259, 0))->mountpoint, best[i]);
	}
	CHECK(!mounts_best(m, makedev(259, 1)));
}

static void check_name(const char *table, const char *mountpoint, const char *fs_path,
		       const char *expected)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(mounts_freep) struct mounts *m = NULL;
	_cleanup_(freep) char *name = NULL;
	const struct mount *by = NULL, *mount = NULL;
	int r;

	add_process(&proc, "self", 1, table);
	m = read_mounts(&proc);
	REQUIRE(m);
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->all[i].mountpoint, mountpoint))
			mount = &m->all[i];
	REQUIRE(mount);
	r = mounts_name(m, mount, fs_path, &by, &name);
	if (!expected) {
		CHECK(r == -ENOENT);
		return;
	}
	CHECK(r == 0);
	CHECK_STREQ(name, expected);
}

TEST(names_are_put_below_the_mount_that_shows_them)
{
	static const char table[] = "30 1 259:0 / /mnt rw - xfs p rw\n";
	static const char parts[] = "30 1 259:0 /vol/a /a rw - xfs p rw\n"
				    "31 1 259:0 /vol/b /b rw - xfs p rw\n";

	check_name(table, "/mnt", "/d/f", "/mnt/d/f");
	check_name(table, "/mnt", "/", "/mnt");
	check_name("30 1 259:0 / / rw - xfs p rw\n", "/", "/d/f", "/d/f");
	check_name("30 1 259:0 / / rw - xfs p rw\n", "/", "/", "/");
	check_name(parts, "/a", "/vol/a/f", "/a/f");
	check_name(parts, "/a", "/vol/a", "/a");
	check_name(parts, "/a", "/vol/b/f", "/b/f");
	check_name(parts, "/a", "/vol/abc/f", NULL);
	check_name(parts, "/a", "/other", NULL);
}

TEST(a_path_that_leads_to_another_filesystem_is_not_opened)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char root[] = "/", here[] = "/tmp", gone[] = "/no/such/place", type[] = "xfs";
	struct mount m = {
		.dev = makedev(4095, 77), .filesystem = type, .root = root, .mountpoint = here
	};

	CHECK(mount_open(proc_fd, &m) == -ESTALE);
	m.mountpoint = gone;
	CHECK(mount_open(proc_fd, &m) == -ENOENT);
	m.via_pid = 0x7ffffff0;
	CHECK(mount_open(proc_fd, &m) == -ENOENT);
}

TEST_MAIN()
