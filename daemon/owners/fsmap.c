// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsmap: what a filesystem keeps in a range of its block device.
 *
 *   FS_IOC_GETFSMAP -> [fsmap] -> owners, repair
 *
 * In:   an fd on the filesystem and a range of bytes of its block device.
 * Out:  pieces that account for every byte of it.
 *
 * GETFSMAP never refuses: without privilege, or without a reverse map, it says "unknown" where it
 * would name an inode, and some kernels leave out records that began before the question. Both look
 * like an answer, and "nobody owns this" is what repair acts on. An answer that names one inode for
 * every byte can be neither. With any other we ask about the journal, whose place and owner we
 * know, and learn from that how to ask, and what silence means.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <xfs/xfs.h>

#include "owners/fsmap.h"
#include "owners/realtime.h"

#define BATCH 512u

/* The kernel clears room for as many records as are asked for, as malloc finds it for us. */
#define SMALL_BATCH	  16u
#define SMALL_RANGE_BYTES (64u << 10)

/* What lies between two questions is read as well if it is no longer than this. */
#define WORTH_READING_BYTES (64u << 10)

/* So much of the map is asked for at once: what goes wrong there is asked again one by one. */
#define TOGETHER_MAX 4096u

/* Whose the first block and the journal are, in XFS. */
#define OWNER_CODE_FS  FMR_OWNER('X', 1)
#define OWNER_CODE_LOG FMR_OWNER('X', 2)

typedef int (*record_function)(const struct fsmap *record, void *userdata);

static void first_question(struct fsmap_head *q, dev_t dev, uint64_t low, uint64_t high)
{
	/* With a device of 0 the kernel ignores the bounds and returns the whole filesystem. */
	q->fmh_keys[0].fmr_device = (uint32_t)dev;
	q->fmh_keys[0].fmr_physical = low;
	q->fmh_keys[1].fmr_device = (uint32_t)dev;
	q->fmh_keys[1].fmr_physical = high;
	q->fmh_keys[1].fmr_owner = UINT64_MAX;
	q->fmh_keys[1].fmr_offset = UINT64_MAX;
	q->fmh_keys[1].fmr_flags = UINT32_MAX;
}

/* Every record between two bytes (both included), in the kernel's batches. */
static int for_each_record(int fs_fd, dev_t dev, uint64_t low, uint64_t high, record_function f,
			   void *userdata)
{
	uint32_t n = high - low < SMALL_RANGE_BYTES ? SMALL_BATCH : BATCH;
	_cleanup_(freep) struct fsmap_head *q = malloc(fsmap_sizeof(n));
	int r;

	if (!q)
		return -ENOMEM;
	*q = (struct fsmap_head){ .fmh_count = n };
	for (first_question(q, dev, low, high);; fsmap_advance(q)) {
		if (ioctl(fs_fd, FS_IOC_GETFSMAP, q) < 0)
			return errno == ENOTTY ? -EOPNOTSUPP : -errno;
		if (q->fmh_entries > n || !(q->fmh_oflags & FMH_OF_DEV_T))
			return -EOPNOTSUPP;
		for (uint32_t i = 0; i < q->fmh_entries; i++) {
			if (q->fmh_recs[i].fmr_device != (uint32_t)dev)
				continue;
			r = f(&q->fmh_recs[i], userdata);
			if (r)
				return r;
		}
		if (!q->fmh_entries || q->fmh_recs[q->fmh_entries - 1].fmr_flags & FMR_OF_LAST)
			return 0;
	}
}

static int keep_record(const struct fsmap *record, void *userdata)
{
	*(struct fsmap *)userdata = *record;
	return 1;
}

/* XFS numbers blocks by group: the high bits are the group, and groups need not fill them. */
static uint64_t fsblock_to_bytes(const struct xfs_fsop_geom *geometry, uint64_t fsblock)
{
	unsigned shift = 0;

	while ((UINT64_C(1) << shift) < geometry->agblocks)
		shift++;
	return ((fsblock >> shift) * geometry->agblocks +
		(fsblock & ((UINT64_C(1) << shift) - 1))) *
	       geometry->blocksize;
}

static int look_at_xfs(struct fsmap_view *view, struct xfs_fsop_geom *ret)
{
	if (ioctl(view->fs_fd, XFS_IOC_FSGEOMETRY, ret) < 0)
		return -errno;
	if (!ret->blocksize || !ret->agblocks)
		return -EOPNOTSUPP;
	view->size_bytes = ret->datablocks * ret->blocksize;
	view->group_bytes = (uint64_t)ret->agblocks * ret->blocksize;
	view->has_realtime = ret->rtblocks;
	return 0;
}

/*
 * The second block of an internal log belongs to a record that began one block earlier. An old
 * kernel does not find it; then, and with an external log, the very first block of the device tells
 * about the reverse map.
 */
