// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold: holds files in every way there is, until it is killed.
 *
 *   *.sh ──► [hold] ──► a file that says it is ready
 *
 * Each letter does one thing with the file before it:
 *
 *   r, w   open it for reading, for both	s, x   map it shared, writable or not
 *   P      open it as a mere path		p      map it privately
 *   a thread, first:				c      close what it opened
 *   t      that does nothing			d      delete its name
 *   u      with descriptors of its own, which opens the file for writing
 *
 * A number before s, x or p is the one page to map; else the first 16 are. With "l" as the last
 * argument the first thread ends, and the others stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	4096
#define N_PAGES 16

static const char *ready;
static pthread_barrier_t begun;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void say_ready(void)
{
	int fd = open(ready, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fail(ready);
	close(fd);
}

static void *idle(void *path)
{
	if (path && (unshare(CLONE_FILES) < 0 || open(path, O_RDWR) < 0))
		fail(path);
	pthread_barrier_wait(&begun);
	for (;;)
		pause();
	return NULL;
}

/* Not before the first thread is a zombie. */
static void *outlive(void *unused)
{
	char text[256] = "";

	while (!strstr(text, ") Z ")) {
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		if (n < 0)
			fail("/proc/self/stat");
		text[n] = '\0';
		close(fd);
		usleep(1000);
	}
	say_ready();
	for (;;)
		pause();
	return unused;
}

static void start(void *(*run)(void *), const char *path)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)path))
		fail("thread");
}

static void map(const char *path, int fd, char letter, int page)
{
	int protection = letter == 'x' ? PROT_READ : PROT_READ | PROT_WRITE;
	size_t length = page < 0 ? N_PAGES * PAGE : PAGE;

	if (mmap(NULL, length, protection, letter == 'p' ? MAP_PRIVATE : MAP_SHARED, fd,
		 page < 0 ? 0 : (off_t)page * PAGE) == MAP_FAILED)
		fail(path);
}

static void do_letters(const char *path, const char *letters)
{
	int fd = -1, page = -1;

	for (; *letters; letters++) {
		if (*letters >= '0' && *letters <= '9') {
			page = (page < 0 ? 0 : page * 10) + *letters - '0';
			continue;
		}
		if (strchr("rwP", *letters) || (strchr("sxp", *letters) && fd < 0))
			fd = open(path, strchr("rp", *letters) ? O_RDONLY
					: *letters == 'P'      ? O_PATH
							       : O_RDWR);
		if (strchr("sxp", *letters))
			map(path, fd, *letters, page);
		if (*letters == 'c')
			close(fd);
		if (*letters == 'd' && unlink(path) < 0)
			fail(path);
		if (*letters == 't' || *letters == 'u') {
			start(idle, *letters == 'u' ? path : NULL);
			pthread_barrier_wait(&begun);
		}
		if (*letters == 'c' || fd < 0)
			fd = -1;
		page = -1;
	}
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 4 || pthread_barrier_init(&begun, NULL, 2))
		return 2;
	ready = argv[1];
	for (i = 2; i + 1 < argc; i += 2)
		do_letters(argv[i], argv[i + 1]);
	if (i == argc) {
		say_ready();
		for (;;)
			pause();
	}
	start(outlive, NULL);
	syscall(SYS_exit, 0);
}
