// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * restore-exchange: what a hook is asked, and what it answers.
 *
 *   restore -> [restore-exchange] -> hook -> files in a directory -> [restore-exchange]
 *
 * In:   the runs of lost bytes.
 * Out:  one file for each that the hook could find, with exactly that many bytes.
 *
 * A file of another length, kind or owner is taken for none: half a sector of somebody's data, or
 * a link to somebody else's, would be worse than zeros that are told.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "json-fields.h"
#include "range.h"
#include "repair/restore-private.h"

struct run_name restore_name(const struct lost_run *run)
{
	struct run_name name;

	snprintf(name.text, sizeof(name.text), "0x%" PRIx64, run->phys_start);
	return name;
}

/* ---- the question ---- */

/* Where in each file that shares them these bytes are. */
static struct json_object *files_of(const struct incident *in, const struct lost_run *run)
{
	struct range page = range_align_out((struct range){ run->phys_start, 1 }, PAGE_BYTES);
	struct json_object *files = json_object_new_array();

	for (size_t i = 0; files && i < in->n_owners; i++) {
		const struct owner *owner = &in->owners[i];
		struct range bytes = { owner->phys_start, owner->length_bytes };
		struct json_fields f;

		/* Of the page, since the owner's bytes are cut to the incident's, and the run is not. */
		if (owner->kind != OWNER_FILE_DATA || !range_overlaps(bytes, page))
			continue;
		f = json_fields_new();
		field_put_string(&f, "mountpoint", owner->mountpoint);
		field_put_uint(&f, "inode", owner->inode);
		field_put_strv(&f, "paths", owner->paths);
		/* The owner's bytes may begin behind the run: modulo 2^64 it is one sum. */
		field_put_uint(&f, "file_offset_bytes",
			       owner->file_offset_bytes + run->phys_start - owner->phys_start);
		json_object_array_add(files, json_fields_done(&f));
	}
	return files;
}

static struct json_object *range_of(const struct incident *in, const struct lost_run *run)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "name", restore_name(run).text);
	field_put_hex(&f, "phys_start", run->phys_start);
	field_put_uint(&f, "length_bytes", run->length_bytes);
	field_put_object(&f, "files", files_of(in, run));
	return json_fields_done(&f);
}

struct json_object *restore_question(const struct incident *in, const struct restore *r,
				     const char *directory)
{
	struct json_object *question = incident_to_json(in), *ranges = json_object_new_array();
	struct json_fields f = json_fields_new();

	for (size_t i = 0; ranges && i < r->n_runs; i++)
		json_object_array_add(ranges, range_of(in, &r->runs[i]));
	field_put_string(&f, "directory", directory);
	field_put_object(&f, "ranges", ranges);
	if (!question || json_object_object_add(question, "restore", json_fields_done(&f)) < 0) {
		json_object_put(question);
		return NULL;
	}
	return question;
}

/* ---- the answer ---- */

static int read_whole(int fd, uint8_t *ret, size_t n_bytes)
{
	size_t n_read = 0;
	ssize_t n;

	do {
		n = pread(fd, ret + n_read, n_bytes - n_read, (off_t)n_read);
		if (n < 0 && errno != EINTR)
			return -errno;
		n_read += n > 0 ? (size_t)n : 0;
	} while (n > 0 && n_read < n_bytes);
	return n_read == n_bytes ? 0 : -EIO;
}

/* NULL: it was given, or there is no such file; else what is wrong with it. */
static const char *read_run(struct lost_run *run, int dir_fd, uid_t writer)
{
	_cleanup_(closep) int fd = openat(dir_fd, restore_name(run).text,
					  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
						  O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? NULL : "a file that it left cannot be opened";
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "what it left is not an ordinary file";
	if (st.st_nlink != 1 || st.st_uid != writer)
		return "a file that it left is not its own";
	if (st.st_size != (off_t)run->length_bytes)
		return "a file that it left has not the length that was asked for";
	if (read_whole(fd, run->data, run->length_bytes) < 0)
		return "a file that it left cannot be read";
	run->given = true;
	return NULL;
}

size_t restore_read(struct restore *r, int dir_fd, uid_t writer, const char **ret_complaint)
{
	size_t n_given = 0;

	*ret_complaint = NULL;
	for (size_t i = 0; i < r->n_runs; i++) {
		const char *complaint = read_run(&r->runs[i], dir_fd, writer);

		if (complaint && !*ret_complaint)
			*ret_complaint = complaint;
		n_given += r->runs[i].given;
	}
	return n_given;
}
