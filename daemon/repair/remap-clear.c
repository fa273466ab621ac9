// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap-clear: make the driver clear the quarantined block, by a whole-page write of its only
 * owner.
 *
 *   remap -> [remap-clear]
 *
 * In:   a quarantine that holds the bad block, which nobody else has.
 * Out:  clean media, by the lists as they are read after it; or the block stays where it is, and we
 * say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/owners.h"
#include "repair/plan.h"
#include "repair/reach.h"
#include "repair/record.h"
#include "repair/remap-private.h"
#include "repair/salvage.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

/* A short clear makes progress each time it is repeated, a refusal does not: bounded all the same.
 */
#define MAX_CLEAR_ATTEMPTS 16

/* 1: the quarantine alone owns the blocks; 0: somebody else does too. */
static int sole_owner(struct remap *m)
{
	_cleanup_(incident_freep) struct incident *now = incident_new(m->pages, 0);
	struct stat st;
	int r;

	if (!now)
		return -ENOMEM;
	if (fstat(m->quarantine_fd, &st) < 0)
		return -errno;
	r = owners_ask_fsmap(m->fs->root_fd, m->fs->phys_of_fs, m->pages, now);
	if (r < 0)
		return r;
	for (size_t i = 0; i < now->n_owners; i++)
		if (now->owners[i].kind != OWNER_FILE_DATA || now->owners[i].inode != st.st_ino)
			return 0;
	return now->n_owners > 0 && now->owners_complete;
}

static int write_whole(struct remap *m)
{
	static uint8_t zeros[PLAN_MAX_TOGETHER * PAGE_BYTES]; /* not const: it takes no room so */
	size_t n_bytes = m->pages.length_bytes;
	off_t at = (off_t)remap_quarantine_offset(m);
	ssize_t n = pwrite(m->quarantine_fd, zeros, n_bytes, at);

	/* Inside a preallocation that an earlier copy on write left, the first try fails and
	 * cancels it. */
	if (n < 0 && errno == EIO)
		n = pwrite(m->quarantine_fd, zeros, n_bytes, at);
	if (n < 0)
		return -errno;
	if (fsync(m->quarantine_fd) < 0)
		return -errno;
	return n == (ssize_t)n_bytes ? 0 : -EIO;
}

/* Sectors. */
static int count_bad(struct remap *m)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r = nvdimm_bad_within(m->job->map, m->pages, &bad), n = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < remap_n_pages(m); i++)
		n += __builtin_popcount(
			salvage_bad_sectors(bad, m->pages.start_bytes + i * PAGE_BYTES));
	return n;
}

/*
 * The lists alone do not prove it: after a machine check on a page that nobody had mapped, the
 * clear empties them, and the kernel still can't reach the page (measured). So a write must have
 * gone through, also where an earlier attempt left nothing on the lists.
 */
static int clear_media(struct remap *m)
{
	int n_bad = count_bad(m), r = 0;

	if (n_bad < 0)
		return n_bad;

	for (unsigned attempt = 0; attempt < MAX_CLEAR_ATTEMPTS; attempt++) {
		int n_before = n_bad;

		r = write_whole(m);
		n_bad = count_bad(m);
		if (n_bad < 0)
			return n_bad;
		if ((r == 0 && n_bad == 0) || n_bad >= n_before)
			break;
	}
	return n_bad > 0 && r == 0 ? -EIO : r;
}

static int clear_on_record(struct remap *m, int *ret_failed)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(m->pages);
	int64_t intent;
	int r;

	r = detail ? journal_intent(m->job->journal, "clear", detail, &intent) : -ENOMEM;
	if (r < 0)
		return r;
	*ret_failed = clear_media(m);
	return journal_outcome(m->job->journal, intent, *ret_failed, NULL);
}

/* ---- a block that the kernel can't reach ---- */

/* Only through DAX is a store that can't reach it an error. Where there is a page cache it is an
 * oops, and so is a read. */
static int check_way(struct remap *m)
{
	int r;

	if (mce_history_of(m->pages) == MCE_NEVER)
		return 0;
	r = reach_has_dax(m->quarantine_fd);
	if (r != 0)
		return r < 0 ? r : 0;
	return result_stop(
		m->result, "waiting", "machine-check",
		"the files are whole again, but without DAX a block that a machine check "
		"has hit, or may have, is written after the next boot only; it stays in "
		"quarantine");
}

static bool reads_as_zeros(const struct remap *m)
{
	static const uint8_t zeros[PAGE_BYTES];
	uint8_t page[PAGE_BYTES];

	return pread(m->quarantine_fd, page, sizeof(page), (off_t)remap_quarantine_offset(m)) ==
		       sizeof(page) &&
	       !memcmp(page, zeros, sizeof(page));
}

/* Where it is the kernel and not the platform that failed, make it reach the block, and clear once
 * more. *failed is what came of the clear. */
static int clear_out_of_reach(struct remap *m, int *failed)
{
	struct reach page = {
		.job = m->job,
		.fd = m->quarantine_fd,
		.file_offset_bytes = remap_quarantine_offset(m),
		.page = m->pages,
		.incident = m->in->phys,
	};
	int r;

	if (*failed != -EFAULT || remap_n_pages(m) > 1 || count_bad(m) != 0 ||
	    !reach_is_needed(&page))
		return 0;
	r = reach_page(&page);
	if (result_is_no_outcome(r))
		return r;
	if (r < 0)
		return result_stop(
			m->result, "failed", "clear-refused",
			"the files are whole again, but the kernel can't reach the block "
			"since a machine check, and can't be made to (%s); it stays in "
			"quarantine",
			strerror(-r));
	r = clear_on_record(m, failed);
	if (r >= 0 && *failed >= 0 && !reads_as_zeros(m))
		*failed = -EIO;
	return r;
}

int remap_clear(struct remap *m)
{
	int r, failed;

	r = check_way(m);
	if (r != 0)
		return r;
	r = sole_owner(m);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(m->result, "waiting", "moved",
				   "the block has an owner that it did not have before");

	r = clear_on_record(m, &failed);
	if (r == 0 && failed < 0)
		r = clear_out_of_reach(m, &failed);
	if (r != 0)
		return r;
	if (failed < 0)
		return result_stop(m->result, "failed", "clear-refused",
				   "the files are whole again, but the platform does not clear the "
				   "block (%s); "
				   "it stays in quarantine",
				   strerror(-failed));
	return 0;
}
