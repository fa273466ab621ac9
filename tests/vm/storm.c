// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storm: more memory goes bad than anybody can look at, and somebody asks how it goes.
 *
 *   storm pages N        lose N pages of our own, all distinct; prints "pages N SECONDS"
 *   storm ask SOCKET     ask the daemon for its status ten times a second, until SIGTERM; prints
 *                        "asked N SLOWEST-MSEC"
 *
 * For guests: what is lost stays lost until they end.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* From 6.11 on the kernel signals whoever asked for the loss, as if it had touched the page. */
static void on_bus(int number)
{
}

/* No huge pages: of these a failure would take 512 at once. */
static void lose_pages(unsigned long n)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), n_bytes = n * page_bytes;
	char *all = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long n_lost = 0;
	double begun;

	if (all == MAP_FAILED || madvise(all, n_bytes, MADV_NOHUGEPAGE) < 0)
		die("mmap");
	for (unsigned long i = 0; i < n; i++)
		all[i * page_bytes] = 1;
	signal(SIGBUS, on_bus);
	begun = now_msec();
	for (unsigned long i = 0; i < n; i++)
		n_lost += madvise(all + i * page_bytes, page_bytes, MADV_HWPOISON) == 0;
	printf("pages %lu %.3f\n", n_lost, (now_msec() - begun) / 1e3);
}

static void on_term(int number)
{
	is_over = 1;
}

/* A Varlink message ends with a NUL. */
static void ask_once(const char *path)
{
	static const char question[] = "{\"method\":\"io.hwpoisond.Status\"}";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char answer[4096];
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	if (write(fd, question, sizeof(question)) != sizeof(question))
		die("write");
	do {
		n = read(fd, answer, sizeof(answer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("no answer");
	} while (n < 0 || answer[n - 1]);
	close(fd);
}

static void ask(const char *path)
{
	struct sigaction action = { .sa_handler = on_term };
	double slowest = 0;
	unsigned n = 0;

	sigaction(SIGTERM, &action, NULL);
	while (!is_over) {
		double begun = now_msec(), took;

		ask_once(path);
		took = now_msec() - begun;
		if (took > slowest)
			slowest = took;
		n++;
		usleep(100000);
	}
	printf("asked %u %.0f\n", n, slowest);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "pages"))
		lose_pages(strtoul(argv[2], NULL, 0));
	else if (argc == 3 && !strcmp(argv[1], "ask"))
		ask(argv[2]);
	else
		return 2;
	return 0;
}
