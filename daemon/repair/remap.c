// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * remap: see remap.h.
 *
 *   repair -> [remap] -> store, salvage, pause, target
 *
 * Read remap_page() first: it is the protocol. Each step looks at what an earlier, cut off attempt
 * left (quarantine file, salvage in the ledger, owners already swapped) and goes on from there, so
 * running it again is always right.
 *
 * Until the first swap nothing is changed that letting go of the quarantine would not undo. After
 * it, the quarantine and the salvaged bytes in the ledger stay until the end is reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "holders/holders.h"
#include "owners/owners.h"
#include "repair/extent.h"
#include "repair/pause.h"
#include "repair/record.h"
#include "repair/remap.h"
#include "repair/salvage.h"
#include "repair/store.h"
#include "repair/target.h"
#include "source/nvdimm.h"

/* A short clear makes progress each time it is repeated, a refusal does not: bounded all the same.
 */
#define MAX_CLEAR_ATTEMPTS 16

struct remap {
	const struct repair_job *job;
	const struct repair_fs *fs;
	struct incident *in;
	struct range page; /* physical */
	uint64_t dev_offset; /* of the page on the filesystem's block device */
	struct target *targets;
	size_t n_targets;
	int quarantine_fd; /* -1: there is none */
	bool pinned; /* the quarantine's block is the page */
	bool pinned_now; /* by this run, not by one that was cut off */
	struct salvaged_page saved;
	bool have_saved;
	int64_t intent; /* "remap", 0: not begun */
	struct paused paused;
	int64_t pause_intent;
	unsigned n_spares;
	struct page_result *result;
};

/* ---- what is there already ---- */

static struct store_name quarantine_name(const struct remap *m)
{
	return store_quarantine_name(m->in->number, m->page.start_bytes);
}

static int find_quarantine(struct remap *m)
{
	struct extent e;
	int r;

	r = store_open_file(m->fs->store_fd, quarantine_name(m).text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	m->quarantine_fd = r;
	r = extent_of_page(m->quarantine_fd, 0, &e);
	if (r < 0)
		return r;
	m->pinned = e.mapped && e.dev_offset_bytes == m->dev_offset;
	return 0;
}

static int find_saved(struct remap *m)
{
	int r;

	/* Without the pin, an owner may have stored to the block since: what was saved then is
	 * stale. */
	if (!m->pinned)
		return 0;
	r = journal_get_salvage(m->job->journal, m->page.start_bytes, &m->saved);
	if (r == -ENOENT)
		return 0;
	m->have_saved = r >= 0;
	return r;
}

static void let_go(struct remap *m)
{
	if (m->quarantine_fd >= 0)
		close(TAKE_FD(m->quarantine_fd));
	store_remove_file(m->fs->store_fd, quarantine_name(m).text);
	m->pinned = false;
}

/* ---- owners ---- */

static bool is_target(const struct remap *m, const struct owner *owner)
{
	return owner->kind == OWNER_FILE_DATA && owner->dev == m->fs->dev &&
	       owner->phys_start >= m->page.start_bytes && owner->phys_start < range_end(m->page) &&
	       !record_is_in_store(owner);
}

static int open_targets(struct remap *m)
{
	const char *reason;
	int r;

	m->targets = calloc(m->in->n_owners + 1, sizeof(*m->targets));
	if (!m->targets)
		return -ENOMEM;
	for (size_t i = 0; i < m->in->n_owners; i++) {
		const struct owner *owner = &m->in->owners[i];

		if (!is_target(m, owner))
			continue;
		r = target_open(m->fs->root_fd, m->fs->filesystem, owner, m->page.start_bytes,
				&m->targets[m->n_targets], &reason);
		if (r < 0)
			return result_stop(m->result, "waiting", reason,
					   "inode %" PRIu64 " can't be opened for writing: %s",
					   owner->inode, strerror(-r));
		m->n_targets++;
	}
	return 0;
}

static int begin(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_page(m->page.start_bytes);
	struct json_object *owners;

	if (!detail)
		return -ENOMEM;
	owners = json_object_new_array();
	for (size_t i = 0; i < m->n_targets; i++)
		json_object_array_add(owners, target_to_json(&m->targets[i]));
	json_object_object_add(detail, "owners", owners);
	return journal_intent(m->job->journal, "remap", detail, &m->intent);
}

/* ---- stop ---- */

static const struct holder *find_holder(const struct incident *in, pid_t pid)
{
	for (size_t i = 0; i < in->n_holders; i++)
		if (in->holders[i].pid == pid)
			return &in->holders[i];
	return NULL;
}

static int check_pausable(struct remap *m)
{
	for (size_t i = 0; i < m->paused.n; i++) {
		const struct holder *holder = find_holder(m->in, m->paused.all[i].pid);
		const char *why = pause_refusal(m->job->policy, m->in, holder);

		if (why)
			return result_stop(m->result, "waiting", "held",
					   "process %d (%s) holds the page and is not paused: %s",
					   holder->pid, holder->comm, why);
	}
	return 0;
}

static int stop_writers(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int r;

	r = pause_candidates(m->job->proc_fd, m->in, &m->paused);
	if (r < 0 || !m->paused.n)
		return r;
	r = check_pausable(m);
	if (r != 0)
		return r;

	detail = pause_to_json(&m->paused);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(m->job->journal, "pause", detail, &m->pause_intent);
	if (r < 0)
		return r;
	r = pause_stop(m->job->proc_fd, &m->paused);
	if (r == -EBUSY)
		return result_stop(
			m->result, "waiting", "held",
			"a process that could touch the page did not stop within a second");
	return r;
}

static int continue_writers(struct remap *m, int result)
{
	int64_t intent = m->pause_intent;

	pause_continue(&m->paused);
	m->pause_intent = 0;
	return intent ? journal_outcome(m->job->journal, intent, result, NULL) : 0;
}

/* ---- pin, salvage ---- */

static int pin(struct remap *m)
{
	const struct target *t = &m->targets[0];
	struct extent e;
	int r;

	if (m->pinned)
		return 0;
	if (m->quarantine_fd >= 0)
		let_go(m); /* of a block that is not, or no longer, the page */

	r = store_create_file(m->fs->store_fd, quarantine_name(m).text);
	if (r < 0)
		return r;
	m->quarantine_fd = r;
	r = extent_share(t->fd, t->page_offset_bytes, t->length_bytes, m->quarantine_fd, 0);
	if (r == -EOPNOTSUPP)
		return result_stop(m->result, "waiting", "no-reflink",
				   "the filesystem can't share extents");
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

static int salvage(struct remap *m)
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
	r = journal_put_salvage(m->job->journal, &m->saved);
	if (r < 0)
		return r;
	m->have_saved = true;
	return 0;
}

/* ---- spare, swap ---- */

static int make_spare(struct remap *m, uint32_t length_bytes, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	uint8_t back[PAGE_BYTES];

	fd = store_create_file(
		m->fs->store_fd,
		store_spare_name(m->in->number, m->page.start_bytes, m->n_spares++).text);
	if (fd < 0)
		return fd;
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
		r = extent_share(spare_fd, 0, t->length_bytes, t->fd, t->page_offset_bytes);
		if (r >= 0 && fsync(t->fd) < 0)
			r = -errno;
	} else if (r == 0) {
		r = -EAGAIN; /* its data is elsewhere by now: nothing of it was lost by us */
	}
	if (journal_outcome(m->job->journal, intent, r, NULL) < 0)
		return -EREMOTEIO;
	return r == -EAGAIN ? 0 : r;
}

