// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mce_history: may a machine check have hit this page since boot?
 *
 *   /dev/kmsg, /proc/meminfo -> [mce_history] -> repair
 *
 * In:   the kernel's log, and its count of poisoned pages.
 * Out:  a verdict on some pages. "Never" only when it is proven.
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
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "range.h"
#include "source/mce_history.h"
#include "worker.h"

/* The longest record that a kernel hands out (CONSOLE_EXT_LOG_MAX, later PRINTK_MESSAGE_MAX). */
#define MAX_RECORD_BYTES 8192
/* 4 KiB pages in a huge page. The line names one of them, the damage is told for all. */
#define PAGES_PER_HUGE 512u

#define TEXT_START "Memory failure: 0x"

/* More than this, and every page counts as hit. */
#define MAX_HITS 4096u

/* What the log has said so far. */
struct told {
	struct range *hits; /* pages, by address; some more than once */
	size_t n_hits;
	bool too_many;
	bool from_boot; /* no record was lost before the first we saw, nor between two */
	bool any;
	bool to_end; /* what comes next begins a record */
};

static void told_done(struct told *told)
{
	free(told->hits);
	*told = (struct told){ 0 };
}

/* "Memory failure: 0x8021a: recovery action for dax page: Recovered" */
static bool find_hit(const char *text, struct range *ret)
{
	uint64_t pfn, n_pages = 1;
	char *end;

	if (strncmp(text, TEXT_START, strlen(TEXT_START)))
		return false;
	text += strlen(TEXT_START);
	errno = 0;
	pfn = strtoull(text, &end, 16);
	if (errno || end == text || *end != ':')
		return false;
	if (strstr(end, "huge page")) {
		n_pages = PAGES_PER_HUGE;
		pfn -= pfn % PAGES_PER_HUGE;
	}
	*ret = (struct range){ pfn * PAGE_BYTES, n_pages * PAGE_BYTES };
	return true;
}

/* The kernel says several lines of the same page, one after the other. */
static void add_hit(struct told *told, struct range hit)
{
	const struct range *last = told->n_hits ? &told->hits[told->n_hits - 1] : NULL;
	struct range *grown;

	if (last && range_contains(*last, hit))
		return;
	grown = told->n_hits < MAX_HITS ? reallocarray(told->hits, told->n_hits + 1, sizeof(*grown))
					: NULL;
	if (!grown) {
		told->too_many = true;
		return;
	}
	told->hits = grown;
	told->hits[told->n_hits++] = hit;
}

/* "PRIORITY,SEQUENCE,USEC,FLAGS[,...];TEXT"; lines with a blank first belong to the record before.
 */
static void take_line(struct told *told, const char *line)
{
	const char *text = strchr(line, ';');
	uint64_t sequence;
	unsigned priority;
	struct range hit;

	if (!text || sscanf(line, "%u,%" SCNu64 ",", &priority, &sequence) != 2)
		return;
	if (!told->any)
		told->from_boot = sequence == 0;
	told->any = true;
	if (priority >> 3 == 0 && find_hit(text + 1, &hit))
		add_hit(told, hit);
}

/* Takes all whole lines of the buffer; returns how many bytes are left at its start. */
static size_t take_lines(struct told *told, char *buffer, size_t n_bytes)
{
	char *line = buffer, *newline;

	while ((newline = memchr(line, '\n', n_bytes - (size_t)(line - buffer)))) {
		*newline = '\0';
		if (*line != ' ')
			take_line(told, line);
		line = newline + 1;
	}
	n_bytes -= (size_t)(line - buffer);
	memmove(buffer, line, n_bytes);
	return n_bytes;
}

/* All from where fd stands to the end. 0; -EBADMSG: it makes no sense; or another negative errno.
 */
static int read_on(int fd, struct told *told)
{
	char buffer[2 * MAX_RECORD_BYTES];
	size_t n_kept = 0;
	bool lost = false;

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
		n_kept = take_lines(told, buffer, n_kept + (size_t)n);
	}
	told->to_end = !n_kept;
	told->from_boot = told->any && told->from_boot && !lost && !n_kept;
	return 0;
}

static int read_from_start(int fd, struct told *told)
{
	told_done(told);
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_on(fd, told);
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

static bool says_hit(const struct told *told, struct range phys)
{
	for (size_t i = 0; i < told->n_hits; i++)
		if (range_overlaps(told->hits[i], phys))
			return true;
	return told->too_many;
}

static int judge(const struct told *told, int meminfo_fd, struct range phys)
{
	int r;

	if (says_hit(told, range_align_out(phys, PAGE_BYTES)))
		return MCE_HIT;
	if (told->from_boot)
		return MCE_NEVER;

	r = any_page_hit(meminfo_fd);
	if (r < 0 && r != -ENODATA)
		return r;
	return r == 0 ? MCE_NEVER : MCE_MAYBE;
}

int mce_history_from(int kmsg_fd, int meminfo_fd, struct range phys)
{
	struct told told = { 0 };
	int r;

	assert(kmsg_fd >= 0);
	assert(meminfo_fd >= 0);

	r = read_from_start(kmsg_fd, &told);
	if (r >= 0)
		r = judge(&told, meminfo_fd, phys);
	told_done(&told);
	return r;
}

/* ---- one log for all ---- */

/*
 * Who reads moves the position for all who have it open, so they take turns; turns_fd holds whose
 * the last one was. Who has had it twice in a row goes on where it stopped: a log has thousands of
 * records, and a repair asks for each page.
 */
static int kept_log_fd = -1, turns_fd = -1;
static struct told kept_told;
static pid_t kept_by; /* whose kept_told is: a child has that of its parent at first */

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
	told_done(&kept_told);
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

/* 1: nobody has moved it since we did; 0: somebody may have; -errno: nobody can know next time. */
static int had_last_turn(void)
{
	pid_t now = getpid(), last = 0;
	bool ours = kept_by == now && pread(turns_fd, &last, sizeof(last), 0) == sizeof(last) &&
		    last == now;

	if (!ours && pwrite(turns_fd, &now, sizeof(now), 0) != sizeof(now))
		return -EIO;
	return ours;
}

static int read_kept(void)
{
	int r = had_last_turn();

	if (r < 0)
		return r;
	r = r && kept_told.to_end ? read_on(kept_log_fd, &kept_told)
				  : read_from_start(kept_log_fd, &kept_told);
	if (r < 0)
		told_done(&kept_told);
	kept_by = getpid();
	return r;
}

int mce_history_of(struct range phys)
{
	_cleanup_(closep) int log_fd = -1, meminfo_fd = -1;
	int r;

	meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (meminfo_fd < 0)
		return -errno;
	if (kept_log_fd < 0) {
		log_fd = open_log();
		return log_fd < 0 ? log_fd : mce_history_from(log_fd, meminfo_fd, phys);
	}
	r = take_turn(F_WRLCK);
	if (r < 0)
		return r;
	r = read_kept();
	take_turn(F_UNLCK);
	return r < 0 ? r : judge(&kept_told, meminfo_fd, phys);
}
