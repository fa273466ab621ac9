// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unmounted: bytes that no mounted filesystem keeps.
 *
 *   block -> [unmounted] -> owners
 *
 * In:   a disk or partition that no mount table names; or a dax device, which has no filesystem.
 * Out:  "raw", and whether it is idle; or "devdax", and where in the device.
 *
 * Not mounted is not unused: device-mapper, swap, a second disk of a btrfs, an external journal,
 * a filesystem unmounted lazily. The kernel knows them all as the one who opened the device
 * exclusively. Trying the same, for no longer than open(2) takes, is the only question that
 * misses none of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/ask.h"
#include "owners/unmounted.h"

/* 0: nobody has it, -EBUSY: somebody has, or another negative errno: not known. */
static int try_exclusively(const char *name, dev_t dev)
{
	_cleanup_(closep) int fd = -1;
	char path[80];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISBLK(st.st_mode) && st.st_rdev == dev ? 0 : -ENODEV;
}

int unmounted_ask(const char *name, dev_t dev, struct range phys, struct incident *in)
{
	int in_use = try_exclusively(name, dev);
	int r;

	if (in_use == -EBUSY)
		return 1;
	r = add_plain_owner(in, OWNER_RAW, phys, NULL, "device");
	if (r < 0 || in_use == 0)
		return r;
	return owners_incomplete(in, "Cannot tell whether something uses /dev/%s: %s", name,
				 strerror(-in_use));
}

/* Physical address of byte 0 of a dax device; only root may read it. 0 or negative errno. */
static int dax_start(const char *chardev, uint64_t *ret)
{
	_cleanup_(closep) int fd = -1;
	char path[128], text[32], *end;
	ssize_t n;

	if (strchr(chardev, '/'))
		return -EINVAL;
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/resource", chardev);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret = strtoull(text, &end, 0);
	return end == text || !*ret ? -ENODATA : 0;
}

int devdax_ask(struct incident *in)
{
	uint64_t start = 0;
	int r, known;

	known = in->device.chardev ? dax_start(in->device.chardev, &start) : -ENODEV;
	if (known == 0 && in->phys.start_bytes < start) {
		r = add_plain_owner(in, OWNER_METADATA, in->phys, NULL, "device");
		return r < 0 ? r
			     : owners_incomplete(in, "In front of the data of %s",
						 in->device.chardev);
	}
	r = add_plain_owner(in, OWNER_DEVDAX, in->phys, NULL, "device");
	if (r < 0)
		return r;
	if (known < 0)
		return owners_incomplete(in, "Cannot tell where in the dax device this is: %s",
					 strerror(-known));
	in->owners[in->n_owners - 1].file_offset_bytes = in->phys.start_bytes - start;
	return 0;
}
