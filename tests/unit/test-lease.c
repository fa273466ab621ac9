// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has the file to himself gets a lease, and then nobody else gets in; nobody else gets one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "repair/lease.h"
#include "scratch.h"
#include "test.h"

static int create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
	return fd;
}

TEST(alone_with_the_file_we_keep_others_out)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	const char *path = scratch_file(&dir, "file");
	_cleanup_(closep) int fd = create(path);
	_cleanup_(closep) int other = -1;

	REQUIRE(lease_take(fd) == 1);
	other = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(other < 0 && errno == EWOULDBLOCK);
	CHECK(pwrite(fd, "x", 1, 0) == 1);

	lease_give_back(fd);
	other = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(other >= 0);
}

TEST(who_waits_gets_in_when_we_are_done_and_does_not_harm_us)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	const char *path = scratch_file(&dir, "file");
	_cleanup_(closep) int fd = create(path);
	int status = 0;
	pid_t pid;

	REQUIRE(lease_take(fd) == 1);
	pid = fork();
	if (pid == 0) {
		close(fd);
		_exit(open(path, O_WRONLY | O_CLOEXEC) < 0);
	}
	REQUIRE(pid > 0);
	/* Once he has knocked, the lease is no longer whole. */
	while (fcntl(fd, F_GETLEASE) == F_WRLCK && waitpid(pid, &status, WNOHANG) == 0)
		usleep(1000);
	CHECK(fcntl(fd, F_GETLEASE) != F_WRLCK);
	lease_give_back(fd);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(nobody_gets_one_who_is_not_alone)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	const char *path = scratch_file(&dir, "file");
	_cleanup_(closep) int fd = create(path), reader = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(reader >= 0);
	CHECK(lease_take(fd) == 0);
}

TEST(a_mapping_counts_though_its_descriptor_is_closed)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	const char *path = scratch_file(&dir, "file");
	_cleanup_(closep) int fd = create(path);
	int reader = open(path, O_RDONLY | O_CLOEXEC);
	void *mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);

	REQUIRE(reader >= 0 && mapping != MAP_FAILED);
	close(reader);
	CHECK(lease_take(fd) == 0);
	munmap(mapping, 4096);
	CHECK(lease_take(fd) == 1);
}

TEST_MAIN()
