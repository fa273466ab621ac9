// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rewrite-write: save what is good of the page, and write all of it where it lies.
 *
 *   rewrite -> [rewrite-write] -> salvage, target, extent
 *
 * In:   the owner's file, open, and nobody else who could store to it.
 * Out:  a page without errors, which holds what was saved; or the page as it was.
 *
 * The last page of a file is written through the block device, because a file that is written past
 * its end grows. The file is held open, others are kept out, and it is asked right before and right
 * after: so the block stays its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/verdict.h"
#include "repair/damage.h"
#include "repair/extent.h"
#include "repair/reach.h"
#include "repair/record.h"
#include "repair/restore.h"
#include "repair/rewrite-private.h"
#include "repair/salvage.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

/* A short clear makes progress each time it is repeated, a refusal does not: bounded all the same.
 */
#define MAX_WRITES 16

int rewrite_check_owner(struct rewrite *w)
{
	const struct target *t = &w->target;
	struct extent e;
	int r;

	r = extent_of_page(t->fd, t->page_offset_bytes, &e);
	if (r == -EOPNOTSUPP)
		return result_stop(w->result, "failed", "encoded",
				   "what lies on the media is not what the file reads as");
	if (r < 0)
		return r;
	if (!e.mapped || e.unwritten || e.dev_offset_bytes != w->dev_offset)
		return result_stop(w->result, "waiting", "moved",
				   "the file's page moved away from the bad block");
	if (e.shared)
		return result_stop(w->result, "failed", "shared",
				   "other files have the block, too, and nobody says which");
	if (target_changed_size(t))
		return result_stop(w->result, "waiting", "moved", "the file changed its size");
	return 0;
}

/* ---- salvage ---- */

static int read_page(struct rewrite *w, uint32_t bad_sectors, struct salvaged_page *ret)
{
	const struct target *t = &w->target;

	if (!t->dax && salvage_from_cache(t->fd, t->page_offset_bytes, t->length_bytes,
					  w->page.start_bytes, ret) > 0)
		return 0;
	return salvage_from_device(w->fs->bdev_fd, w->dev_offset, w->page.start_bytes, bad_sectors,
				   ret);
}

/*
 * A write that failed half way may have cleared sectors that it did not write: these can be read,
 * and hold nothing of the file.
 */
static int take_earlier_losses(struct rewrite *w)
{
	struct salvaged_page before;
	int r;

	r = record_write_failed(w->job->journal, w->page.start_bytes);
	if (r <= 0)
		return r;
	r = journal_get_salvage(w->job->journal, w->page.start_bytes, &before);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (uint32_t at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) {
		uint32_t bit = 1u << at / SECTOR_BYTES;

		if (!((before.bad_sectors | before.restored_sectors) & bit))
			continue;
		memcpy(w->saved.data + at, before.data + at, SECTOR_BYTES);
		w->saved.bad_sectors &= ~bit;
		w->saved.bad_sectors |= before.bad_sectors & bit;
		w->saved.restored_sectors |= before.restored_sectors & bit;
	}
	return 0;
}

int rewrite_salvage(struct rewrite *w)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	uint32_t length = w->target.length_bytes;
	int r;

	r = nvdimm_bad_within(w->job->map, w->page, &bad);
	if (r < 0)
		return r;
	if (!bad->n_ranges) /* to ask where it lies wrote a dirty page out, or its owner did */
		return result_stop(w->result, "done", NULL, "the page was written whole meanwhile");
	r = read_page(w, salvage_bad_sectors(bad, w->page.start_bytes), &w->found);
	if (r < 0)
		return r;

	w->saved = w->found;
	if (w->saved.bad_sectors) {
		r = take_earlier_losses(w);
		if (r < 0)
			return r;
		restore_merge(w->job->restored, &w->saved);
	}
	memset(w->saved.data + length, 0, PAGE_BYTES - length);
	return journal_put_salvage(w->job->journal, &w->saved, 1);
}

/* ---- reach ---- */

static struct reach reach_of(const struct rewrite *w)
{
	return (struct reach){
		.job = w->job,
		.fd = w->target.fd,
		.file_offset_bytes = w->target.page_offset_bytes,
		.page = w->page,
		.incident = w->in->phys,
	};
}

