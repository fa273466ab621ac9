// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ready: see ready.h.
 *
 *   repair -> restore -> [ready] -> target, writers
 *
 * In:   a page that is planned for, its owners and holders as they were just found.
 * Out:  why it would wait, in the words of the method that would find it out.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "range.h"
#include "repair/ready.h"
#include "repair/record.h"
#include "repair/target.h"
#include "repair/writers.h"

/* The last page of a file is rewritten through the block device. */
static int look_at_device(const struct repair_fs *fs, struct page_result *ret)
{
	_cleanup_(closep) int fd = repair_fs_open_device(fs);

	if (fd != -EPERM && fd != -EBUSY)
		return 0;
	return result_stop(ret, "waiting", "busy",
			   "the last page of a file is written through the block device, which "
			   "nobody may while it is mounted");
}

/* A file that is none the less not there any more is the method's to deal with. */
static int look_at_owner(const struct repair_fs *fs, const struct owner *owner, struct range page,
			 bool rewrites, struct page_result *ret)
{
	struct target target;
	const char *reason;
	int r;

	r = target_open(fs->root_fd, fs->filesystem, owner, page, &target, &reason);
	target_close(&target);
	if (r >= 0 && rewrites && target.length_bytes < PAGE_BYTES)
		return look_at_device(fs, ret);
	if (r >= 0 || !strcmp(reason, "moved"))
		return 0;
	return result_stop(ret, "waiting", reason,
			   "inode %" PRIu64 " can't be opened for writing: %s", owner->inode,
			   strerror(-r));
}

static int look_at_owners(const struct repair_fs *fs, const struct incident *in, struct range page,
			  bool rewrites, struct page_result *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->n_owners; i++)
		if (record_is_target(&in->owners[i], fs->dev, page))
			r = look_at_owner(fs, &in->owners[i], page, rewrites, ret);
	return r;
}

/* A file without a name: whatever happens, none is left. Emptied, as XFS frees it later else. */
static int take_room(const struct repair_fs *fs)
{
	_cleanup_(closep) int fd = openat(fs->store_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int r = fd < 0 || fallocate(fd, 0, 0, PAGE_BYTES) < 0 ? -errno : 0;

	if (fd >= 0 && ftruncate(fd, 0) < 0 && r == 0)
		r = -errno;
	return r;
}

/* For the store's directory, too. */
static int look_for_room(struct repair_fs *fs, struct range page, struct page_result *ret)
{
	int r = repair_fs_prepare_remap(fs, page);

	if (r >= 0)
		r = take_room(fs);
	return r == -ENOSPC || r == -EDQUOT ? result_explain(ret, -ENOSPC) : 0;
}

int ready_look(const struct repair_job *job, struct repair_fs *fs, const struct incident *in,
	       const struct page_plan *page, struct page_result *ret)
{
	struct range bytes = { page->phys_start, PAGE_BYTES };
	int r;

	*ret = (struct page_result){ 0 };
	if (fs->read_only)
		return result_explain(ret, -EROFS);
	r = look_at_owners(fs, in, bytes, page->method->id == METHOD_REWRITE, ret);
	if (r == 0)
		r = writers_may_stop(job, in, ret);
	if (r == 0 && page->method->id == METHOD_REMAP)
		r = look_for_room(fs, bytes, ret);
	return r;
}
