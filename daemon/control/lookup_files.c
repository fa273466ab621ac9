// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_files: has this file lost bytes, now or ever?
 *
 *   control, hwpoisonctl -> [lookup_files] -> locate, source (lists), owners, ledger
 *
 * In:   files by name.
 * Out:  of each, what of it lies on blocks that are known to be bad now; and what the ledger
 *       remembers.
 *
 * "Now" is read anew from the kernel's lists and the filesystem, so it needs neither a daemon nor a
 * record. What can't be answered says so: a file that is called sound must be.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/fs.h>

#include "control/file_history.h"
#include "control/lookup.h"
#include "json-fields.h"
#include "owners/file_bad.h"
#include "source/device_bad.h"

/* What all files of one question share. */
struct question {
	struct address_map *map;
	struct device_bad *lists;
	struct ledger *ledger;
	int ledger_result; /* why there is none */
};

static void question_done(struct question *q)
{
	device_bad_free(q->lists);
	address_map_free(q->map);
	ledger_free(q->ledger);
}

/* Never one that could act when opened: a device, a FIFO. fd or negative errno. */
static int open_file(const char *path, struct stat *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret) < 0)
		return -errno;
	return S_ISREG(ret->st_mode) || S_ISDIR(ret->st_mode) ? TAKE_FD(fd) : -EINVAL;
}

static int device_name(dev_t dev, char ret[static NAME_MAX + 1])
{
	char link[64], target[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	if (!realpath(link, target))
		return -ENODEV;
	snprintf(ret, NAME_MAX + 1, "%s", strrchr(target, '/') + 1);
	return 0;
}

static bool is_volume(const char *name)
{
	return !strncmp(name, "dm-", 3) || !strncmp(name, "md", 2);
}

static struct json_object *piece_to_json(const struct question *q, const char *device,
					 const struct bad_piece *piece)
{
	struct json_fields f = json_fields_new();
	struct range phys;

	field_put_string(&f, "kind", owner_kind_name(piece->kind));
	field_put_uint(&f, "file_offset_bytes", piece->file_offset_bytes);
	field_put_uint(&f, "length_bytes", piece->dev_bytes.length_bytes);
	if (address_map_to_phys(q->map, device, piece->dev_bytes, &phys) >= 0)
		field_put_hex(&f, "phys_start", phys.start_bytes);
	return json_fields_done(&f);
}

static void put_pieces(struct json_fields *f, const struct question *q, const char *device,
		       const struct file_bad *found)
{
	struct json_object *array = json_object_new_array();
	uint64_t lost_bytes = 0;

	for (size_t i = 0; array && i < found->n; i++) {
		const struct bad_piece *piece = &found->pieces[i];
		struct json_object *json = piece_to_json(q, device, piece);

		if (!json || json_object_array_add(array, json) < 0) {
			json_object_put(json);
			json_object_put(array);
			array = NULL;
		} else if (bad_piece_is_lost(piece)) {
			lost_bytes += piece->dev_bytes.length_bytes;
		}
	}
	if (!array)
		f->r = -ENOMEM;
	field_put_object(f, "bad", array);
	field_put_uint(f, "lost_bytes", lost_bytes);
}

static void put_answer(struct json_fields *f, const char *why_incomplete)
{
	field_put_bool(f, "complete", !why_incomplete);
	field_put_string(f, "reason", why_incomplete);
}

/* Which of its bytes are bad now. */
static int put_now(struct json_fields *f, const struct question *q, int fd, const struct stat *st)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	_cleanup_(file_bad_done) struct file_bad found = {};
	char device[NAME_MAX + 1];
	const char *why = NULL;
	int r;

	if (device_name(st->st_dev, device) < 0) {
		put_pieces(f, q, "", &found);
		put_answer(f, "Its filesystem does not say on which block device the file lies");
		return 0;
	}
	field_put_string(f, "device", device);
	r = device_bad_of(q->lists, device, &bad, &why);
	if (r < 0)
		return r;
	field_put_bool(f, "device_has_list", r > 0);
	if (is_volume(device))
		why = "What lies below this volume is not looked at";
	r = file_bad_find(fd, bad, &found);
	if (r == -EOPNOTSUPP || r == -ENOTTY)
		why = "This filesystem cannot be asked where a file lies";
	else if (r < 0)
		return r;
	put_pieces(f, q, device, &found);
	put_answer(f, why ? why : found.why_incomplete);
	return 0;
}