static int swap_all(struct remap *m)
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

static int read_back(struct remap *m)
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

/* ---- clear ---- */

/* 1: the quarantine alone owns the block; 0: somebody else does too. */
static int sole_owner(struct remap *m)
{
	_cleanup_(incident_freep) struct incident *now = incident_new(m->page, 0);
	struct stat st;
	int r;

	if (!now)
		return -ENOMEM;
	if (fstat(m->quarantine_fd, &st) < 0)
		return -errno;
	r = owners_ask_fsmap(m->fs->root_fd, m->fs->phys_of_fs, m->page, now);
	if (r < 0)
		return r;
	return now->n_owners == 1 && now->owners[0].kind == OWNER_FILE_DATA &&
	       now->owners[0].inode == st.st_ino;
}

static int write_whole(int fd)
{
	static const uint8_t zeros[PAGE_BYTES];
	ssize_t n = pwrite(fd, zeros, sizeof(zeros), 0);

	/* Inside a preallocation that an earlier copy on write left, the first try fails and
	 * cancels it. */
	if (n < 0 && errno == EIO)
		n = pwrite(fd, zeros, sizeof(zeros), 0);
	if (n < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int count_bad(struct remap *m)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r = nvdimm_bad_within(m->job->map, m->page, &bad);

	if (r < 0)
		return r;
	return __builtin_popcount(salvage_bad_sectors(bad, m->page.start_bytes));
}

static int clear_media(struct remap *m)
{
	int n_bad = count_bad(m), r = 0;

	for (unsigned attempt = 0; n_bad > 0 && attempt < MAX_CLEAR_ATTEMPTS; attempt++) {
		int n_before = n_bad;

		r = write_whole(m->quarantine_fd);
		n_bad = count_bad(m);
		if (n_bad >= n_before)
			break;
	}
	if (n_bad < 0)
		return n_bad;
	if (n_bad > 0)
		return r < 0 ? r : -EIO;
	return 0;
}

static int clear(struct remap *m)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_page(m->page.start_bytes);
	int64_t intent;
	int r, failed;

	r = sole_owner(m);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(m->result, "waiting", "moved",
				   "the block has an owner that it did not have before");

	r = journal_intent(m->job->journal, "clear", detail, &intent);
	if (r < 0)
		return r;
	failed = clear_media(m);
	r = journal_outcome(m->job->journal, intent, failed, NULL);
	if (r < 0)
		return r;
	if (failed < 0)
		return result_stop(m->result, "failed", "clear-refused",
				   "the files are whole again, but the platform does not clear the "
				   "block (%s); "
				   "it stays in quarantine",
				   strerror(-failed));
	return 0;
}

