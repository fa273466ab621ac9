// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap-swap: pin the bad blocks, save what is good of them, and give every owner good ones.
 *
 *   remap -> [remap-swap] -> store, salvage, target, extent
 *
 * In:   the targets, open, and their holders standing.
 * Out:  no owner but the quarantine has the bad blocks; every swap is on record with what it loses.
 *
 * Pin before salvage, never the other way round: what is stored between them would be lost
 * (measured).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
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
	struct range whole = { .length_bytes = m->pages.length_bytes };
	const struct target *t = &m->targets[0];
	struct extent e;
	int r;

	if (m->pinned)
		return 0;
	r = store_create_file(m->fs->store_fd, store_quarantine_name(m->in->number, m->held).text);
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
	r = extent_of(m->quarantine_fd, whole, &e);
	if (r < 0)
		return r;
	if (!e.mapped || e.dev_offset_bytes != m->dev_offset ||
	    e.length_bytes != whole.length_bytes)
		return result_stop(m->result, "waiting", "moved",
				   "the file's page moved away from the bad block");
	m->pinned = m->pinned_now = true;
	return 0;
}

static int save_from_cache(struct remap *m, uint32_t page, uint64_t phys_start)
{
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct target *t = &m->targets[i];
		uint64_t offset_bytes = t->page_offset_bytes + (uint64_t)page * PAGE_BYTES;

		if (!t->dax && salvage_from_cache(t->fd, offset_bytes, target_bytes_of(t, page),
						  phys_start, &m->saved[page]) > 0)
			return 1;
	}
	return 0;
}

/* 0 with m->saved[page]; 1: it is not bad any more; or negative errno. */
static int save_page(struct remap *m, const struct badblocks *bad, uint32_t page)
{
	uint64_t before_bytes = (uint64_t)page * PAGE_BYTES;
	uint64_t phys_start = m->pages.start_bytes + before_bytes;
	uint32_t bad_sectors = salvage_bad_sectors(bad, phys_start);
	int r;

	if (!bad_sectors)
		return 1;
	if (!save_from_cache(m, page, phys_start)) {
		r = salvage_from_device(m->fs->bdev_fd, m->dev_offset + before_bytes, phys_start,
					bad_sectors, &m->saved[page]);
		if (r < 0)
			return r;
	}
	restore_merge(m->job->restored, &m->saved[page]);
	return 0;
}

int remap_salvage(struct remap *m)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	if (m->have_saved)
		return 0;
	r = nvdimm_bad_within(m->job->map, m->pages, &bad);
	for (uint32_t i = 0; r == 0 && i < remap_n_pages(m); i++)
		r = save_page(m, bad, i);
	if (r > 0) /* the pin wrote a dirty page out, or an owner wrote it whole */
		return result_stop(m->result, "done", NULL, "the page was written whole meanwhile");
	if (r == 0)
		r = journal_put_salvage(m->job->journal, m->saved, remap_n_pages(m));
	m->have_saved = r == 0;
	return r;
}

/* ---- spare, swap ---- */

/*
 * On a volume of several pieces this may be the address of another block, and a list that is cut
 * may not come so far: then a good one is passed over, or a bad one found out by the write.
 */
