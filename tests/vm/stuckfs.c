// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stuckfs: a process that nobody can look into, because the server of a filesystem stopped
 * answering.
 *
 *   *.sh ──► [stuckfs] ──► a reader that waits, a victim that is stuck
 *
 * The server of a FUSE filesystem with one file never answers a read. A first process reads, so
 * that a page stays locked. The victim maps FILE, and then the same page with direct I/O, for which
 * the kernel throws cached pages out first: it waits for the lock of that page inside of mmap(2),
 * with its own mmap_lock held for writing, and not even SIGKILL ends that. It ends when the server
 * does.
 *
 * Once it is so, the victim's pid is in READY.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE	    4096
#define FILE_NODE   2
#define FILE_NAME   "file"
#define BUFFER_SIZE (FUSE_MIN_READ_BUFFER + PAGE)

static const char *mountpoint;
static volatile sig_atomic_t ended;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "stuckfs: %s: %s\n", what, strerror(errno));
	exit(99);
}

/* ---- the server ---- */

struct server {
	int fd;
	unsigned n_opens;
	bool is_read; /* a read waits for its answer, for ever */
};

static void reply(const struct server *s, const struct fuse_in_header *in, int error,
		  const void *body, size_t n_bytes)
{
	struct fuse_out_header out = { sizeof(out) + (__u32)n_bytes, error, in->unique };
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)body, n_bytes } };

	if (writev(s->fd, parts, 2) < 0 && errno != ENOENT)
		fail("reply");
}

static struct fuse_attr attributes_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = 16 * PAGE,
		.mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static void reply_lookup(const struct server *s, const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .attr = attributes_of(FILE_NODE) };

	if (strcmp((const char *)(in + 1), FILE_NAME))
		reply(s, in, -ENOENT, NULL, 0);
	else
		reply(s, in, 0, &entry, sizeof(entry));
}

static void answer(struct server *s, const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = 31,
				      .max_write = PAGE };
	struct fuse_attr_out attributes = { .attr = attributes_of(in->nodeid) };
	struct fuse_open_out open = { .open_flags = FOPEN_KEEP_CACHE };

	switch (in->opcode) {
	case FUSE_INIT:
		return reply(s, in, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return reply_lookup(s, in);
	case FUSE_GETATTR:
		return reply(s, in, 0, &attributes, sizeof(attributes));
	case FUSE_OPEN:
		if (s->n_opens++)
			open.open_flags |= FOPEN_DIRECT_IO;
		return reply(s, in, 0, &open, sizeof(open));
	case FUSE_READ:
		s->is_read = true;
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return; /* nobody waits for an answer */
	default:
		return reply(s, in, -ENOSYS, NULL, 0);
	}
}

/* For so long, or until the filesystem is gone. */
static void serve(struct server *s, int msec)
{
	static char request[BUFFER_SIZE] __attribute__((aligned(8)));
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	while (!ended && poll(&p, 1, msec) > 0) {
		ssize_t n = read(s->fd, request, sizeof(request));

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer(s, (const struct fuse_in_header *)request);
		else if (errno == ENODEV)
			ended = true;
		else if (errno != EINTR && errno != ENOENT)
			fail("request");
	}
}

static struct server mount_it(void)
{
	struct server s = { .fd = open("/dev/fuse", O_RDWR | O_CLOEXEC) };
	char options[128];

	if (s.fd < 0)
		fail("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40700,user_id=0,group_id=0", s.fd);
	if (mount("stuckfs", mountpoint, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		fail(mountpoint);
	return s;
}

/* ---- who is served ---- */

static int open_file(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, mountpoint);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		fail(path);
	return fd;
}

static void read_page(const char *unused)
{
	char page[PAGE];

	(void)unused;
	(void)!pread(open_file(), page, PAGE, 0);
}

static void map_both(const char *held)
{
	int fd = open(held, O_RDWR);

	if (fd < 0 || mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		fail(held);
	mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open_file(), 0);
}

/* The server's descriptor must not be theirs: it would never end. */
static pid_t start(const struct server *s, void (*run)(const char *), const char *argument)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return pid;
	close(s->fd);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(argument);
	for (;;)
		pause();
}

static bool is_stuck(pid_t pid)
{
	char path[32], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail(path);
	close(fd);
	return strstr(text, ") D ");
}

static void say_ready(const char *path, pid_t pid)
{
	char temporary[256];
	FILE *f;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	f = fopen(temporary, "we");
	if (!f || fprintf(f, "%d\n", (int)pid) < 0 || fclose(f) || rename(temporary, path) < 0)
		fail(path);
}

static void on_signal(int signal)
{
	(void)signal;
	ended = true;
}

int main(int argc, char **argv)
{
	struct server s;
	pid_t victim;

	if (argc != 4) {
		fputs("usage: stuckfs MOUNTPOINT FILE READY\n", stderr);
		return 2;
	}
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	mountpoint = argv[1];
	s = mount_it();
	start(&s, read_page, NULL);
	while (!s.is_read)
		serve(&s, 10);
	victim = start(&s, map_both, argv[2]);
	while (s.n_opens < 2 || !is_stuck(victim))
		serve(&s, 10);
	say_ready(argv[3], victim);
	serve(&s, -1);
	close(s.fd);
	umount2(mountpoint, MNT_DETACH);
	return 0;
}
