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
#include "strv.h"
#include "owners/file_bad.h"
#include "owners/realtime.h"
#include "source/device_bad.h"

/* What all files of one question share. */
struct question {
	struct address_map *map;
	struct device_bad *lists;
};

static void question_done(struct question *q)
{
	device_bad_free(q->lists);
	address_map_free(q->map);
}

/* Never one that could act when opened: a device, a FIFO. fd or negative errno. */
static int open_file(const char *path, struct stat *ret)
{
	_cleanup_(closep) int path_fd = open(path, O_PATH | O_CLOEXEC);
	char link[32];
	int fd;

	if (path_fd < 0)
		return -errno;
	if (fstat(path_fd, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode) && !S_ISDIR(ret->st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
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

static struct json_object *piece_to_json(const struct question *q, const struct bad_piece *piece,
					 const struct stack_piece *place)
{
	struct json_fields f = json_fields_new();
	struct range phys;

	field_put_string(&f, "kind", owner_kind_name(piece->kind));
	field_put_uint(&f, "file_offset_bytes", piece->file_offset_bytes);
	field_put_uint(&f, "length_bytes", piece->dev_bytes.length_bytes);
	if (place && address_map_to_phys(q->map, place->name, place->bytes, &phys) >= 0)
		field_put_hex(&f, "phys_start", phys.start_bytes);
	return json_fields_done(&f);
}

static int add_piece(struct json_object *array, const struct question *q,
		     const struct bad_piece *piece, const struct stack_piece *place)
{
	struct json_object *json = piece_to_json(q, piece, place);

	if (json && json_object_array_add(array, json) == 0)
		return 0;
	json_object_put(json);
	return -ENOMEM;
}

/* One for each place: what is in one piece on a volume can be in several in memory. */
static int add_places(struct json_object *array, const struct question *q, const char *device,
		      const struct bad_piece *piece)
{
	_cleanup_(stack_pieces_done) struct stack_pieces places = {};
	int r;

	r = device_bad_place(q->lists, device, piece->dev_bytes, &places);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return add_piece(array, q, piece, NULL);
	for (size_t i = 0; r >= 0 && i < places.n; i++) {
		const struct stack_piece *place = &places.all[i];
		struct bad_piece part = *piece;

		part.dev_bytes.start_bytes += place->at_bytes;
		part.dev_bytes.length_bytes = place->bytes.length_bytes;
		if (piece->kind != OWNER_EXTENT_MAP) /* which is nowhere in the file */
			part.file_offset_bytes += place->at_bytes;
		r = add_piece(array, q, &part, place);
	}
	return r;
}

/* The devices that a file lies on, by name, and what of them is bad. */
struct file_devices {
	char own[NAME_MAX + 1]; /* of its filesystem */
	char realtime[NAME_MAX + 1]; /* that has its data, where that is another; or "" */
	struct badblocks *bad, *realtime_bad;
	char *why; /* there may be more, a sentence; NULL: these are all */
	bool have_lists;
};

static void file_devices_done(struct file_devices *d)
{
	badblocks_free(d->bad);
	badblocks_free(d->realtime_bad);
	free(d->why);
}

static void put_pieces(struct json_fields *f, const struct question *q,
		       const struct file_devices *devices, const struct file_bad *found)
{
	struct json_object *array = json_object_new_array();
	uint64_t lost_bytes = 0;
	int r = array ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < found->n; i++) {
		const struct bad_piece *piece = &found->pieces[i];

		r = add_places(array, q, piece->realtime ? devices->realtime : devices->own, piece);
		if (bad_piece_is_lost(piece))
			lost_bytes += piece->dev_bytes.length_bytes;
	}
	if (r < 0) {
		json_object_put(array);
		array = NULL;
		f->r = r;
	}
	field_put_object(f, "bad", array);
	field_put_uint(f, "lost_bytes", lost_bytes);
}

static void put_answer(struct json_fields *f, const char *why_incomplete)
{
	field_put_bool(f, "complete", !why_incomplete);
	field_put_string(f, "reason", why_incomplete);
}

/* The first reason stays. */
static int read_list(const struct question *q, const char *device, struct file_devices *d,
		     struct badblocks **ret)
{
	const char *why;
	int r = device_bad_of(q->lists, device, ret, &why);

	if (r < 0)
		return r;
	d->have_lists = d->have_lists && r > 0;
	return d->why ? 0 : string_set(&d->why, why);
}

static int read_lists(const struct question *q, int fd, struct file_devices *d)
{
	dev_t realtime;
	int r;

	d->have_lists = true;
	r = read_list(q, d->own, d, &d->bad);
	if (r < 0 || realtime_has_file(fd) <= 0)
		return r;
	if (realtime_find_device(fd, &realtime) < 0 || device_name(realtime, d->realtime) < 0)
		return 0;
	return read_list(q, d->realtime, d, &d->realtime_bad);
}

/* Which of its bytes are bad now. */
static int put_now(struct json_fields *f, const struct question *q, int fd, const struct stat *st)
{
	_cleanup_(file_devices_done) struct file_devices devices = {};
	_cleanup_(file_bad_done) struct file_bad found = {};
	const char *why;
	int r;

	if (device_name(st->st_dev, devices.own) < 0) {
		put_pieces(f, q, &devices, &found);
		put_answer(f, "Its filesystem does not say on which block device the file lies");
		return 0;
	}
	field_put_string(f, "device", devices.own);
	r = read_lists(q, fd, &devices);
	if (r < 0)
		return r;
	if (*devices.realtime)
		field_put_string(f, "realtime_device", devices.realtime);
	field_put_bool(f, "device_has_list", devices.have_lists);
	why = devices.why;
	r = file_bad_find(fd, devices.bad, devices.realtime_bad, &found);
	if (r == -EOPNOTSUPP || r == -ENOTTY)
		why = "This filesystem cannot be asked where a file lies";
	else if (r < 0)
		return r;
	put_pieces(f, q, &devices, &found);
	put_answer(f, why ? why : found.why_incomplete);
	return 0;
}

static int put_file(struct json_fields *f, const struct question *q, struct file_id *file)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r, generation = 0;

	fd = open_file(file->path, &st);
	if (fd < 0)
		return fd;
	if (ioctl(fd, FS_IOC_GETVERSION, &generation) == 0)
		file->generation = (uint32_t)generation;
	file->dev = st.st_dev;
	file->inode = st.st_ino;
	field_put_uint(f, "inode", st.st_ino);
	r = put_now(f, q, fd, &st);
	return r < 0 ? r : f->r;
}

/* A file that can't be examined must not keep the others from being told. NULL: out of memory. */
static struct json_object *examine(const struct question *q, struct file_id *file)
{
	struct json_fields f = json_fields_new();
	int r;

	field_put_string(&f, "file", file->path);
	r = put_file(&f, q, file);
	if (r >= 0 || r == -ENOMEM)
		return json_fields_done(&f);

	json_object_put(f.object);
	f = json_fields_new();
	field_put_string(&f, "file", file->path);
	field_put_object(&f, "bad", json_object_new_array());
	field_put_uint(&f, "lost_bytes", 0);
	put_answer(&f, r == -EINVAL ? "Neither a file nor a directory" : strerror(-r));
	return json_fields_done(&f);
}

/* Where hwpoisond never ran, nothing is on record, and that is all there is. */
static int put_history(struct json_object *object, struct json_object *entries, int r)
{
	struct json_fields f = { .object = object };

	field_put_object(&f, "history", json_object_get(entries));
	field_put_bool(&f, "history_complete", r >= 0);
	if (r < 0)
		field_put_string(&f, "history_reason", strerror(-r));
	return f.r;
}

static int open_question(struct question *ret)
{
	int r;

	r = lookup_build_map(&ret->map);
	return r < 0 ? r : device_bad_read(ret->map, &ret->lists);
}

/* Objects into `answer`, and for each an array for its history. */
static int examine_all(const struct question *q, struct file_id *ids, size_t n,
		       struct json_object *answer, struct json_object **histories)
{
	for (size_t i = 0; i < n; i++) {
		struct json_object *object = examine(q, &ids[i]);

		histories[i] = json_object_new_array();
		if (!object || !histories[i] || json_object_array_add(answer, object) < 0) {
			json_object_put(object);
			return -ENOMEM;
		}
	}
	return 0;
}

static int remember(history_pages pages, void *userdata, const struct file_id *ids, size_t n,
		    struct json_object *answer, struct json_object *const *histories)
{
	int r = pages ? file_history(pages, userdata, ids, histories, n) : 0;

	for (size_t i = 0; i < n; i++)
		if (put_history(json_object_array_get_idx(answer, i), histories[i], r) < 0)
			return -ENOMEM;
	return r == -ENOMEM ? r : 0;
}

static void histories_free(struct json_object **histories, size_t n)
{
	for (size_t i = 0; histories && i < n; i++)
		json_object_put(histories[i]);
	free(histories);
}

int lookup_files(char *const *files, history_pages pages, void *userdata, struct json_object **ret)
{
	_cleanup_(question_done) struct question q = {};
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_array();
	_cleanup_(freep) struct file_id *ids = NULL;
	size_t n = strv_length(files);
	struct json_object **histories = calloc(n + 1, sizeof(*histories));
	struct json_fields f;
	int r;

	ids = calloc(n + 1, sizeof(*ids));
	r = ids && histories && answer ? open_question(&q) : -ENOMEM;
	for (size_t i = 0; r >= 0 && i < n; i++)
		ids[i].path = files[i];
	if (r >= 0)
		r = examine_all(&q, ids, n, answer, histories);
	if (r >= 0)
		r = remember(pages, userdata, ids, n, answer, histories);
	histories_free(histories, n);
	if (r < 0)
		return r;

	f = json_fields_new();
	field_put_object(&f, "files", TAKE(answer));
	*ret = json_fields_done(&f);
	return *ret ? 0 : -ENOMEM;
}

static int page_of_ledger(uint64_t after, struct json_object **ret, void *userdata)
{
	return history_page(userdata, after, ret);
}

static int no_page(uint64_t after, struct json_object **ret, void *userdata)
{
	return *(const int *)userdata;
}

int lookup_files_at(char *const *files, const char *state_dir, struct json_object **ret)
{
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	int r = ledger_open_to_read(state_dir, &ledger);

	if (r == -ENOENT)
		return lookup_files(files, NULL, NULL, ret);
	if (r < 0)
		return lookup_files(files, no_page, &r, ret);
	return lookup_files(files, page_of_ledger, ledger, ret);
}
