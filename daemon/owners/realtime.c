// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * realtime: the second device of an XFS, with data of some of its files.
 *
 *   [realtime] -> look, file_bad -> owners, control (files)
 *
 * In:   an open file.
 * Out:  whether its data are there, and which device that is.
 *
 * The flag that says so is of the inode, and can change only while the file is empty. What else an
 * inode has, attributes and its extent map, is on the filesystem's own device in any case. But
 * where such a file has its attributes is not to be learned: FIEMAP and GETBMAPX count their blocks
 * as if they were on the realtime device (measured on 6.1).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <linux/fs.h>

#include "cleanup.h"
#include "owners/fsmap.h"
#include "owners/realtime.h"

int realtime_has_file(int fd)
{
	struct fsxattr attributes;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	return !!(attributes.fsx_xflags & FS_XFLAG_REALTIME);
}

/* The names are device numbers: "259:0". */
int realtime_find_device(int fs_fd, dev_t *ret)
{
	_cleanup_(closedirp) DIR *dir = opendir("/sys/dev/block");

	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir));) {
		unsigned major, minor;
		bool is_log;
		int r;

		if (sscanf(e->d_name, "%u:%u", &major, &minor) != 2)
			continue;
		r = fsmap_beside(fs_fd, makedev(major, minor), &is_log);
		if (r < 0)
			return r;
		if (r == 0 || is_log)
			continue;
		*ret = makedev(major, minor);
		return 0;
	}
	return -ENODEV;
}
