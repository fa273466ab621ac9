// SPDX-License-Identifier: GPL-2.0-or-later
/* tell_fs: see tell_fs.h. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kernel-abi.h"
#include "range.h"
#include "repair/tell_fs.h"
#include "source/mce_history.h"

int tell_fs_of_page(const struct repair_fs *fs, uint64_t phys_start)
{
	uint64_t first = (phys_start - fs->phys_of_fs) / SECTOR_BYTES;
	struct xfs_abi_verify_media verify = {
		.device = XFS_ABI_DEVICE_DATA,
		.flags = XFS_ABI_VERIFY_MEDIA_REPORT,
		.start_sector = first,
		.end_sector = first + PAGE_BYTES / SECTOR_BYTES,
	};

	if (strcmp(fs->filesystem, "xfs") ||
	    mce_history_of((struct range){ phys_start, PAGE_BYTES }) != MCE_NEVER)
		return 0;
	if (ioctl(fs->root_fd, XFS_ABI_VERIFY_MEDIA, &verify) < 0)
		return errno == ENOTTY || errno == EOPNOTSUPP ? 0 : -errno;
	return verify.io_error != 0;
}