int fsmap_learn(struct fsmap_view *view)
{
	struct fsmap record = {};
	struct xfs_fsop_geom geometry;
	uint64_t second;
	int r;

	if (view->learned)
		return 0;
	r = look_at_xfs(view, &geometry);
	if (r < 0)
		return r;
	view->finds_starts_only = true;

	if (geometry.logstart && geometry.logblocks > 1) {
		second = fsblock_to_bytes(&geometry, geometry.logstart) + geometry.blocksize;
		r = for_each_record(view->fs_fd, view->dev, second, second, keep_record, &record);
		if (r < 0)
			return r;
		view->finds_starts_only = r == 0;
		view->names_owners = r > 0 && record.fmr_owner == OWNER_CODE_LOG;
	}
	if (view->finds_starts_only) {
		r = for_each_record(view->fs_fd, view->dev, 0, 0, keep_record, &record);
		if (r < 0)
			return r;
		view->names_owners = r > 0 && record.fmr_owner == OWNER_CODE_FS;
	}
	view->learned = true;
	return 0;
}

int fsmap_open_on(int fs_fd, dev_t dev, struct fsmap_view *ret)
{
	struct fsmap_view view = { .fs_fd = fs_fd, .dev = dev, .device = dev };
	struct statfs fs;

	if (fstatfs(fs_fd, &fs) < 0)
		return -errno;
	if (fs.f_type == XFS_SUPER_MAGIC) {
		strcpy(view.filesystem, "xfs");
		view.names_owners = true;
	} else if (fs.f_type == EXT4_SUPER_MAGIC) { /* of ext2 and ext3 as well */
		strcpy(view.filesystem, "ext4");
		view.learned = true; /* it names none, and finds all */
	} else {
		return -EOPNOTSUPP;
	}
	*ret = view;
	return 0;
}

int fsmap_open(int fs_fd, struct fsmap_view *ret)
{
	struct stat st;

	if (fstat(fs_fd, &st) < 0)
		return -errno;
	return fsmap_open_on(fs_fd, st.st_dev, ret);
}

int fsmap_beside(int fs_fd, dev_t dev, bool *ret_log)
{
	struct fsmap record = {};
	struct statfs fs;
	struct stat st;
	int r;

	if (fstatfs(fs_fd, &fs) < 0 || fstat(fs_fd, &st) < 0)
		return -errno;
	if (fs.f_type != XFS_SUPER_MAGIC || st.st_dev == dev)
		return 0;
	r = for_each_record(fs_fd, dev, 0, 0, keep_record, &record);
	if (r == -EINVAL) /* which is what it says of any device that is not its own */
		return 0;
	*ret_log = r > 0 && record.fmr_owner == OWNER_CODE_LOG;
	return r < 0 ? r : 1;
}

/*
 * Measured on 6.1: a record that begins before the question is left out, and where the question
 * ends in the first block of the realtime extent that it begins in, all are. So whole extents are
 * asked about. Silence means nothing here: what is free has a record.
 */
int fsmap_open_realtime(struct fsmap_view *own, dev_t device, struct fsmap_view *ret)
{
	struct xfs_fsop_geom geometry;
	int r = fsmap_learn(own);

	if (r >= 0)
		r = look_at_xfs(own, &geometry);
	if (r < 0)
		return r;
	if (!geometry.rtblocks || !geometry.rtextsize)
		return -EOPNOTSUPP;
	*ret = *own;
	ret->device = device;
	ret->device_start = REALTIME_START;
	ret->names_owners = false;
	ret->finds_starts_only = false;
	ret->wants_whole_groups = true;
	ret->size_bytes = REALTIME_START + geometry.rtblocks * geometry.blocksize;
	ret->group_bytes = (uint64_t)geometry.rtextsize * geometry.blocksize;
	return 0;
}

/*
 * Questions that go to the kernel together: sorted, and none begins before the one in front of it
 * ends.
 */
struct asking {
	const struct fsmap_view *view;
	struct fsmap_question *questions;
	size_t n;
	size_t first; /* those before it end before the record that came last begins */
	bool one_inode_each; /* no byte that was told of is shared, or the filesystem's own */
};

/*
 * Records come in the order in which they begin. Where files share blocks they overlap, so that a
 * later one can end earlier; but it cannot begin earlier.
 */
