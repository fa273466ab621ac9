// SPDX-License-Identifier: GPL-2.0-or-later
/* kernel_threads: this machine's own /proc, and temporary directories in its place. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "kernel_threads.h"
#include "scratch.h"
#include "test.h"

static int open_proc(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Pid 2 of a made-up /proc. */
static pid_t father_with(const char *stat)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(closep) int fd = open_proc(proc.path);
	_cleanup_(fclosep) FILE *f = NULL;

	mkdir(scratch_file(&proc, "2"), 0700);
	f = fopen(scratch_file(&proc, "2/stat"), "we");
	if (!f || fputs(stat, f) < 0 || fflush(f) < 0)
		exit(99);
	return kernel_threads_father(fd);
}

TEST(a_proc_without_them_shows_none_and_then_nothing_is_one)
{
	_cleanup_(scratch_done) struct scratch proc = scratch_new();
	_cleanup_(closep) int fd = open_proc(proc.path);

	CHECK(kernel_threads_father(fd) == 0);
	CHECK(!kernel_threads_has(0, getpid()));
	CHECK(!kernel_threads_has(0, 2));
}

TEST(a_program_that_is_number_2_and_called_kthreadd_is_not_the_father)
{
	CHECK(father_with("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0\n") == 2);
	CHECK(father_with("2 (kthreadd) S 0 0 0 0 -1 4194560 0 0 0 0 0\n") == 0);
	CHECK(father_with("2 (a) S 0 0 0 0 -1 2129984 ) S 1 2 2 0 -1 4194560 0 0\n") == 0);
}

TEST(a_program_is_none_and_one_that_ended_is_as_good_as_one)
{
	_cleanup_(closep) int fd = open_proc("/proc");
	pid_t father = kernel_threads_father(fd), child;
	siginfo_t info;

	if (!father || !kernel_threads_has(father, father))
		SKIP("the kernel's threads are not ours to compare with here");
	CHECK(!kernel_threads_has(father, getpid()));
	CHECK(!kernel_threads_has(father, 1));

	child = fork();
	if (child == 0)
		_exit(0);
	REQUIRE(child > 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
	CHECK(kernel_threads_has(father, child));
	REQUIRE(waitpid(child, NULL, 0) == child);
	CHECK(!kernel_threads_has(father, child));
}

TEST(all_children_of_the_first_are_threads_of_the_kernel)
{
	_cleanup_(closep) int fd = open_proc("/proc");
	_cleanup_(fclosep) FILE *children = fopen("/proc/2/task/2/children", "re");
	pid_t father = kernel_threads_father(fd);
	unsigned n = 0, n_known = 0;
	int pid;

	if (!children || !father || !kernel_threads_has(father, father))
		SKIP("the kernel's threads are not ours to compare with here");
	while (fscanf(children, "%d", &pid) == 1) {
		n++;
		n_known += kernel_threads_has(father, pid);
	}
	/* Some have ended meanwhile, or borrow the memory of a program. */
	CHECK(n > 10 && n_known > n / 2);
}

TEST_MAIN()
