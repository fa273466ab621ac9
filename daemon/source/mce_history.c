// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mce_history: may a machine check have hit this page since boot?
 *
 *   /dev/kmsg, /proc/meminfo -> [mce_history] -> repair
 *
 * In:   the kernel's log, and its count of poisoned pages.
 * Out:  a verdict on one page. "Never" only when it is proven.
 *
 * Only records of the kernel itself count: what root writes to /dev/kmsg has
 * another facility. An uncalled-for hit costs a salvage, a missed one can cost an
 * oops, so lines about simulated failures are hits too.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "range.h"
#include "source/mce_history.h"
#include "worker.h"

/* The longest record that a kernel hands out (CONSOLE_EXT_LOG_MAX, later PRINTK_MESSAGE_MAX). */
#define MAX_RECORD_BYTES 8192
/* 4 KiB pages in a huge page. The line names one of them, the damage is told for all. */
#define PAGES_PER_HUGE 512u

#define TEXT_START "Memory failure: 0x"

struct log_walk {
	uint64_t pfn;
	bool hit;
	bool from_boot; /* no record was lost before the first we saw, nor between two */
	bool any;
};

/* "Memory failure: 0x8021a: recovery action for dax page: Recovered" */
static bool is_about(const char *text, uint64_t pfn)
{
	uint64_t named;
	char *end;

	if (strncmp(text, TEXT_START, strlen(TEXT_START)))
		return false;
	text += strlen(TEXT_START);
	errno = 0;
	named = strtoull(text, &end, 16);
	if (errno || end == text || *end != ':')
		return false;
	if (strstr(end, "huge page"))
		return named / PAGES_PER_HUGE == pfn / PAGES_PER_HUGE;
	return named == pfn;
}

/* "PRIORITY,SEQUENCE,USEC,FLAGS[,...];TEXT"; lines with a blank first belong to the record before.
 */
static void take_line(struct log_walk *walk, const char *line)
{
	const char *text = strchr(line, ';');
	uint64_t sequence;
	unsigned priority;

	if (!text || sscanf(line, "%u,%" SCNu64 ",", &priority, &sequence) != 2)
		return;
	if (!walk->any)
		walk->from_boot = sequence == 0;
	walk->any = true;
	if (priority >> 3 == 0 && is_about(text + 1, walk->pfn))
		walk->hit = true;
}

/* Takes all whole lines of the buffer; returns how many bytes are left at its start. */
static size_t take_lines(struct log_walk *walk, char *buffer, size_t n_bytes)
{
	char *line = buffer, *newline;

	while ((newline = memchr(line, '\n', n_bytes - (size_t)(line - buffer)))) {
		*newline = '\0';
		if (*line != ' ')
			take_line(walk, line);
		line = newline + 1;
	}
	n_bytes -= (size_t)(line - buffer);
	memmove(buffer, line, n_bytes);
	return n_bytes;
}

static int walk_log(int fd, struct log_walk *walk)
{
	char buffer[2 * MAX_RECORD_BYTES];
	size_t n_kept = 0;
	bool lost = false;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (sizeof(buffer) - n_kept < MAX_RECORD_BYTES)
			return -EBADMSG; /* no record is that long */
		n = read(fd, buffer + n_kept, sizeof(buffer) - n_kept);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE) {
			lost = true; /* overwritten under us; goes on behind it */
			continue;
		}
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		n_kept = take_lines(walk, buffer, n_kept + (size_t)n);
	}
	walk->from_boot = walk->any && walk->from_boot && !lost && !n_kept;
	return 0;
}

/* "HardwareCorrupted:     4 kB". 1: some page is, 0: none, -ENODATA: this kernel does not count. */
static int any_page_hit(int fd)
{
	static const char key[] = "\nHardwareCorrupted:";
	char text[8192], *at;
	size_t n_read = 0;
	uint64_t n_kib;
	ssize_t n;

	while (n_read < sizeof(text) - 1) {
		n = pread(fd, text + n_read, sizeof(text) - 1 - n_read, (off_t)n_read);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		n_read += (size_t)n;
	}
	text[n_read] = '\0';

	at = strstr(text, key);
	if (!at || sscanf(at + strlen(key), "%" SCNu64 " kB", &n_kib) != 1)
		return -ENODATA;
	return n_kib > 0;
}

int mce_history_from(int kmsg_fd, int meminfo_fd, uint64_t phys_address)
{
	struct log_walk walk = { .pfn = phys_address / PAGE_BYTES };
	int r;

	assert(kmsg_fd >= 0);
	assert(meminfo_fd >= 0);

	r = walk_log(kmsg_fd, &walk);
	if (r < 0)
		return r;
	if (walk.hit)
		return MCE_HIT;
	if (walk.from_boot)
		return MCE_NEVER;

	r = any_page_hit(meminfo_fd);
	if (r < 0 && r != -ENODATA)
		return r;
	return r == 0 ? MCE_NEVER : MCE_MAYBE;
}

/* ---- one log for all ---- */

/* Who reads moves the position for all who have it open, so they take turns. */
static int kept_log_fd = -1, turns_fd = -1;

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int mce_history_begin(void)
{
	_cleanup_(closep) int log_fd = open_log();
	_cleanup_(closep) int new_turns_fd = -1;
	int r;

	if (log_fd < 0)
		return log_fd;
	new_turns_fd = memfd_create("hwpoisond-log", MFD_CLOEXEC);
	if (new_turns_fd < 0)
		return -errno;
	r = worker_keep_fd(log_fd);
	if (r >= 0)
		r = worker_keep_fd(new_turns_fd);
	if (r < 0) {
		worker_forget_fd(log_fd);
		return r;
	}
	kept_log_fd = TAKE_FD(log_fd);
	turns_fd = TAKE_FD(new_turns_fd);
	return 0;
}

void mce_history_end(void)
{
	worker_forget_fd(kept_log_fd);
	worker_forget_fd(turns_fd);
	closep(&kept_log_fd);
	closep(&turns_fd);
	kept_log_fd = turns_fd = -1;
}

/* The lock is the process's, and ends with it. */
static int take_turn(short type)
{
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

	while (fcntl(turns_fd, F_SETLKW, &whole) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int mce_history_of(uint64_t phys_address)
{
	_cleanup_(closep) int log_fd = -1, meminfo_fd = -1;
	int r;

	meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (meminfo_fd < 0)
		return -errno;
	if (kept_log_fd < 0) {
		log_fd = open_log();
		return log_fd < 0 ? log_fd : mce_history_from(log_fd, meminfo_fd, phys_address);
	}
	r = take_turn(F_WRLCK);
	if (r < 0)
		return r;
	r = mce_history_from(kept_log_fd, meminfo_fd, phys_address);
	take_turn(F_UNLCK);
	return r;
}