static int take_record(const struct fsmap *told, void *userdata)
{
	struct asking *a = userdata;
	struct fsmap record = *told;
	uint64_t end;
	int r;

	record.fmr_physical += a->view->device_start;
	end = record.fmr_physical + record.fmr_length;
	if (record.fmr_flags & (FMR_OF_SPECIAL_OWNER | FMR_OF_SHARED))
		a->one_inode_each = false;
	while (a->first < a->n &&
	       range_end(a->questions[a->first].dev_bytes) <= record.fmr_physical)
		a->first++;
	for (size_t i = a->first; i < a->n && a->questions[i].dev_bytes.start_bytes < end; i++) {
		struct fsmap_question *q = &a->questions[i];

		r = fsmap_answer_add(&q->answer, a->view, &record, q->dev_bytes);
		if (r < 0)
			return r;
		/* Then more of them would not be kept either. */
		if (q->answer.truncated && a->n == 1)
			return 1;
	}
	return 0;
}

static int ask_kernel(struct asking *a)
{
	const struct fsmap_view *view = a->view;
	uint64_t low = a->questions[0].dev_bytes.start_bytes - view->device_start;
	uint64_t high = range_end(a->questions[a->n - 1].dev_bytes) - 1 - view->device_start;

	a->first = 0;
	a->one_inode_each = true;
	if ((view->finds_starts_only || view->wants_whole_groups) && view->group_bytes)
		low -= low % view->group_bytes;
	if (view->wants_whole_groups && view->group_bytes)
		high += view->group_bytes - 1 - high % view->group_bytes;
	if (view->size_bytes && low >= view->size_bytes - view->device_start)
		return 0;
	return for_each_record(view->fs_fd, view->device, low, high, take_record, a);
}

static bool is_evident(const struct asking *a)
{
	for (size_t i = 0; i < a->n && a->one_inode_each; i++) {
		uint64_t bytes = a->questions[i].dev_bytes.length_bytes;

		for (size_t k = 0; k < a->questions[i].answer.n; k++)
			bytes -= a->questions[i].answer.pieces[k].bytes.length_bytes;
		if (bytes)
			return false;
	}
	return a->one_inode_each;
}

static int ask_trusted(struct asking *a, struct fsmap_view *view)
{
	int r = ask_kernel(a);

	if (r < 0 || view->learned || is_evident(a))
		return r;
	r = fsmap_learn(view);
	if (r < 0 || !view->finds_starts_only)
		return r;
	for (size_t i = 0; i < a->n; i++)
		fsmap_answer_done(&a->questions[i].answer);
	return ask_kernel(a);
}

static int ask_together(struct fsmap_view *view, struct fsmap_question *questions, size_t n)
{
	struct asking asking = { .view = view, .questions = questions, .n = n };
	int r = ask_trusted(&asking, view);

	for (size_t i = 0; i < n && r >= 0; i++)
		r = fsmap_answer_finish(&questions[i].answer, view, questions[i].dev_bytes);
	for (size_t i = 0; i < n; i++) {
		questions[i].r = r < 0 ? r : 0;
		if (r < 0)
			fsmap_answer_done(&questions[i].answer);
	}
	return r < 0 ? r : 0;
}

/*
 * Measured on 6.1 and 6.18: a call costs 15 to 25 us, each record it returns 1.4 to 2.4. A file has
 * one record at least.
 */
static bool is_sweep_cheaper(const struct fsmap_view *view, size_t n)
{
	struct statfs fs;

	return n > 1 && fstatfs(view->fs_fd, &fs) == 0 && n * 10 > fs.f_files - fs.f_ffree;
}

static bool go_together(const struct fsmap_question *a, const struct fsmap_question *b, bool sweep)
{
	uint64_t end = range_end(a->dev_bytes);

	return b->dev_bytes.start_bytes >= end &&
	       (sweep || b->dev_bytes.start_bytes - end <= WORTH_READING_BYTES);
}

int fsmap_ask_all(struct fsmap_view *view, struct fsmap_question *questions, size_t n)
{
	bool sweep = is_sweep_cheaper(view, n);
	size_t n_here;

	for (size_t i = 0; i < n; i += n_here) {
		int r;

		if (!range_valid(questions[i].dev_bytes))
			return -EINVAL;
		for (n_here = 1;
		     i + n_here < n && n_here < TOGETHER_MAX &&
		     go_together(&questions[i + n_here - 1], &questions[i + n_here], sweep);)
			n_here++;
		r = ask_together(view, &questions[i], n_here);
		/* A damaged part of the map must cost no more than the questions about it. */
		for (size_t k = 0; k < n_here && r < 0 && r != -ENOMEM && n_here > 1; k++)
			if (ask_together(view, &questions[i + k], 1) == -ENOMEM)
				r = -ENOMEM;
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

int fsmap_ask(struct fsmap_view *view, struct range dev_bytes, struct fsmap_answer *ret)
{
	struct fsmap_question question = { .dev_bytes = dev_bytes };
	int r;

	*ret = (struct fsmap_answer){};
	r = fsmap_ask_all(view, &question, 1);
	if (r < 0)
		return r;
	if (question.r < 0)
		return question.r;
	*ret = question.answer;
	return 0;
}