bool rewrite_is_out_of_reach(const struct rewrite *w)
{
	struct reach page = reach_of(w);
	uint8_t byte;

	return reach_is_needed(&page) && nvdimm_is_bad(w->job->map, w->page) == 0 &&
	       pread(w->target.fd, &byte, 1, (off_t)w->target.page_offset_bytes) < 0 &&
	       errno == EFAULT;
}

/* Who has it mapped may have asked for a signal when memory is taken out of use: not for our sake.
 */
static const struct holder *find_mapper(const struct rewrite *w)
{
	for (size_t i = 0; !w->leased && i < w->in->n_holders; i++)
		if (w->in->holders[i].maps)
			return &w->in->holders[i];
	return NULL;
}

int rewrite_reach(struct rewrite *w)
{
	const struct holder *mapper = find_mapper(w);
	struct reach page = reach_of(w);
	int r;

	if (!w->out_of_reach)
		return 0;
	if (mapper)
		return result_stop(
			w->result, "failed", "out-of-reach",
			"the kernel can't reach the page since a machine check, and can't "
			"be made to while process %d (%s) has it mapped",
			mapper->pid, mapper->comm);
	r = reach_page(&page);
	if (result_is_no_outcome(r))
		return r;
	if (r < 0)
		return result_stop(
			w->result, "failed", "out-of-reach",
			"the kernel can't reach the page since a machine check, and can't "
			"be made to (%s): nothing reads or writes it before the next boot",
			strerror(-r));
	w->out_of_reach = false;
	return 0;
}

/* ---- write ---- */

static int count_bad(const struct rewrite *w)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r = nvdimm_bad_within(w->job->map, w->page, &bad);

	if (r < 0)
		return r;
	return __builtin_popcount(salvage_bad_sectors(bad, w->page.start_bytes));
}

/* Is everything as it was when it was saved? 0, 1, or negative errno. */
static int last_look(struct rewrite *w)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct salvaged_page now;
	int r;

	r = rewrite_check_owner(w);
	if (r != 0)
		return r;
	r = nvdimm_bad_within(w->job->map, w->page, &bad);
	if (r < 0)
		return r;
	if (bad->n_ranges) {
		r = read_page(w, salvage_bad_sectors(bad, w->page.start_bytes), &now);
		if (r < 0)
			return r;
	}
	if (!bad->n_ranges || now.bad_sectors != w->found.bad_sectors ||
	    memcmp(now.data, w->found.data, PAGE_BYTES))
		return result_stop(w->result, "waiting", "moved",
				   "the page was changed while it was repaired");
	return 0;
}

/* Where to write: through the file, or at its end through the block device. */
struct way {
	int fd;
	uint64_t offset_bytes;
	bool past_cache; /* the file's fd, which must be told to go past the page cache */
};

static int open_way(const struct rewrite *w, struct way *ret)
{
	const struct target *t = &w->target;

	*ret = (struct way){ t->fd, t->page_offset_bytes, !t->dax };
	if (t->length_bytes == PAGE_BYTES)
		return 0;
	*ret = (struct way){ repair_fs_open_device(w->fs), w->dev_offset, false };
	return ret->fd < 0 ? ret->fd : 0;
}

static void close_way(const struct rewrite *w, struct way *way)
{
	if (way->fd != w->target.fd)
		close(way->fd);
}

static int set_direct(int fd, bool direct)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0 ? -errno : 0;
}

static int write_once(const struct way *way, const void *data)
{
	ssize_t n;
	int r;

	r = way->past_cache ? set_direct(way->fd, true) : 0;
	if (r < 0)
		return r;
	n = pwrite(way->fd, data, PAGE_BYTES, (off_t)way->offset_bytes);
	r = n < 0 ? -errno : n != PAGE_BYTES ? -EIO : 0;
	if (way->past_cache)
		set_direct(way->fd, false);
	if (r < 0)
		return r;
	return fsync(way->fd) < 0 ? -errno : 0;
}