static int lies_on_good_media(const struct remap *m, int fd)
{
	struct range whole = { .length_bytes = m->pages.length_bytes }, phys = whole;
	struct extent e;
	int r;

	r = extent_of(fd, whole, &e);
	if (r < 0)
		return r;
	if (!e.mapped)
		return -EIO;
	if (e.length_bytes != whole.length_bytes)
		return -ENOSPC; /* not in one piece */
	phys.start_bytes = m->fs->phys_of_fs + e.dev_offset_bytes;
	r = nvdimm_is_bad(m->job->map, phys);
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
static int take_good_blocks(struct remap *m, uint32_t length_bytes, int *ret_fd)
{
	for (unsigned attempt = 0; attempt < MAX_SPARES; attempt++) {
		_cleanup_(closep) int fd = -1;
		int r;

		fd = store_create_file(
			m->fs->store_fd,
			store_spare_name(m->in->number, m->pages.start_bytes, m->n_spares++).text);
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

/* The saved pages one behind the other, and room to read them back. NULL: out of memory. */
static uint8_t *assemble(const struct remap *m, uint8_t **ret_back)
{
	uint8_t *content = malloc(2 * m->pages.length_bytes);

	for (size_t i = 0; content && i < remap_n_pages(m); i++)
		memcpy(content + i * PAGE_BYTES, m->saved[i].data, PAGE_BYTES);
	*ret_back = content ? content + m->pages.length_bytes : NULL;
	return content;
}

static int write_and_check(int fd, const uint8_t *content, uint8_t *back, uint32_t length_bytes)
{
	ssize_t n = pwrite(fd, content, length_bytes, 0);

	if (n < 0 || fsync(fd) < 0)
		return -errno;
	if (n != (ssize_t)length_bytes || pread(fd, back, length_bytes, 0) != n ||
	    memcmp(back, content, length_bytes))
		return -EIO;
	return 0;
}

static int make_spare(struct remap *m, uint32_t length_bytes, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) uint8_t *content = NULL;
	uint8_t *back;
	int r;

	content = assemble(m, &back);
	if (!content)
		return -ENOMEM;
	r = take_good_blocks(m, length_bytes, &fd);
	if (r >= 0)
		r = write_and_check(fd, content, back, length_bytes);
	if (r < 0)
		return r;
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

static uint64_t lost_bytes(const struct remap *m, const struct target *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n_pages; i++)
		n += salvage_lost_bytes(&m->saved[i], target_bytes_of(t, i));
	return n;
}

/*
 * Before 6.2, XFS loads a file that shares or has shared blocks without DAX, whatever the mount
 * says, and lets it share nothing with our new ones, which have DAX. That meets each owner whose
 * remap a reset cut off: the pin shared its block. As the quarantine has the block too, a write
 * through the page cache goes to another one.
 */
static int write_elsewhere(struct remap *m, const struct target *t)
{
	ssize_t n = pwrite(t->fd, m->saved->data, t->length_bytes, (off_t)t->page_offset_bytes);
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
	if (r == -EINVAL && !t->dax && t->n_pages == 1)
		r = write_elsewhere(m, t);
	if (r >= 0 && !lost_bytes(m, t))
		futimens(t->fd, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, st.st_mtim });
	/* Before the sync that makes both durable; where it can't be written, the ledger has it. */
	if (r >= 0 && verdict_records_damage(m->job->policy, m->in, t->owner))
		damage_record(t, m->saved);
	if (r >= 0 && fsync(t->fd) < 0)
		r = -errno;
	return r;
}

static int note_swap(struct remap *m, int64_t intent, int result, struct json_object *outcome)
{
	m->n_swapped += result == 0;
	return journal_outcome(m->job->journal, intent, result, outcome);
}

/* A clone that fails can have been made for some of the pages. */
static int share_on_record(struct remap *m, const struct target *t, int spare_fd, int64_t intent)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;
	int r = share_spare(m, t, spare_fd);

	if (r < 0)
		outcome = record_swapped(t, m->pages.start_bytes, m->dev_offset);
	if (note_swap(m, intent, outcome ? 0 : r, outcome) < 0)
		return -EREMOTEIO;
	return r;
}

static int swap_one(struct remap *m, const struct target *t, int spare_fd)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int64_t intent;
	int r;

	detail = record_swap(t, m->saved);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(m->job->journal, "swap", detail, &intent);
	if (r < 0)
		return r;

	/* Asked again at the last moment: the page may have been cut off or written anew. */
	r = target_is_on(t, m->dev_offset);
	if (r > 0 && target_changed_size(t))
		r = -ESTALE;
	if (r > 0)
		return share_on_record(m, t, spare_fd, intent);
	if (r == 0)
		r = -EAGAIN; /* its data is elsewhere by now: nothing of it was lost by us */
	if (note_swap(m, intent, r, NULL) < 0)
		return -EREMOTEIO;
	/* Of several pages some may be there still. */
	return r == -EAGAIN && t->n_pages == 1 ? 0 : r;
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
		int r = target_reads_as(&m->targets[i], m->saved);

		if (r < 0)
			return result_stop(m->result, "failed", "read-back",
					   "inode %" PRIu64 " can't be read after the swap: %s",
					   m->targets[i].owner->inode, strerror(-r));
	}
	return 0;
}
