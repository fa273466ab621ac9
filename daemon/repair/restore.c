// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * restore: see restore.h.
 *
 *   repair -> [restore] -> respond/hook; the bytes go to remap and rewrite by way of the salvage
 *
 * What is lost is foretold from the lists here, since the page is pinned and read later: a sector
 * that turns out to be unreadable only then was not asked for, and becomes zeros.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <linux/posix_acl_xattr.h>

#include "json-fields.h"
#include "owners/handle.h"
#include "policy/verdict.h"
#include "repair/ready.h"
#include "repair/record.h"
#include "repair/restore-private.h"
#include "repair/salvage.h"
#include "respond/hook.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

#define PAGE_SECTORS (PAGE_BYTES / SECTOR_BYTES)
#define ALL_SECTORS  ((1u << PAGE_SECTORS) - 1)

/* Of the kernel's posix_acl.h, which it does not export. */
#define ACL_USER_OBJ  0x01
#define ACL_USER      0x02
#define ACL_GROUP_OBJ 0x04
#define ACL_MASK      0x10
#define ACL_OTHER     0x20

struct restore *restore_free(struct restore *r)
{
	if (!r)
		return NULL;
	free(r->runs);
	free(r->waiting);
	free(r);
	return NULL;
}

/* ---- what is lost ---- */

/* How many bytes of this page the longest of its files has. 0: none, or none that is there still.
 */
static uint32_t bytes_in_files(const struct repair_fs *fs, const struct incident *in,
			       uint64_t phys_start)
{
	struct range page = { phys_start, PAGE_BYTES };
	uint32_t most = 0;

	for (size_t i = 0; i < in->n_owners && most < PAGE_BYTES; i++) {
		const struct owner *owner = &in->owners[i];
		uint64_t at = owner->file_offset_bytes + phys_start - owner->phys_start;
		_cleanup_(closep) int fd = -1;
		struct stat st;

		if (!record_is_target(owner, fs->dev, page))
			continue;
		fd = handle_open(fs->root_fd, fs->filesystem, owner->inode, owner->generation,
				 O_PATH | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size <= at)
			continue;
		if ((uint64_t)st.st_size - at >= PAGE_BYTES)
			return PAGE_BYTES;
		if ((uint64_t)st.st_size - at > most)
			most = (uint32_t)((uint64_t)st.st_size - at);
	}
	return most;
}

static bool is_pinned(const struct incident *in, uint64_t phys_start)
{
	struct range page = { phys_start, PAGE_BYTES };

	for (size_t i = 0; i < in->n_owners; i++)
		if (record_is_in_store(&in->owners[i]) &&
		    range_overlaps(
			    (struct range){ in->owners[i].phys_start, in->owners[i].length_bytes },
			    page))
			return true;
	return false;
}

/*
 * Will an earlier attempt's salvage be taken, hook and all? By a remap while the page is pinned, by
 * a rewrite after a write that failed; others save anew.
 */
static int takes_earlier_salvage(const struct repair_job *job, const struct incident *in,
				 uint64_t phys_start)
{
	struct salvaged_page saved;
	int r = is_pinned(in, phys_start) ? 1 : record_write_failed(job->journal, phys_start);

	if (r <= 0)
		return r;
	r = journal_get_salvage(job->journal, phys_start, &saved);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int lost_sectors(const struct repair_job *job, const struct incident *in,
			uint64_t phys_start, uint32_t *ret)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	*ret = 0;
	r = takes_earlier_salvage(job, in, phys_start);
	if (r != 0)
		return r < 0 ? r : 0;
	r = nvdimm_bad_within(job->map, (struct range){ phys_start, PAGE_BYTES }, &bad);
	if (r < 0)
		return r;
	*ret = salvage_bad_sectors(bad, phys_start);
	if (*ret && mce_history_of((struct range){ phys_start, PAGE_BYTES }) != MCE_NEVER)
		*ret = ALL_SECTORS;
	return 0;
}

