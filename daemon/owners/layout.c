// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * layout: where the bytes of an open file lie on the device.
 *
 *   look -> [layout] -> unowned
 *
 * In:   an fd.
 * Out:  runs of blocks.
 *
 * XFS is asked by GETBMAPX, which also knows directories; ext4 by FIEMAP. Neither is told to flush:
 * a block that the file has not been given yet cannot be the one that is looked for, and what was
 * given is known to both without.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <xfs/xfs.h>

#include "owners/layout.h"

#define BATCH 128u

/* Blocks elsewhere, or none. FIEMAP_EXTENT_NOT_ALIGNED comes with data in the inode itself. */
#define HAS_NO_BLOCKS                                                                              \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE |              \
	 FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_NOT_ALIGNED)

static int read_fiemap(int fd, enum layout_part part, layout_function f, void *userdata)
{
	struct {
		struct fiemap head;
		struct fiemap_extent extents[BATCH];
	} map;

	for (uint64_t at = 0;;) {
		memset(&map.head, 0, sizeof(map.head));
		map.head.fm_start = at;
		map.head.fm_length = FIEMAP_MAX_OFFSET - at;
		map.head.fm_flags = part == LAYOUT_XATTR ? FIEMAP_FLAG_XATTR : 0;
		map.head.fm_extent_count = BATCH;
		if (ioctl(fd, FS_IOC_FIEMAP, &map) < 0)
			return -errno;
		if (!map.head.fm_mapped_extents || map.head.fm_mapped_extents > BATCH)
			return 0;
		for (uint32_t i = 0; i < map.head.fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &map.extents[i];
			struct layout_run run = {
				.bytes = { e->fe_physical, e->fe_length },
				.file_offset_bytes = e->fe_logical,
				.unwritten = e->fe_flags & FIEMAP_EXTENT_UNWRITTEN,
				.shared = e->fe_flags & FIEMAP_EXTENT_SHARED,
			};
			int r = e->fe_flags & HAS_NO_BLOCKS ? 0 : f(&run, userdata);

			if (r || e->fe_flags & FIEMAP_EXTENT_LAST)
				return r;
			/* Nothing moves on where there is nothing: not for ever the same question.
			 */
			if (e->fe_logical + e->fe_length <= at && i + 1 == BATCH)
				return -EIO;
			at = e->fe_logical + e->fe_length;
		}
	}
}

static struct layout_run run_of_bmapx(const struct getbmapx *e)
{
	return (struct layout_run){
		.bytes = { (uint64_t)e->bmv_block * SECTOR_BYTES,
			   (uint64_t)e->bmv_length * SECTOR_BYTES },
		.file_offset_bytes = (uint64_t)e->bmv_offset * SECTOR_BYTES,
		.unwritten = e->bmv_oflags & BMV_OF_PREALLOC,
		.shared = e->bmv_oflags & BMV_OF_SHARED,
	};
}

/* The kernel moves the head on by itself, to where the next call begins. */
static int read_bmapx(int fd, enum layout_part part, layout_function f, void *userdata)
{
	struct getbmapx map[1 + BATCH] = {
		[0] = {
			.bmv_length = -1,
			.bmv_count = 1 + BATCH,
			.bmv_iflags = BMV_IF_PREALLOC | BMV_IF_NO_HOLES |
				      (part == LAYOUT_XATTR ? BMV_IF_ATTRFORK : BMV_IF_DELALLOC),
		},
	};

	for (;;) {
		if (ioctl(fd, XFS_IOC_GETBMAPX, map) < 0)
			return errno == ENOENT ? 0 : -errno;
		if (map[0].bmv_entries <= 0 || (unsigned)map[0].bmv_entries > BATCH)
			return 0;
		for (int i = 1; i <= map[0].bmv_entries; i++) {
			struct layout_run run = run_of_bmapx(&map[i]);
			int r = map[i].bmv_block < 0 ? 0 : f(&run, userdata);

			if (r || map[i].bmv_oflags & BMV_OF_LAST)
				return r;
		}
		if (!map[0].bmv_length)
			return 0;
	}
}

int layout_read(int fd, const char *filesystem, enum layout_part part, layout_function f,
		void *userdata)
{
	if (!strcmp(filesystem, "xfs"))
		return read_bmapx(fd, part, f, userdata);
	if (!strcmp(filesystem, "ext4"))
		return read_fiemap(fd, part, f, userdata);
	return -EOPNOTSUPP;
}
