// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap-swap: pin the bad block, save what is good of it, and give every owner a good one.
 *
 *   remap -> [remap-swap] -> store, salvage, target, extent
 *
 * In:   the targets, open, and their holders standing.
 * Out:  no owner but the quarantine has the bad block; every swap is on record with what it loses.
 *
 * Pin before salvage, never the other way round: what is stored between them would be lost
 * (measured).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/verdict.h"
#include "repair/damage.h"
#include "repair/extent.h"
#include "repair/record.h"
#include "repair/remap-private.h"
#include "repair/restore.h"
#include "repair/salvage.h"
#include "repair/store.h"
#include "source/nvdimm.h"

#define MAX_SPARES 12u /* for one good block: 16 MiB in a row may be bad */

/* ---- pin, salvage ---- */

int remap_pin(struct remap *m)
{
	const struct target *t = &m->targets[0];
	struct extent e;
	int r;

	if (m->pinned)
		return 0;
	if (m->quarantine_fd >= 0)
		remap_let_go(m); /* of a block that is not, or no longer, the page */

	r = store_create_file(m->fs->store_fd,
			      store_quarantine_name(m->in->number, m->page.start_bytes).text);
	if (r < 0)
		return r;
	m->quarantine_fd = r;
	r = extent_share(t->fd, t->page_offset_bytes, t->length_bytes, m->quarantine_fd, 0);
	if (r == -EOPNOTSUPP)
		return result_stop(m->result, "waiting", "no-reflink",
				   "the filesystem can't share extents");
	if (r == -EINVAL && !t->dax)
		return result_stop(m->result, "waiting", "not-dax",
				   "inode %" PRIu64
				   " was shared before it was loaded, so this kernel "
				   "has it without DAX, and new files with: they share no blocks",
				   t->owner->inode);
	if (r == -ETXTBSY)
		return result_stop(m->result, "waiting", "swap-file",
				   "inode %" PRIu64 " is an active swap file", t->owner->inode);
	if (r < 0)
		return r;
	if (fsync(m->quarantine_fd) < 0 || fsync(m->fs->store_fd) < 0)
		return -errno;
	r = extent_of_page(m->quarantine_fd, 0, &e);
	if (r < 0)
		return r;
	if (!e.mapped || e.dev_offset_bytes != m->dev_offset)
		return result_stop(m->result, "waiting", "moved",
				   "the file's page moved away from the bad block");
	m->pinned = m->pinned_now = true;
	return 0;
}

static int save_from_cache(struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct target *t = &m->targets[i];

		if (!t->dax && salvage_from_cache(t->fd, t->page_offset_bytes, t->length_bytes,
						  m->page.start_bytes, &m->saved) > 0)
			return 1;
	}
	return 0;
}

int remap_salvage(struct remap *m)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	if (m->have_saved)
		return 0;
	r = nvdimm_bad_within(m->job->map, m->page, &bad);
	if (r < 0)
		return r;
	if (!bad->n_ranges) /* the pin wrote a dirty page out, or an owner wrote it whole */
		return result_stop(m->result, "done", NULL, "the page was written whole meanwhile");

	if (!save_from_cache(m)) {
		r = salvage_from_device(m->fs->bdev_fd, m->dev_offset, m->page.start_bytes,
					salvage_bad_sectors(bad, m->page.start_bytes), &m->saved);
		if (r < 0)
			return r;
	}
	restore_merge(m->job->restored, &m->saved);
	r = journal_put_salvage(m->job->journal, &m->saved);
	if (r < 0)
		return r;
	m->have_saved = true;
	return 0;
}

/* ---- spare, swap ---- */

/*
 * On a volume of several pieces this may be the address of another block, and a list that is cut
 * may not come so far: then a good one is passed over, or a bad one found out by the write.
 */
static int lies_on_good_media(const struct remap *m, int fd)
{
	struct range page = { .length_bytes = PAGE_BYTES };
	struct extent e;
	int r;

	r = extent_of_page(fd, 0, &e);
	if (r < 0)
		return r;
	if (!e.mapped)
		return -EIO;
	page.start_bytes = m->fs->phys_of_fs + e.dev_offset_bytes;
	r = nvdimm_is_bad(m->job->map, page);
	if (r == -ENODEV || r == -EOVERFLOW)
		return 1;
	return r < 0 ? r : !r;
}

/*
 * Free space may be bad, too, and the filesystem does not know. XFS with DAX zeroes a block that it
 * gives away, in the middle of a transaction: if the platform does not clear it, the filesystem
 * shuts down (measured). So take room without a write, and look where it lies. A spare that got a
 * bad block holds it, and ever more of its neighbours, until all spares are removed.
 */