static int add_runs(struct restore *all, uint64_t phys_start, uint32_t sectors, uint32_t n_bytes)
{
	for (uint32_t i = 0; i < PAGE_SECTORS && i * SECTOR_BYTES < n_bytes; i++) {
		uint32_t first = i, end;
		struct lost_run *grown;

		if (!(sectors & 1u << i))
			continue;
		while (i + 1 < PAGE_SECTORS && sectors & 1u << (i + 1))
			i++;
		end = (i + 1) * SECTOR_BYTES < n_bytes ? (i + 1) * SECTOR_BYTES : n_bytes;
		grown = reallocarray(all->runs, all->n_runs + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		all->runs = grown;
		all->runs[all->n_runs++] = (struct lost_run){
			.phys_start = phys_start + first * SECTOR_BYTES,
			.length_bytes = end - first * SECTOR_BYTES,
		};
	}
	return 0;
}

static int add_waiting(struct restore *all, uint64_t phys_start, const struct page_result *result)
{
	struct waiting_page *grown = reallocarray(all->waiting, all->n_waiting + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	all->waiting = grown;
	all->waiting[all->n_waiting++] = (struct waiting_page){ phys_start, *result };
	return 0;
}

/* These bytes of the page are to be asked for, unless it would wait. */
static int add_page(const struct repair_job *job, struct repair_fs *fs, const struct incident *in,
		    const struct page_plan *page, uint32_t sectors, uint32_t n_bytes,
		    struct restore *all)
{
	struct page_result result;
	int r = ready_look(job, fs, in, page, &result);

	if (r < 0)
		return r;
	return r > 0 ? add_waiting(all, page->phys_start, &result)
		     : add_runs(all, page->phys_start, sectors, n_bytes);
}

static int find_lost(const struct repair_job *job, struct repair_fs *fs, const struct incident *in,
		     const struct page_plan *pages, size_t n_pages, struct restore *all)
{
	uint32_t sectors, n_bytes;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n_pages; i++) {
		if (!pages[i].method || !pages[i].method->writes_files || pages[i].dev != fs->dev)
			continue;
		r = lost_sectors(job, in, pages[i].phys_start, &sectors);
		n_bytes = r >= 0 && sectors ? bytes_in_files(fs, in, pages[i].phys_start) : 0;
		if (r >= 0 && n_bytes)
			r = add_page(job, fs, in, &pages[i], sectors, n_bytes, all);
	}
	return r;
}

/* ---- the hook ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* Of a hook that has ended: nobody changes it under us. */
static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* By an ACL: to give a directory away wants CAP_CHOWN, which we do not keep. */
static int let_in(const char *path, uid_t uid)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		.header.a_version = htole32(POSIX_ACL_XATTR_VERSION),
		.entries = {
			{ htole16(ACL_USER_OBJ), htole16(7), htole32(UINT32_MAX) },
			{ htole16(ACL_USER), htole16(7), htole32(uid) },
			{ htole16(ACL_GROUP_OBJ), 0, htole32(UINT32_MAX) },
			{ htole16(ACL_MASK), htole16(7), htole32(UINT32_MAX) },
			{ htole16(ACL_OTHER), 0, htole32(UINT32_MAX) },
		},
	};

	return setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0 ? -errno : 0;
}

static int make_directory(const struct repair_job *job, const struct incident *in, const char *user,
			  char **ret, uid_t *ret_uid)
{
	const struct passwd *owner = user ? getpwnam(user) : NULL;
	_cleanup_(freep) char *path = NULL;
	int r;

	if (user && !owner)
		return -EUSERS;
	if (asprintf(&path, "%s/hook-%" PRIu64 "-XXXXXX", job->runtime_dir, in->number) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(path))
		return -errno;
	r = owner ? let_in(path, owner->pw_uid) : 0;
	if (r < 0) {
		rmdir(path);
		return r;
	}
	*ret_uid = owner ? owner->pw_uid : geteuid();
	*ret = TAKE(path);
	return 0;
}

static int make_input(const struct incident *in, const struct restore *all, const char *directory)
{
	_cleanup_(json_object_putp) struct json_object *question = restore_question(in, all,
										    directory);
	_cleanup_(closep) int fd = memfd_create("hwpoisond-hook", MFD_CLOEXEC);
	const char *text;
	size_t n;

	text = question ? json_object_to_json_string_length(
				  question, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
				  &n)
			: NULL;
	if (fd < 0 || !text)
		return fd < 0 ? -errno : -ENOMEM;
	if (write(fd, text, n) != (ssize_t)n || write(fd, "\n", 1) != 1 || lseek(fd, 0, SEEK_SET))
		return -ENOSPC;
	return TAKE_FD(fd);
}

/* *ret_complaint: a literal, about files that were left and not taken. */
static int run_in(const char *directory, uid_t writer, const struct rule *rule,
		  const struct incident *in, struct restore *all, const char **ret_complaint)
{
	_cleanup_(closep) int input_fd = make_input(in, all, directory);
	_cleanup_(closep) int dir_fd = -1;
	struct hook_job hook = {
		.path = rule->hook,
		.user = rule->hook_user,
		.timeout_usec = rule->hook_timeout_usec,
		.incident = in->number,
		.directory = directory,
		.input_fd = input_fd,
	};
	int r;

	if (input_fd < 0)
		return input_fd;
	/* Opened before: a hook that puts another directory in its place has put it nowhere. */
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	r = hook_run(&hook);
	if (r >= 0)
		restore_read(all, dir_fd, writer, ret_complaint);
	return r;
}

static int run_hook(const struct repair_job *job, const struct rule *rule,
		    const struct incident *in, struct restore *all, const char **ret_complaint)
{
	_cleanup_(freep) char *directory = NULL;
	uid_t writer = 0;
	int r;

	r = make_directory(job, in, rule->hook_user, &directory, &writer);
	if (r < 0)
		return r;
	r = run_in(directory, writer, rule, in, all, ret_complaint);
	remove_tree(directory);
	return r;
}

