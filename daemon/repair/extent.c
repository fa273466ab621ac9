// SPDX-License-Identifier: GPL-2.0-or-later
/* extent: see extent.h. */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "range.h"
#include "repair/extent.h"

/* A record of the map may end where nothing but the sharing does. */
static int read_record(int fd, struct range bytes, struct extent *ret)
{
	struct {
		struct fiemap head;
		struct fiemap_extent extent;
	} map = {
		.head = {
			.fm_start = bytes.start_bytes,
			.fm_length = bytes.length_bytes,
			.fm_flags = FIEMAP_FLAG_SYNC,
			.fm_extent_count = 1,
		},
	};
	const struct fiemap_extent *e = &map.extent;

	memset(ret, 0, sizeof(*ret));
	if (ioctl(fd, FS_IOC_FIEMAP, &map) < 0)
		return -errno;
	if (!map.head.fm_mapped_extents || e->fe_logical > bytes.start_bytes)
		return 0;
	if (e->fe_flags &
	    (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED))
		return -EOPNOTSUPP;

	ret->mapped = true;
	ret->unwritten = e->fe_flags & FIEMAP_EXTENT_UNWRITTEN;
	ret->shared = e->fe_flags & FIEMAP_EXTENT_SHARED;
	ret->dev_offset_bytes = e->fe_physical + (bytes.start_bytes - e->fe_logical);
	ret->length_bytes = e->fe_logical + e->fe_length - bytes.start_bytes;
	if (ret->length_bytes > bytes.length_bytes)
		ret->length_bytes = bytes.length_bytes;
	return 0;
}

int extent_of(int fd, struct range bytes, struct extent *ret)
{
	int r = read_record(fd, bytes, ret);

	while (r >= 0 && ret->mapped && ret->length_bytes < bytes.length_bytes) {
		struct range rest = { bytes.start_bytes + ret->length_bytes,
				      bytes.length_bytes - ret->length_bytes };
		struct extent next;

		r = read_record(fd, rest, &next);
		if (r < 0 || !next.mapped || !next.length_bytes ||
		    next.dev_offset_bytes != ret->dev_offset_bytes + ret->length_bytes)
			break;
		ret->length_bytes += next.length_bytes;
		ret->unwritten |= next.unwritten;
		ret->shared |= next.shared;
	}
	return r;
}

int extent_of_page(int fd, uint64_t file_offset_bytes, struct extent *ret)
{
	return extent_of(fd, (struct range){ file_offset_bytes, PAGE_BYTES }, ret);
}

int extent_share(int from_fd, uint64_t from_offset, uint64_t length_bytes, int to_fd,
		 uint64_t to_offset)
{
	struct file_clone_range clone = {
		.src_fd = from_fd,
		.src_offset = from_offset,
		.src_length = length_bytes,
		.dest_offset = to_offset,
	};

	return ioctl(to_fd, FICLONERANGE, &clone) < 0 ? -errno : 0;
}
