// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc-maps: which lost bytes a process has mapped.
 *
 *   /proc/PID/maps -> [proc-maps] -> proc-scan
 *
 * In:   what targets look like and a process.
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

/* What the mapping's own link leads to. 0; -ENOENT: that can't be seen. */
static int follow_link(int task_fd, const struct maps_line *m, struct statx *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "map_files/%" PRIx64 "-%" PRIx64, m->virt_start, m->virt_end);
	return statx(task_fd, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, ret) < 0 ? -ENOENT
											 : 0;
}

/* Two subvolumes of a btrfs show the same device and inode number for two files. */
static bool is_another_file(int task_fd, const struct maps_line *m, const struct identity *id)
{
	struct statx st;

	if (!id->link.dev || follow_link(task_fd, m, &st) < 0)
		return false;
	return makedev(st.stx_dev_major, st.stx_dev_minor) != id->link.dev ||
	       st.stx_ino != id->link.inode;
}

static int add_hits(struct proc_process *p, int task_fd, const struct maps_line *m,
		    struct file_key key)
{
	struct range mapped = { m->offset_bytes, m->virt_end - m->virt_start };
	const struct identity *id;
	size_t n;
	int r;

	if (!range_valid(mapped))
		return 0;
	id = identities_find(p->ids, key, false, &n);
	for (size_t i = 0; i < n; i++) {
		struct range lost = range_clip(p->targets->all[id[i].target].file_bytes, mapped);

		if (!lost.length_bytes || is_another_file(task_fd, m, &id[i]))
			continue;
		r = hits_add(&p->hits, (struct hit){
					       .pid = p->pid,
					       .target = id[i].target,
					       .mapped = true,
					       .writable = m->writable && m->shared,
					       .virt_start = m->virt_start + lost.start_bytes -
							     m->offset_bytes,
					       .length_bytes = lost.length_bytes,
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
static int look_for_device(struct proc_process *p, int task_fd, const struct maps_line *m)
{
	struct statx st;

	if (!m->shared && !p->targets->has_blocks)
		return 0;
	if (follow_link(task_fd, m, &st) < 0)
		return 0;
	if (!S_ISBLK(st.stx_mode) && !S_ISCHR(st.stx_mode))
		return 0;
	return add_hits(p, task_fd, m,
			(struct file_key){ makedev(st.stx_rdev_major, st.stx_rdev_minor), 0,
					   st.stx_mode & S_IFMT });
}

static int look_at_line(struct proc_process *p, int task_fd, const char *line, const char *end)
{
	struct maps_line m;
	int r;

	if (maps_parse_line(line, end, &m) < 0 || !m.inode)
		return 0;
	r = add_hits(p, task_fd, &m, (struct file_key){ m.dev, m.inode, 0 });
	if (r < 0 || !p->targets->has_devices)
		return r;
	return look_for_device(p, task_fd, &m);
}

int proc_maps_scan(struct proc_process *p, int task_fd)
{
	_cleanup_(closep) int fd = openat(task_fd, "maps", O_RDONLY | O_CLOEXEC);
	size_t kept = 0; /* of a line that was cut by the end of the last read */
	bool any = false;
	int r;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (;;) {
		ssize_t n = read(fd, p->buffer + kept, p->buffer_bytes - kept);
		const char *line = p->buffer, *end = p->buffer + kept + (n > 0 ? n : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : any;
		any = true;
		for (const char *newline; (newline = memchr(line, '\n', (size_t)(end - line)));
		     line = newline + 1) {
			r = look_at_line(p, task_fd, line, newline);
			if (r < 0)
				return r;
		}
		kept = (size_t)(end - line);
		if (kept == p->buffer_bytes) /* no name is that long */
			return -EBADMSG;
		memmove(p->buffer, line, kept);
	}
}
