// SPDX-License-Identifier: GPL-2.0-or-later
/* file_history: files that come, go, and come again under the same name or number. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "control/file_history.h"
#include "scratch.h"
#include "test.h"

#define DEV makedev(259, 1)

static struct owner *add_owner(struct incident *in, uint64_t inode, uint32_t generation,
			       const char *path)
{
	struct owner *o = incident_add_owner(in);

	o->kind = OWNER_FILE_DATA;
	o->dev = DEV;
	o->inode = inode;
	o->generation = generation;
	o->file_offset_bytes = 8192;
	o->length_bytes = 512;
	string_set(&o->mountpoint, "/mnt");
	strv_push(&o->paths, path);
	return o;
}

/* An incident that was repaired, with 512 bytes lost, in a ledger that the daemon has open. */
static struct ledger *ledger_with_one(const struct scratch *dir, uint32_t generation)
{
	_cleanup_(incident_freep) struct incident *in =
		incident_new((struct range){ 0x8021a000, 512 }, SOURCE_BADBLOCKS);
	struct ledger *l = NULL;
	struct loss loss = { .inode = 131, .file_offset_bytes = 8192, .length_bytes = 512 };

	if (ledger_open(dir->path, &l, NULL) < 0)
		exit(99);
	add_owner(in, 131, generation, "/mnt/data");
	add_owner(in, 132, generation, "/mnt/clone");
	in->state = INCIDENT_REPAIRED;
	in->found_usec = 1000;
	string_set(&in->repair.method, "remap");
	CHECK(ledger_put_incident(l, in) == 0);
	string_set(&loss.mountpoint, "/mnt");
	strv_push(&loss.paths, "/mnt/data");
	CHECK(ledger_add_losses(l, in->number, &loss, 1) == 0);
	loss_done(&loss);
	return l;
}

static int page_of(uint64_t after, struct json_object **ret, void *userdata)
{
	return history_page(userdata, after, ret);
}

/* What a reader beside the daemon is told. */
static struct json_object *history_of(const struct scratch *dir, const char *path, dev_t dev,
				      uint64_t inode, uint32_t generation)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct file_id file = { path, dev, inode, generation };
	struct json_object *entries = json_object_new_array();

	CHECK(ledger_open_to_read(dir->path, &l) == 0);
	CHECK(l && file_history(page_of, l, &file, &entries, 1) == 0);
	return entries;
}

static struct json_object *first(struct json_object *array, const char *name)
{
	struct json_object *object = json_object_array_get_idx(array, 0);

	return json_object_object_get(object, name);
}

TEST(a_file_remembers_its_incident_and_what_was_lost)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/data", DEV, 131,
								       7);
	struct json_object *losses;

	REQUIRE(json_object_array_length(h) == 1);
	CHECK(json_object_get_int(first(h, "incident")) == 1);
	CHECK(json_object_get_boolean(first(h, "same_file")));
	CHECK(!json_object_get_boolean(first(h, "open")));
	CHECK_STREQ(json_object_get_string(first(h, "state")), "repaired");
	CHECK_STREQ(json_object_get_string(first(h, "repair_method")), "remap");
	REQUIRE(json_object_array_length(first(h, "bytes")) == 1);
	CHECK(json_object_get_int(first(first(h, "bytes"), "file_offset_bytes")) == 8192);
	losses = first(h, "lost_for_good");
	REQUIRE(json_object_array_length(losses) == 1);
	CHECK(json_object_get_int(first(losses, "length_bytes")) == 512);
	CHECK(json_object_get_int64(first(losses, "lost_usec")) > 0);
}

TEST(another_owner_of_the_same_bytes_has_its_own_losses_only)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/clone", DEV, 132,
								       7);

	REQUIRE(json_object_array_length(h) == 1);
	CHECK(json_object_array_length(first(h, "lost_for_good")) == 0);
}

TEST(a_renamed_file_is_the_same)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/moved", DEV, 131,
								       7);

	REQUIRE(json_object_array_length(h) == 1);
	CHECK(json_object_get_boolean(first(h, "same_file")));
	CHECK(json_object_array_length(first(h, "lost_for_good")) == 1);
}

TEST(a_disk_may_have_another_number_after_a_boot)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/data",
								       makedev(8, 1), 131, 7);

	REQUIRE(json_object_array_length(h) == 1);
	CHECK(json_object_get_boolean(first(h, "same_file")));
}

TEST(a_number_used_again_is_another_file)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/new", DEV, 131,
								       8);

	CHECK(json_object_array_length(h) == 0);
}

TEST(nor_is_the_same_number_on_another_disk)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/srv/data",
								       makedev(8, 1), 131, 7);

	CHECK(json_object_array_length(h) == 0);
}

TEST(a_replaced_file_is_told_from_the_one_before)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/data", DEV, 200,
								       1);

	REQUIRE(json_object_array_length(h) == 1);
	CHECK(!json_object_get_boolean(first(h, "same_file")));
	CHECK(json_object_array_length(first(h, "lost_for_good")) == 1);
}

TEST(a_file_that_was_never_hit_has_no_history)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = history_of(&dir, "/mnt/other", DEV, 140,
								       7);

	CHECK(json_object_array_length(h) == 0);
}

TEST(a_record_of_many_pages_is_read_to_its_end)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = ledger_with_one(&dir, 7);
	_cleanup_(json_object_putp) struct json_object *h = NULL;

	for (unsigned i = 0; i < 200; i++) {
		_cleanup_(incident_freep) struct incident *in =
			incident_new((struct range){ 0x80000000, 512 }, SOURCE_BADBLOCKS);

		add_owner(in, i % 2 ? 131 : 500, 7, i % 2 ? "/mnt/data" : "/mnt/other");
		CHECK(ledger_put_incident(l, in) == 0);
	}
	h = history_of(&dir, "/mnt/data", DEV, 131, 7);
	CHECK(json_object_array_length(h) == 101);
}

TEST(without_a_ledger_there_is_none_and_none_is_made)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	struct ledger *l = NULL;

	CHECK(ledger_open_to_read(dir.path, &l) == -ENOENT);
	CHECK(!l);
	CHECK(access(scratch_file(&dir, "ledger.sqlite"), F_OK) < 0);
}

TEST(what_is_no_ledger_is_refused_and_left_alone)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	FILE *f = fopen(scratch_file(&dir, "ledger.sqlite"), "w");
	struct ledger *l = NULL;
	struct stat st;

	fputs("this is some other file, and long enough to be looked into, which it is not", f);
	fclose(f);
	CHECK(ledger_open_to_read(dir.path, &l) == -EUCLEAN);
	CHECK(stat(scratch_file(&dir, "ledger.sqlite"), &st) == 0 && st.st_size == 75);
	unlink(scratch_file(&dir, "ledger.sqlite"));
	mkfifo(scratch_file(&dir, "ledger.sqlite"), 0600);
	CHECK(ledger_open_to_read(dir.path, &l) == -EUCLEAN);
}

TEST_MAIN()
