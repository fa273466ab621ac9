// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mapper: a machine full of processes, to look for holders in.
 *
 *   holders ──► [mapper] ──► N processes, each with so many mappings, and 22 descriptors
 *
 * Every tenth maps the first page of the file as well. A line on stdout says that all are there;
 * they end with this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE   4096
#define N_OPEN 22

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "mapper: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int n_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int c, n = 0;

	if (!maps)
		fail("/proc/self/maps");
	while ((c = getc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

/* Every other page, so that no two become one mapping. */
static void map_others(const char *path, int n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < n; i++)
		if (mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * (off_t)i * PAGE) == MAP_FAILED)
			fail(path);
	close(fd);
	for (int i = 0; i < N_OPEN; i++)
		if (open("/dev/null", O_RDWR) < 0)
			fail("/dev/null");
}

static _Noreturn void stay(const char *lost)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (lost) {
		int fd = open(lost, O_RDWR | O_CLOEXEC);

		if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			fail(lost);
		close(fd);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int n;

	if (argc != 4) {
		fputs("usage: mapper FILE PROCESSES MAPPINGS\n", stderr);
		return 2;
	}
	n = atoi(argv[2]);
	map_others("/proc/self/exe", atoi(argv[3]) - n_mappings());
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0)
			stay(i % 10 ? NULL : argv[1]);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
