// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc-maps: which lost bytes a process has mapped.
 *
 *   /proc/PID/maps -> [proc-maps] -> holders
 *
 * In:   the table of targets and a process.
 * Out:  for each mapping that covers lost bytes, the addresses at which that process sees them.
 *
 * Every mapping of every process comes through here, nearly all of them for nothing, so lines are
 * parsed by hand and names are not looked at. A name proves nothing anyway: device and inode
 * number do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holders/proc-maps.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/*
 * A number of base 16 or 10 and the character after it. Moves *at on; false: something else is
 * there.
 */
static bool take_number(const char **at, const char *end, unsigned base, char after, uint64_t *ret)
{
	const char *first = *at;
	uint64_t value = 0;

	for (; *at < end; (*at)++) {
		int digit = hex_digit(**at);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (unsigned)digit, &value))
			return false;
	}
	*ret = value;
	if (*at == first)
		return false;
	if (after == '\0')
		return *at == end || **at == ' ';
	if (*at == end || **at != after)
		return false;
	(*at)++;
	return true;
}

/* "7f1c4a000000-7f1c4a001000 rw-s 00002000 103:00 131    /mnt/x/data" */
int maps_parse_line(const char *line, const char *end, struct maps_line *ret)
{
	struct maps_line m = {};
	uint64_t major_number, minor_number;

	if (!take_number(&line, end, 16, '-', &m.virt_start) ||
	    !take_number(&line, end, 16, ' ', &m.virt_end) || m.virt_end <= m.virt_start)
		return -EBADMSG;
	if (end - line < 5 || line[4] != ' ')
		return -EBADMSG;
	m.writable = line[1] == 'w';
	m.shared = line[3] == 's';
	line += 5;

	if (!take_number(&line, end, 16, ' ', &m.offset_bytes) ||
	    !take_number(&line, end, 16, ':', &major_number) ||
	    !take_number(&line, end, 16, ' ', &minor_number) ||
	    !take_number(&line, end, 10, '\0', &m.inode))
		return -EBADMSG;
	if (major_number > UINT32_MAX || minor_number > UINT32_MAX)
		return -EBADMSG;
	m.dev = makedev((unsigned)major_number, (unsigned)minor_number);
	*ret = m;
	return 0;
}

static int add_hits(const struct maps_line *m, const struct targets *targets, struct file_key key,
		    struct hits *hits)
{
	struct range mapped = { m->offset_bytes, m->virt_end - m->virt_start };
	const struct target *target;
	size_t n;
	int r;

	if (!range_valid(mapped))
		return 0;
	target = targets_find(targets, key, &n);
	for (size_t i = 0; i < n; i++) {
		struct range lost = range_clip(target[i].file_bytes, mapped);

		if (!lost.length_bytes)
			continue;
		r = hits_add(hits, targets, (struct hit){
					   .target = &target[i],
					   .mapped = true,
					   .writable = m->writable && m->shared,
					   .mapping = {
						   .virt_start = m->virt_start + lost.start_bytes -
								 m->offset_bytes,
						   .length_bytes = lost.length_bytes,
						   .writable = m->writable && m->shared,
					   },
				   });
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A device can have nodes in many places; what it stands for is only seen through the mapping's
 * own link. dax devices can't be mapped privately, which spares looking at every library.
 */
static int look_for_device(int pid_fd, const struct maps_line *m, const struct targets *targets,
			   struct hits *hits)
{
	char path[64];
	struct statx st;

	if (!m->shared && !targets->has_blocks)
		return 0;
	snprintf(path, sizeof(path), "map_files/%" PRIx64 "-%" PRIx64, m->virt_start, m->virt_end);
	if (statx(pid_fd, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return 0;
	if (!S_ISBLK(st.stx_mode) && !S_ISCHR(st.stx_mode))
		return 0;
	return add_hits(m, targets,
			(struct file_key){ makedev(st.stx_rdev_major, st.stx_rdev_minor), 0,
					   st.stx_mode & S_IFMT },
			hits);
}

static int look_at_line(int pid_fd, const char *line, const char *end,
			const struct targets *targets, struct hits *hits)
{
	struct maps_line m;
	int r;

	if (maps_parse_line(line, end, &m) < 0 || !m.inode)
		return 0;
	r = add_hits(&m, targets, (struct file_key){ m.dev, m.inode, 0 }, hits);
	if (r < 0 || !targets->has_devices)
		return r;
	return look_for_device(pid_fd, &m, targets, hits);
}

int proc_maps_scan(int pid_fd, const struct targets *targets, char *buffer, size_t buffer_bytes,
		   struct hits *hits)
{
	_cleanup_(closep) int fd = openat(pid_fd, "maps", O_RDONLY | O_CLOEXEC);
	size_t kept = 0; /* of a line that was cut by the end of the last read */
	int r;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (;;) {
		ssize_t n = read(fd, buffer + kept, buffer_bytes - kept);
		const char *line = buffer, *end = buffer + kept + (n > 0 ? n : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (const char *newline; (newline = memchr(line, '\n', (size_t)(end - line)));
		     line = newline + 1) {
			r = look_at_line(pid_fd, line, newline, targets, hits);
			if (r < 0)
				return r;
		}
		kept = (size_t)(end - line);
		if (kept == buffer_bytes) /* no name is that long */
			return -EBADMSG;
		memmove(buffer, line, kept);
	}
}