/* ---- the protocol ---- */

static int give_owners_a_good_block(struct remap *m)
{
	int r;

	r = stop_writers(m);
	if (r != 0)
		return r;
	r = pin(m);
	if (r != 0)
		return r;
	r = salvage(m);
	if (r != 0)
		return r;
	r = swap_all(m);
	if (r != 0)
		return r;
	return read_back(m);
}

/* Between pin and swap an error changes nothing yet: say which, and let the block go again. */
static int explain_error(struct remap *m, int r)
{
	switch (r) {
	case -EPIPE:
	case -ENOMEM:
	case -EREMOTEIO:
		return r; /* not an outcome: nobody would hear of it */
	case -ENOSPC:
	case -EDQUOT:
		return result_stop(m->result, "waiting", "no-space",
				   "the filesystem has no room for the spare page");
	case -EROFS:
		return result_stop(m->result, "waiting", "read-only",
				   "the filesystem is read-only");
	case -ESTALE:
		return result_stop(m->result, "waiting", "moved",
				   "the file changed while it was repaired");
	default:
		return result_stop(m->result, "failed", "io-error",
				   "the filesystem gave an error: %s", strerror(-r));
	}
}

static int run(struct remap *m)
{
	int r;

	r = find_quarantine(m);
	if (r < 0)
		return r;
	r = find_saved(m);
	if (r < 0)
		return r;
	/* Spares of an attempt that was cut off are in the way, or have done their work. */
	store_remove_spares(m->fs->store_fd, m->in->number, m->page.start_bytes);
	r = record_close_cut_off(m->job->journal, m->fs->root_fd, m->fs->filesystem,
				 m->page.start_bytes, m->dev_offset);
	if (r < 0)
		return r;
	if (!m->pinned) {
		r = nvdimm_is_bad(m->job->map, m->page);
		if (r < 0)
			return r;
		if (r == 0)
			return result_stop(m->result, "done", NULL, "%s", "");
	}
	r = open_targets(m);
	if (r != 0)
		return r;
	if (!m->n_targets && !m->pinned)
		return result_stop(m->result, "waiting", "moved", "no file has the block any more");
	r = begin(m);
	if (r < 0)
		return r;

	if (m->n_targets) {
		r = give_owners_a_good_block(m);
		store_remove_spares(m->fs->store_fd, m->in->number, m->page.start_bytes);
		continue_writers(m, r < 0 ? r : 0);
		if (r < 0)
			r = explain_error(m, r);
		if (r != 0)
			return r;
	}
	return clear(m);
}

/*
 * Put the outcome on record. A block that nobody was swapped away from goes back to where it was: a
 * pinned page can't be healed by its owner.
 */
static int finish(struct remap *m, int r)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;
	int n_swaps;

	if (r < 0 && !m->pinned_now)
		return r;
	n_swaps = record_losses(m->job->journal, m->page.start_bytes, m->in,
				&m->result->zeroed_bytes, &m->result->salvaged_bytes);
	if (r == 0)
		m->result->state = "done";
	if (r == 0 || (m->quarantine_fd >= 0 && n_swaps == 0))
		let_go(m);
	if (r < 0 || n_swaps < 0)
		return r < 0 ? r : n_swaps;

	if (!m->intent)
		return 0;
	outcome = record_result(m->result);
	if (!outcome)
		return -ENOMEM;
	return journal_outcome(m->job->journal, m->intent, 0, outcome);
}

static void done(struct remap *m)
{
	for (size_t i = 0; i < m->n_targets; i++)
		target_close(&m->targets[i]);
	free(m->targets);
	if (m->quarantine_fd >= 0)
		close(m->quarantine_fd);
	pause_done(&m->paused);
}

int remap_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret)
{
	struct remap m = {
		.job = job,
		.fs = fs,
		.in = in,
		.page = { phys_start, PAGE_BYTES },
		.dev_offset = phys_start - fs->phys_of_fs,
		.quarantine_fd = -1,
		.result = ret,
	};
	int r;

	*ret = (struct page_result){ 0 };
	r = finish(&m, run(&m));
	done(&m);
	return r;
}