static int take_good_block(struct remap *m, uint32_t length_bytes, int *ret_fd)
{
	for (unsigned attempt = 0; attempt < MAX_SPARES; attempt++) {
		_cleanup_(closep) int fd = -1;
		int r;

		fd = store_create_file(
			m->fs->store_fd,
			store_spare_name(m->in->number, m->page.start_bytes, m->n_spares++).text);
		if (fd < 0)
			return fd;
		if (fallocate(fd, 0, 0, length_bytes) < 0)
			return -errno;
		r = lies_on_good_media(m, fd);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		/* As much as there is. */
		if (fallocate(fd, 0, 0, (off_t)PAGE_BYTES << attempt) < 0 && errno != ENOSPC &&
		    errno != EDQUOT)
			return -errno;
	}
	return -ENOSPC;
}

static int make_spare(struct remap *m, uint32_t length_bytes, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	uint8_t back[PAGE_BYTES];
	int r;

	r = take_good_block(m, length_bytes, &fd);
	if (r < 0)
		return r;
	if (pwrite(fd, m->saved.data, length_bytes, 0) != (ssize_t)length_bytes || fsync(fd) < 0)
		return errno ? -errno : -EIO;
	if (pread(fd, back, length_bytes, 0) != (ssize_t)length_bytes ||
	    memcmp(back, m->saved.data, length_bytes))
		return -EIO;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * Two mapped files on one DAX block make 6.1 warn and leave stale mappings behind a later copy on
 * write: where somebody maps the page and it has several owners, each owner gets a block of its
 * own.
 */
static bool may_share_spare(const struct remap *m)
{
	for (size_t i = 0; i < m->in->n_holders; i++)
		if (m->in->holders[i].maps)
			return false;
	return true;
}

/*
 * Before 6.2, XFS loads a file that shares or has shared blocks without DAX, whatever the mount
 * says, and lets it share nothing with our new ones, which have DAX. That meets each owner whose
 * remap a reset cut off: the pin shared its block. As the quarantine has the block too, a write
 * through the page cache goes to another one.
 */
static int write_elsewhere(struct remap *m, const struct target *t)
{
	ssize_t n = pwrite(t->fd, m->saved.data, t->length_bytes, (off_t)t->page_offset_bytes);
	int r;

	if (n < 0 || fsync(t->fd) < 0)
		return -errno;
	if (n != (ssize_t)t->length_bytes)
		return -EIO;
	r = target_is_on(t, m->dev_offset);
	return r > 0 ? -EIO : r;
}

/*
 * A clone sets the time of modification. Where every byte is what it was, it is put back: a replica
 * that goes by it is as good as before. Where there are zeros now, a backup shall see that.
 */
static int share_spare(struct remap *m, const struct target *t, int spare_fd)
{
	struct stat st;
	int r;

	if (fstat(t->fd, &st) < 0)
		return -errno;
	r = extent_share(spare_fd, 0, t->length_bytes, t->fd, t->page_offset_bytes);
	if (r == -EINVAL && !t->dax)
		r = write_elsewhere(m, t);
	if (r >= 0 && !salvage_lost_bytes(&m->saved, t->length_bytes))
		futimens(t->fd, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, st.st_mtim });
	/* Before the sync that makes both durable; where it can't be written, the ledger has it. */
	if (r >= 0 && verdict_records_damage(m->job->policy, m->in, t->owner))
		damage_record(t, &m->saved);
	if (r >= 0 && fsync(t->fd) < 0)
		r = -errno;
	return r;
}

static int swap_one(struct remap *m, const struct target *t, int spare_fd)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int64_t intent;
	int r;

	detail = record_swap(t, &m->saved);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(m->job->journal, "swap", detail, &intent);
	if (r < 0)
		return r;

	/* Asked again at the last moment: the page may have been cut off or written anew. */
	r = target_is_on(t, m->dev_offset);
	if (r > 0 && target_changed_size(t))
		r = -ESTALE;
	if (r > 0) {
		r = share_spare(m, t, spare_fd);
	} else if (r == 0) {
		r = -EAGAIN; /* its data is elsewhere by now: nothing of it was lost by us */
	}
	if (journal_outcome(m->job->journal, intent, r, NULL) < 0)
		return -EREMOTEIO;
	return r == -EAGAIN ? 0 : r;
}

int remap_swap(struct remap *m)
{
	_cleanup_(closep) int shared_fd = -1;
	uint32_t shared_length = 0;
	bool share = may_share_spare(m);
	int r;

	for (size_t i = 0; i < m->n_targets; i++) {
		const struct target *t = &m->targets[i];

		if (shared_fd >= 0 && (!share || shared_length != t->length_bytes))
			close(TAKE_FD(shared_fd));
		if (shared_fd < 0) {
			r = make_spare(m, t->length_bytes, &shared_fd);
			if (r < 0)
				return r;
			shared_length = t->length_bytes;
		}
		r = swap_one(m, t, shared_fd);
		if (r < 0)
			return r;
	}
	return 0;
}

int remap_read_back(struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++) {
		int r = target_reads_as(&m->targets[i], &m->saved);

		if (r < 0)
			return result_stop(m->result, "failed", "read-back",
					   "inode %" PRIu64 " can't be read after the swap: %s",
					   m->targets[i].owner->inode, strerror(-r));
	}
	return 0;
}