/* ---- on record ---- */

static uint64_t given_bytes(const struct restore *all)
{
	uint64_t n = 0;

	for (size_t i = 0; i < all->n_runs; i++)
		n += all->runs[i].given ? all->runs[i].length_bytes : 0;
	return n;
}

static struct json_object *describe(const struct rule *rule, const struct restore *all)
{
	struct json_fields f = json_fields_new();
	uint64_t n = 0;

	for (size_t i = 0; i < all->n_runs; i++)
		n += all->runs[i].length_bytes;
	field_put_string(&f, "hook", rule->hook);
	field_put_uint(&f, "ranges", all->n_runs);
	field_put_uint(&f, "length_bytes", n);
	return json_fields_done(&f);
}

static const char *outcome_name(int r, uint64_t n_given)
{
	if (r == -ETIME)
		return "timeout";
	if (r == -EPROTO)
		return "failed";
	if (r < 0)
		return "not-run";
	return n_given ? "restored" : "nothing";
}

static int note(struct incident *in, const struct rule *rule, int r, uint64_t n_given,
		const char *complaint)
{
	_cleanup_(freep) char *detail = NULL;

	if (asprintf(&detail, "%s %s%s%s", rule->hook, hook_explain(r), complaint ? ", but " : "",
		     complaint ?: "") < 0) {
		detail = NULL;
		return -ENOMEM;
	}
	return string_set(&in->repair.hook, rule->hook)
		       ?: string_set(&in->repair.hook_outcome, outcome_name(r, n_given))
		       ?: string_set(&in->repair.hook_detail,
				     r < 0 || complaint ? detail : NULL);
}

static int ask(const struct repair_job *job, const struct rule *rule, struct incident *in,
	       struct restore *all)
{
	_cleanup_(json_object_putp) struct json_object *detail = describe(rule, all),
						       *outcome = NULL;
	struct json_fields f = json_fields_new();
	const char *complaint = NULL;
	int64_t intent;
	int r, ran;

	r = detail ? journal_intent(job->journal, "hook", detail, &intent) : -ENOMEM;
	if (r < 0) {
		json_object_put(f.object);
		return r;
	}
	ran = run_hook(job, rule, in, all, &complaint);
	field_put_uint(&f, "given_bytes", given_bytes(all));
	field_put_string(&f, "complaint", complaint);
	outcome = json_fields_done(&f);
	r = journal_outcome(job->journal, intent, ran, outcome);
	return r < 0 ? r : note(in, rule, ran, given_bytes(all), complaint);
}

int restore_ask(const struct repair_job *job, struct repair_fs *fs, struct incident *in,
		const struct page_plan *pages, size_t n_pages, struct restore **ret)
{
	_cleanup_(restore_freep) struct restore *all = NULL;
	const struct rule *rule = verdict_hook_rule(job->policy, in);
	int r;

	*ret = NULL;
	if (!rule || fs->root_fd < 0)
		return 0;
	all = calloc(1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	r = find_lost(job, fs, in, pages, n_pages, all);
	if (r >= 0 && all->n_runs)
		r = ask(job, rule, in, all);
	if (r < 0)
		return r;
	*ret = TAKE(all);
	return 0;
}

int restore_waits(const struct restore *r, uint64_t phys_start, struct page_result *ret)
{
	for (size_t i = 0; r && i < r->n_waiting; i++)
		if (r->waiting[i].phys_start == phys_start) {
			*ret = r->waiting[i].result;
			return 1;
		}
	return 0;
}

/* ---- the bytes ---- */

/* A part of what was asked for as one may be good by now, or have been all along: that stays. */
static void merge_run(const struct lost_run *run, struct salvaged_page *page)
{
	uint32_t start = (uint32_t)(run->phys_start - page->phys_start);

	for (uint32_t at = 0; at < run->length_bytes; at += SECTOR_BYTES) {
		uint32_t sector = (start + at) / SECTOR_BYTES;
		uint32_t n = run->length_bytes - at < SECTOR_BYTES ? run->length_bytes - at
								   : SECTOR_BYTES;

		if (!(page->bad_sectors & 1u << sector))
			continue;
		memcpy(page->data + start + at, run->data + at, n);
		page->bad_sectors &= ~(1u << sector);
		page->restored_sectors |= 1u << sector;
	}
}

void restore_merge(const struct restore *r, struct salvaged_page *page)
{
	for (size_t i = 0; r && i < r->n_runs; i++)
		if (r->runs[i].given && r->runs[i].phys_start >= page->phys_start &&
		    r->runs[i].phys_start - page->phys_start < PAGE_BYTES)
			merge_run(&r->runs[i], page);
}