static int write_whole(struct rewrite *w, const struct way *way)
{
	uint8_t page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
	int n_bad = count_bad(w), r = 0;

	memcpy(page, w->saved.data, PAGE_BYTES);
	for (unsigned i = 0; i < MAX_WRITES && n_bad > 0; i++) {
		int n_before = n_bad;

		r = write_once(way, page);
		n_bad = count_bad(w);
		if (r >= 0 || n_bad < 0 || n_bad >= n_before)
			break;
	}
	/* The last of several short clears leaves nothing on the lists, and nothing written. */
	if (r < 0 && n_bad == 0)
		r = write_once(way, page);
	return n_bad < 0 ? n_bad : r;
}

/*
 * Where the kernel may have dropped the page from its own map, a store that would fail through DAX
 * is an oops: so the block device is not written, nor a file without DAX on XFS. For ext4 the
 * kernel drops no page that nobody has mapped through DAX.
 */
static int check_way(struct rewrite *w)
{
	bool past_dax = !w->target.dax && strcmp(w->fs->filesystem, "ext4");

	if ((w->target.length_bytes == PAGE_BYTES && !past_dax) ||
	    mce_history_of(w->page) == MCE_NEVER)
		return 0;
	if (past_dax)
		return result_stop(w->result, "waiting", "machine-check",
				   "a page that a machine check has hit, or may have, is written "
				   "through DAX only, or after the next boot");
	return result_stop(w->result, "failed", "machine-check",
			   "the last page of a file is not written where a machine check has hit "
			   "it, or may have");
}

/* The time of modification tells of zeros, and of nothing else. */
static void settle_time(const struct rewrite *w, const struct stat *before)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };

	if (!salvage_lost_bytes(&w->saved, w->target.length_bytes))
		times[1] = before->st_mtim;
	futimens(w->target.fd, times);
}

static int write_on_record(struct rewrite *w, const struct way *way)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_write(&w->target,
									      &w->saved);
	int64_t intent;
	int r, written;

	r = detail ? journal_intent(w->job->journal, "write", detail, &intent) : -ENOMEM;
	if (r < 0)
		return r;
	r = last_look(w);
	written = r == 0 ? write_whole(w, way) : r < 0 ? r : -ECANCELED;
	if (journal_outcome(w->job->journal, intent, written, NULL) < 0)
		return -EREMOTEIO;
	if (r != 0)
		return r;
	w->out_of_reach = written == -EFAULT && rewrite_is_out_of_reach(w);
	if (w->out_of_reach)
		return 0;
	if (written == -EFAULT || written == -EIO)
		return result_stop(
			w->result, "failed", "clear-refused",
			"the platform does not clear the block (%s); the file is as it was",
			strerror(-written));
	return written;
}

int rewrite_write(struct rewrite *w)
{
	struct stat st;
	struct way way;
	int r;

	r = check_way(w);
	if (r != 0)
		return r;
	if (fstat(w->target.fd, &st) < 0)
		return -errno;
	r = open_way(w, &way);
	if (r == -EPERM || r == -EBUSY)
		return result_stop(w->result, "waiting", "busy",
				   "the last page of a file is written through the block device, "
				   "which nobody may while it is mounted");
	if (r < 0)
		return r;
	r = write_on_record(w, &way);
	close_way(w, &way);
	if (r != 0 || w->out_of_reach)
		return r;
	settle_time(w, &st);
	/* Where it can't be written, the ledger has it. */
	if (verdict_records_damage(w->job->policy, w->in, w->target.owner))
		damage_record(&w->target, &w->saved);
	fsync(w->target.fd);
	return 0;
}

/* ---- afterwards ---- */

int rewrite_verify(struct rewrite *w)
{
	int r;

	r = rewrite_check_owner(w);
	if (r != 0)
		return r;
	r = target_reads_as(&w->target, &w->saved);
	if (r <= 0)
		return result_stop(w->result, "failed", "read-back",
				   "inode %" PRIu64 " %s after the page was written",
				   w->target.owner->inode,
				   r < 0 ? "can't be read" : "reads otherwise");
	r = count_bad(w);
	if (r > 0)
		return result_stop(w->result, "failed", "clear-refused",
				   "the page was written, but it is still on the list");
	return r;
}
