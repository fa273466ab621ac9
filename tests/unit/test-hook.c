// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/respond/hook.c and hook-child.c, on real programs. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "respond/hook.h"
#include "scratch.h"
#include "test.h"
#include "cleanup.h"

struct bed {
	struct scratch dir;
	char path[128];
	int input_fd;
	struct hook_job job;
};

static struct bed bed_new(const char *script)
{
	struct bed bed = { .dir = scratch_new(), .input_fd = memfd_create("input", MFD_CLOEXEC) };
	FILE *f;

	snprintf(bed.path, sizeof(bed.path), "%s/hook", bed.dir.path);
	f = fopen(bed.path, "w");
	if (!f || fprintf(f, "#!/bin/sh\n%s\n", script) < 0 || fclose(f) != 0 ||
	    chmod(bed.path, 0700) < 0 || write(bed.input_fd, "{\"incident\":7}\n", 15) != 15 ||
	    lseek(bed.input_fd, 0, SEEK_SET) < 0)
		abort();
	bed.job = (struct hook_job){ .timeout_usec = 20000000, .incident = 7 };
	return bed;
}

static void bed_done(struct bed *bed)
{
	close(bed->input_fd);
	scratch_done(&bed->dir);
}

#define BED(script) _cleanup_(bed_done) struct bed bed = bed_new(script)

static int run(struct bed *bed)
{
	bed->job.path = bed->path;
	bed->job.directory = bed->dir.path;
	bed->job.input_fd = bed->input_fd;
	return hook_run_as_child(&bed->job);
}

static const char *left(const struct bed *bed, const char *name)
{
	static char text[4096];
	FILE *f = fopen(scratch_file(&bed->dir, name), "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

TEST(it_gets_the_incident_and_leaves_files)
{
	BED("cat > \"$HWPOISOND_RESTORE_DIRECTORY/in\"; env > $HWPOISOND_RESTORE_DIRECTORY/env");

	CHECK(run(&bed) == 0);
	CHECK_STREQ(left(&bed, "in"), "{\"incident\":7}\n");
	CHECK(strstr(left(&bed, "env"), "HWPOISOND_INCIDENT=7\n"));
}

TEST(nothing_of_us_goes_along)
{
	BED("ls /proc/self/fd > $HWPOISOND_RESTORE_DIRECTORY/fds; ulimit -c -f >"
	    " $HWPOISOND_RESTORE_DIRECTORY/limits; umask > $HWPOISOND_RESTORE_DIRECTORY/umask; "
	    "env > $HWPOISOND_RESTORE_DIRECTORY/env");

	setenv("LD_SOMETHING", "dangerous", 1);
	CHECK(run(&bed) == 0);
	unsetenv("LD_SOMETHING");
	CHECK_STREQ(left(&bed, "fds"), "0\n1\n2\n3\n"); /* the last is that of ls itself */
	CHECK(!strstr(left(&bed, "env"), "LD_SOMETHING"));
	CHECK_STREQ(left(&bed, "umask"), "0077\n");
}

TEST(a_status_that_is_not_0_is_a_failure)
{
	BED("exit 3");

	CHECK(run(&bed) == -EPROTO);
}

TEST(so_is_a_signal)
{
	BED("kill -SEGV $$");

	CHECK(run(&bed) == -EPROTO);
}

TEST(one_that_hangs_is_ended_at_its_time_with_all_that_it_started)
{
	BED("setsid sleep 1000 & echo $! > $HWPOISOND_RESTORE_DIRECTORY/pid; "
	    "trap '' TERM INT HUP; sleep 1000");
	uint64_t start = now_msec();

	bed.job.timeout_usec = 500000;
	CHECK(run(&bed) == -ETIME);
	CHECK(now_msec() - start >= 500 && now_msec() - start < 15000);
	REQUIRE(atoi(left(&bed, "pid")) > 1);
	CHECK(kill(atoi(left(&bed, "pid")), 0) < 0 && errno == ESRCH);
}

TEST(what_it_leaves_running_ends_with_it)
{
	BED("setsid sh -c 'setsid sleep 1000 & echo $! > $HWPOISOND_RESTORE_DIRECTORY/pid' ");

	CHECK(run(&bed) == 0);
	REQUIRE(atoi(left(&bed, "pid")) > 1);
	CHECK(kill(atoi(left(&bed, "pid")), 0) < 0 && errno == ESRCH);
}

TEST(a_file_without_bounds_is_cut_off)
{
	BED("dd if=/dev/zero of=$HWPOISOND_RESTORE_DIRECTORY/big bs=1M count=100 2>/dev/null");
	struct stat st;

	CHECK(run(&bed) == -EPROTO);
	CHECK(stat(scratch_file(&bed.dir, "big"), &st) == 0 &&
	      st.st_size <= (off_t)HOOK_FILE_SIZE_BYTES);
}

TEST(it_runs_as_its_user)
{
	BED("id -un > $HWPOISOND_RESTORE_DIRECTORY/who; id -G >> $HWPOISOND_RESTORE_DIRECTORY/who");

	if (geteuid() != 0)
		SKIP("only root can become another user");
	bed.job.user = "nobody";
	REQUIRE(chmod(bed.dir.path, 0777) == 0 && chmod(bed.path, 0755) == 0);
	CHECK(run(&bed) == 0);
	CHECK(!strncmp(left(&bed, "who"), "nobody\n65534\n", 13));
}

TEST(a_program_that_others_can_write_is_not_run)
{
	BED("touch $HWPOISOND_RESTORE_DIRECTORY/ran");

	bed.job.path = bed.path;
	bed.job.directory = bed.dir.path;
	bed.job.input_fd = bed.input_fd;
	REQUIRE(chmod(bed.path, 0777) == 0);
	CHECK(hook_run(&bed.job) == -EPERM);
	REQUIRE(chmod(bed.path, 0755) == 0 && chmod(bed.dir.path, 0777) == 0);
	CHECK(hook_run(&bed.job) == -EPERM); /* nor one that they can replace */
	bed.job.path = "/nonexistent/hook";
	CHECK(hook_run(&bed.job) == -ENOENT);
	bed.job.path = bed.dir.path;
	CHECK(hook_run(&bed.job) < 0);
	CHECK(access(scratch_file(&bed.dir, "ran"), F_OK) < 0);
}

TEST_MAIN()