/* No ledger is no history: where hwpoisond never ran, nothing is on record. */
static void put_history(struct json_fields *f, const struct question *q, const struct file_id *file)
{
	struct json_object *entries = NULL;
	int r = q->ledger_result;

	if (q->ledger)
		r = file_history(q->ledger, file, &entries);
	if (!entries)
		entries = json_object_new_array();
	if (!entries)
		f->r = -ENOMEM;
	field_put_object(f, "history", entries);
	field_put_bool(f, "history_complete", r >= 0 || r == -ENOENT);
	if (r < 0 && r != -ENOENT)
		field_put_string(f, "history_reason", strerror(-r));
}

static int put_file(struct json_fields *f, const struct question *q, const char *path)
{
	_cleanup_(closep) int fd = -1;
	struct file_id file = { .path = path };
	struct stat st;
	int r, generation = 0;

	fd = open_file(path, &st);
	if (fd < 0)
		return fd;
	if (ioctl(fd, FS_IOC_GETVERSION, &generation) == 0)
		file.generation = (uint32_t)generation;
	file.dev = st.st_dev;
	file.inode = st.st_ino;

	field_put_uint(f, "inode", st.st_ino);
	r = put_now(f, q, fd, &st);
	if (r < 0)
		return r;
	put_history(f, q, &file);
	return f->r;
}

/* A file that can't be examined must not keep the others from being told. */
static struct json_object *file_to_json(const struct question *q, const char *path)
{
	struct json_fields f = json_fields_new();
	struct json_fields failed;
	int r;

	field_put_string(&f, "file", path);
	r = put_file(&f, q, path);
	if (r >= 0 || r == -ENOMEM)
		return json_fields_done(&f);

	json_object_put(f.object);
	failed = json_fields_new();
	field_put_string(&failed, "file", path);
	field_put_object(&failed, "bad", json_object_new_array());
	field_put_uint(&failed, "lost_bytes", 0);
	put_answer(&failed, r == -EINVAL ? "Neither a file nor a directory" : strerror(-r));
	field_put_object(&failed, "history", json_object_new_array());
	field_put_bool(&failed, "history_complete", false);
	return json_fields_done(&failed);
}

static int open_question(const char *state_dir, struct question *ret)
{
	int r;

	r = lookup_build_map(&ret->map);
	if (r >= 0)
		r = device_bad_read(ret->map, &ret->lists);
	if (r < 0)
		return r;
	ret->ledger_result = ledger_open_to_read(state_dir, &ret->ledger);
	return ret->ledger_result == -ENOMEM ? -ENOMEM : 0;
}

int lookup_files(char *const *files, const char *state_dir, struct json_object **ret)
{
	_cleanup_(question_done) struct question q = {};
	struct json_object *array;
	struct json_fields f;
	int r;

	r = open_question(state_dir, &q);
	if (r < 0)
		return r;
	f = json_fields_new();
	array = json_object_new_array();
	for (; array && *files; files++) {
		struct json_object *json = file_to_json(&q, *files);

		if (!json || json_object_array_add(array, json) < 0) {
			json_object_put(json);
			json_object_put(array);
			array = NULL;
		}
	}
	if (!array)
		f.r = -ENOMEM;
	field_put_object(&f, "files", array);
	*ret = json_fields_done(&f);
	return *ret ? 0 : -ENOMEM;
}
