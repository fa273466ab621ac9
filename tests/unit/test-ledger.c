// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ledger/ledger.h"
#include "scratch.h"
#include "test.h"

static struct incident *some_incident(const char *blockdev)
{
	struct incident *in = incident_new((struct range){ 0x8021a000, 4096 }, SOURCE_BADBLOCKS);

	string_set(&in->device.blockdev, blockdev);
	return in;
}

static uint64_t put_new(struct ledger *l, const char *blockdev)
{
	_cleanup_(incident_freep) struct incident *in = some_incident(blockdev);

	CHECK(ledger_put_incident(l, in) == 0);
	return in->number;
}

/* What sqlite3(1) would see; -1 where it sees nothing. */
static int64_t query(const struct scratch *dir, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	int64_t value = -1;

	if (sqlite3_open(scratch_file(dir, "ledger.sqlite"), &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return value;
}

/* As a ledger that is set aside today is called, the n-th. */
static const char *aside_name(unsigned n)
{
	static char names[3][64];
	char *name = names[n];
	time_t now = time(NULL);
	size_t length;

	length = strftime(name, sizeof(names[0]), "ledger.sqlite.damaged-%F", gmtime(&now));
	if (n > 1)
		snprintf(name + length, sizeof(names[0]) - length, "-%u", n);
	return name;
}

static const char *aside_file(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", aside_name(1), file);
	return path;
}

static int add_number(struct incident *in, void *userdata)
{
	char *list = userdata;

	sprintf(list + strlen(list), "%d ", (int)in->number);
	incident_free(in);
	return 0;
}

TEST(a_reopened_ledger_has_everything)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(incident_freep) struct incident *in = some_incident("pmem0"), *back = NULL;
	char list[64] = "";

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	string_set(&in->device.bus, "\xff not UTF-8");
	REQUIRE(ledger_put_incident(l, in) == 0);
	CHECK(in->number == 1);
	CHECK(put_new(l, "pmem1") == 2);
	in->state = INCIDENT_REPAIRED;
	CHECK(ledger_put_incident(l, in) == 0);
	l = ledger_free(l);

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(ledger_get_incident(l, 1, &back) == 0);
	CHECK(back->number == 1 && back->state == INCIDENT_REPAIRED);
	CHECK(back->phys.start_bytes == 0x8021a000 && back->phys.length_bytes == 4096);
	CHECK_STREQ(back->device.bus, "\xff not UTF-8");
	CHECK(ledger_incidents(l, false, add_number, list) == 0);
	CHECK_STREQ(list, "2 ");
	CHECK(ledger_incidents(l, true, add_number, list) == 0);
	CHECK_STREQ(list, "2 1 2 ");
}

TEST(nobody_else_reads_the_file)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct stat st = { 0 };

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_new(l, "pmem0");
	CHECK(stat(scratch_file(&dir, "ledger.sqlite"), &st) == 0 && (st.st_mode & 077) == 0);
	CHECK(stat(scratch_file(&dir, "ledger.sqlite-wal"), &st) == 0 && (st.st_mode & 077) == 0);
}

TEST(what_is_not_there_is_said)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct incident *in = NULL;
	struct salvaged_page page;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_get_incident(l, 1, &in) == -ENOENT && !in);
	CHECK(ledger_outcome(l, 1, 0, NULL) == -ENOENT);
	CHECK(ledger_get_salvage(l, 1, 0, &page) == -ENOENT);
	l = ledger_free(l);
	CHECK(ledger_open("/nonexistent/directory", &l, NULL) == -ENOENT && !l);
}

TEST(a_number_is_never_used_again)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(put_new(l, "a") == 1 && put_new(l, "b") == 2 && put_new(l, "c") == 3);
	l = ledger_free(l);
	query(&dir, "DELETE FROM incident"); /* an administrator tidied up */
	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(put_new(l, "d") == 4);
}

TEST(sequence_numbers_go_on_without_a_hole_after_an_orderly_end)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	uint64_t seq = 0;

	for (uint64_t run = 0; run < 3; run++) {
		_cleanup_(ledger_freep) struct ledger *l = NULL;

		REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
		for (uint64_t i = 1; i <= 1000; i++) {
			CHECK(ledger_next_seq(l, &seq) == 0);
			REQUIRE(seq == run * 1000 + i);
		}
	}
}

/* Numbers and incidents until somebody kills us, told through the pipe once they are ours. */
static void run_until_killed(const char *dir, int fd)
{
	struct ledger *l = NULL;
	uint64_t told[2] = { 0 };

	if (ledger_open(dir, &l, NULL) != 0)
		_exit(1);
	for (;;) {
		struct incident *in = some_incident("pmem0");

		if (ledger_put_incident(l, in) < 0 || ledger_next_seq(l, &told[0]) < 0)
			_exit(1);
		told[1] = in->number;
		incident_free(in);
		if (write(fd, told, sizeof(told)) != sizeof(told))
			_exit(1);
	}
}

TEST(kill_9_loses_no_incident_and_repeats_no_number)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	uint64_t last[2] = { 0 }, seq = 0;
	struct incident *in = NULL;

	for (unsigned round = 0; round < 8; round++) {
		int fds[2], status = 0;
		uint64_t told[2];
		pid_t pid;

		REQUIRE(pipe(fds) == 0);
		pid = fork();
		if (pid == 0)
			run_until_killed(dir.path, fds[1]);
		close(fds[1]);
		for (unsigned i = 0; i < 20 + 37 * round; i++)
			REQUIRE(read(fds[0], told, sizeof(told)) == sizeof(told));
		kill(pid, SIGKILL);
		CHECK(told[0] > last[0] && told[1] > last[1]);
		memcpy(last, told, sizeof(last));
		/* What it still told before the signal hit counts, too. */
		while (read(fds[0], told, sizeof(told)) == sizeof(told))
			memcpy(last, told, sizeof(last));
		close(fds[0]);
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status));
	}

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_next_seq(l, &seq) == 0 && seq > last[0]);
	CHECK(ledger_get_incident(l, last[1], &in) == 0);
	incident_free(in);
	CHECK(put_new(l, "pmem0") > last[1]);
}

static void write_file(const struct scratch *dir, const char *name, const char *text, off_t at)
{
	int fd = open(scratch_file(dir, name), O_WRONLY | O_CREAT, 0600);

	CHECK(fd >= 0 && pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
	close(fd);
}

TEST(a_file_that_is_no_database_is_set_aside_untouched)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(freep) char *aside = NULL;
	char text[64] = "";
	FILE *f;

	write_file(&dir, "ledger.sqlite", "somebody's only copy of a poem", 0);
	write_file(&dir, aside_name(1), "an older one", 0);
	REQUIRE(ledger_open(dir.path, &l, &aside) == 1);
	CHECK_STREQ(aside, aside_name(2));
	CHECK(put_new(l, "pmem0") == 1);

	f = fopen(scratch_file(&dir, aside_name(2)), "re");
	REQUIRE(f);
	CHECK(fread(text, 1, sizeof(text) - 1, f) == 30);
	CHECK_STREQ(text, "somebody's only copy of a poem");
	fclose(f);
}

TEST(a_damaged_ledger_is_set_aside_and_a_new_one_begun)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(freep) char *aside = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	for (unsigned i = 0; i < 100; i++)
		put_new(l, "pmem0");
	l = ledger_free(l);

	/* The tables' pages, not the header. */
	for (off_t page = 1; page < 8; page++)
		write_file(&dir, "ledger.sqlite", "\xde\xad\xbe\xef\xde\xad\xbe\xef", page * 4096);
	REQUIRE(ledger_open(dir.path, &l, &aside) == 1);
	CHECK_STREQ(aside, aside_name(1));
	CHECK(access(scratch_file(&dir, aside_name(1)), F_OK) == 0);
	CHECK(put_new(l, "pmem0") == 1);
}

TEST(somebody_elses_database_is_set_aside)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	query(&dir, "CREATE TABLE bookmark (url)");
	REQUIRE(ledger_open(dir.path, &l, NULL) == 1); /* the name is not wanted */
	CHECK(put_new(l, "pmem0") == 1);
	CHECK(access(scratch_file(&dir, aside_name(1)), F_OK) == 0);
}

TEST(a_directory_in_its_place_is_set_aside)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(freep) char *aside = NULL;

	REQUIRE(mkdir(scratch_file(&dir, "ledger.sqlite"), 0700) == 0);
	write_file(&dir, "ledger.sqlite/inside", "x", 0);
	REQUIRE(ledger_open(dir.path, &l, &aside) == 1);
	CHECK_STREQ(aside, aside_name(1));
	CHECK(access(scratch_file(&dir, aside_file("inside")), F_OK) == 0);
}

TEST(a_fifo_in_its_place_is_set_aside_without_waiting_for_its_writer)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	REQUIRE(mkfifo(scratch_file(&dir, "ledger.sqlite"), 0600) == 0);
	CHECK(ledger_open(dir.path, &l, NULL) == 1);
}

TEST(an_empty_file_becomes_a_ledger)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	write_file(&dir, "ledger.sqlite", "", 0);
	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(put_new(l, "pmem0") == 1);
}

TEST(a_log_that_outlived_its_ledger_is_not_taken_for_its_content)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL, *second = NULL;
	struct incident *in = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_new(l, "pmem0"); /* still in the log */
	REQUIRE(unlink(scratch_file(&dir, "ledger.sqlite")) == 0);
	REQUIRE(ledger_open(dir.path, &second, NULL) == 0);
	CHECK(ledger_get_incident(second, 1, &in) == -ENOENT);
	CHECK(put_new(second, "pmem1") == 1);
}

TEST(a_newer_ledger_is_left_where_it_is)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_new(l, "pmem0");
	l = ledger_free(l);
	query(&dir, "PRAGMA user_version=99");
	CHECK(ledger_open(dir.path, &l, NULL) == -EPROTONOSUPPORT && !l);
	CHECK(query(&dir, "SELECT count(*) FROM incident") == 1);
	CHECK(access(scratch_file(&dir, aside_name(1)), F_OK) < 0);
}

static int end_walk(struct incident *in, void *userdata)
{
	incident_free(in);
	return -ECANCELED;
}

/* As the first version made it, with a repair that was cut off. */
TEST(a_ledger_of_the_first_version_becomes_one_of_this)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(incident_freep) struct incident *in = some_incident("pmem0");
	struct salvaged_page page = { .phys_start = 4096, .length_bytes = 4096, .bad_sectors = 2 };
	struct salvaged_page back = {};

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	in->updated_usec = 1234567;
	CHECK(ledger_put_incident(l, in) == 0);
	memset(page.data, 'x', sizeof(page.data));
	CHECK(ledger_put_salvage(l, 1, &page) == 0);
	l = ledger_free(l);
	query(&dir, "ALTER TABLE salvage DROP COLUMN restored_sectors");
	query(&dir, "DROP INDEX incident_ended");
	query(&dir, "DROP INDEX intent_page");
	query(&dir, "ALTER TABLE incident DROP COLUMN updated_usec");
	query(&dir, "PRAGMA user_version=1");
	CHECK(query(&dir, "PRAGMA user_version") == 1);

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0); /* and not set aside */
	CHECK(query(&dir, "PRAGMA user_version") == 3);
	CHECK(query(&dir, "SELECT count(*) FROM sqlite_schema WHERE name = 'intent_page'") == 1);
	CHECK(query(&dir, "SELECT updated_usec FROM incident") == 1234567);
	CHECK(ledger_get_salvage(l, 1, 4096, &back) == 0);
	CHECK(back.bad_sectors == 2 && !back.restored_sectors && back.data[4095] == 'x');
	page.restored_sectors = 2;
	CHECK(ledger_put_salvage(l, 1, &page) == 0);
	CHECK(ledger_get_salvage(l, 1, 4096, &back) == 0 && back.restored_sectors == 2);
	CHECK(put_new(l, "pmem1") == 2);
}

TEST(one_unreadable_incident_does_not_hide_the_others)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct incident *in = NULL;
	char list[64] = "";

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_new(l, "a"), put_new(l, "b"), put_new(l, "c");
	query(&dir, "UPDATE incident SET json='{' WHERE number=2");
	CHECK(ledger_incidents(l, false, add_number, list) == -EUCLEAN);
	CHECK_STREQ(list, "1 3 ");
	CHECK(ledger_get_incident(l, 2, &in) == -EUCLEAN && !in);
	CHECK(ledger_incidents(l, true, end_walk, NULL) == -ECANCELED);
}

struct closing {
	struct ledger *ledger;
	int64_t last;
	unsigned n;
};

/* Closes each intent in the middle of the walk, as recovery does. */
static int close_intent(int64_t intent, uint64_t incident, const char *step,
			struct json_object *detail, void *userdata)
{
	struct closing *c = userdata;

	CHECK(intent > c->last);
	CHECK_STREQ(step, c->n == 0 ? "pin" : c->n == 1 ? "swap" : "clear");
	CHECK(incident == 7 + c->n);
	CHECK(c->n == 1 ? json_object_get_int(json_object_object_get(detail, "inode")) == 131
			: !detail);
	CHECK(ledger_outcome(c->ledger, intent, -EIO, NULL) == 0);
	CHECK(ledger_outcome(c->ledger, intent, 0, NULL) == -ENOENT); /* once */
	c->last = intent;
	c->n++;
	return 0;
}

TEST(unfinished_intents_come_back_in_order)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(json_object_putp) struct json_object *detail =
		json_tokener_parse("{\"inode\":131}");
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct closing c = { 0 };
	int64_t done = 0, id;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(ledger_intent(l, 7, "pin", NULL, &id) == 0);
	REQUIRE(ledger_intent(l, 7, "salvage", detail, &done) == 0);
	REQUIRE(ledger_intent(l, 8, "swap", detail, &id) == 0);
	REQUIRE(ledger_intent(l, 9, "clear", NULL, &id) == 0);
	CHECK(ledger_outcome(l, done, 0, detail) == 0);
	l = ledger_free(l);

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	c.ledger = l;
	CHECK(ledger_unfinished(l, close_intent, &c) == 0);
	CHECK(c.n == 3);
	CHECK(ledger_unfinished(l, close_intent, &c) == 0);
	CHECK(c.n == 3);
	CHECK(query(&dir, "SELECT result FROM intent WHERE step='clear'") == -EIO);
}

TEST(the_steps_of_one_incident_are_told_with_their_outcomes)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(json_object_putp) struct json_object *detail = json_tokener_parse(
							       "{\"inode\":131}"),
						       *steps = NULL;
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	int64_t id;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(ledger_intent(l, 7, "pin", NULL, &id) == 0);
	CHECK(ledger_outcome(l, id, -5, detail) == 0);
	REQUIRE(ledger_intent(l, 8, "pin", NULL, &id) == 0);
	REQUIRE(ledger_intent(l, 7, "swap", detail, &id) == 0);
	REQUIRE(ledger_steps(l, 7, &steps) == 0);
	CHECK_STREQ(json_object_to_json_string_ext(steps, JSON_C_TO_STRING_PLAIN),
		    "[{\"intent\":1,\"step\":\"pin\",\"finished\":true,\"result\":-5,"
		    "\"outcome\":{\"inode\":131}},"
		    "{\"intent\":3,\"step\":\"swap\",\"detail\":{\"inode\":131},"
		    "\"finished\":false}]");
}

TEST(a_page_is_told_its_own_steps_of_those_of_an_incident)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(json_object_putp) struct json_object *page = json_tokener_parse(
							       "{\"phys_start\":\"0x8021a000\"}"),
						       *next = json_tokener_parse(
							       "{\"phys_start\":\"0x8021b000\"}"),
						       *steps = NULL, *none = NULL;
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	int64_t id;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(ledger_intent(l, 7, "remap", page, &id) == 0);
	REQUIRE(ledger_intent(l, 7, "pause", NULL, &id) == 0);
	REQUIRE(ledger_intent(l, 7, "remap", next, &id) == 0);
	REQUIRE(ledger_intent(l, 8, "remap", page, &id) == 0);
	REQUIRE(ledger_intent(l, 7, "clear", page, &id) == 0);
	REQUIRE(ledger_steps_of_page(l, 7, 0x8021a000, &steps) == 0);
	CHECK_STREQ(json_object_to_json_string_ext(steps, JSON_C_TO_STRING_PLAIN),
		    "[{\"intent\":1,\"step\":\"remap\",\"detail\":{\"phys_start\":\"0x8021a000\"},"
		    "\"finished\":false},"
		    "{\"intent\":5,\"step\":\"clear\",\"detail\":{\"phys_start\":\"0x8021a000\"},"
		    "\"finished\":false}]");
	REQUIRE(ledger_steps_of_page(l, 7, 0x8021c000, &none) == 0);
	CHECK(json_object_array_length(none) == 0);
}

TEST(salvaged_bytes_come_back_byte_for_byte_until_they_are_dropped)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct salvaged_page page = {
		.phys_start = UINT64_MAX - 4095,
		.length_bytes = PAGE_BYTES,
		.bad_sectors = 0x80000081,
	}, back;

	for (size_t i = 0; i < sizeof(page.data); i++)
		page.data[i] = (uint8_t)(i * 7);
	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(ledger_put_salvage(l, 7, &page) == 0);
	l = ledger_free(l);
	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);

	REQUIRE(ledger_get_salvage(l, 7, page.phys_start, &back) == 0);
	CHECK(!memcmp(&page, &back, sizeof(page)));
	CHECK(ledger_get_salvage(l, 8, page.phys_start, &back) == -ENOENT);
	CHECK(ledger_get_salvage(l, 7, 0, &back) == -ENOENT);
	CHECK(ledger_drop_salvage(l, 8) == 0);
	CHECK(ledger_get_salvage(l, 7, page.phys_start, &back) == 0);
	CHECK(ledger_drop_salvage(l, 7) == 0);
	CHECK(ledger_get_salvage(l, 7, page.phys_start, &back) == -ENOENT);
}

TEST(a_loss_that_is_said_twice_counts_once)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(loss_done) struct loss loss = {
		.inode = 131,
		.file_offset_bytes = 8192,
		.length_bytes = 512,
	};

	strv_push(&loss.paths, "/mnt/\xff");
	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_add_loss(l, 7, &loss) == 0); /* no mountpoint */
	CHECK(ledger_add_loss(l, 7, &loss) == 0);
	CHECK(ledger_add_loss(l, 8, &loss) == 0);
	string_set(&loss.mountpoint, "/mnt");
	CHECK(ledger_add_loss(l, 7, &loss) == 0);
	CHECK(query(&dir, "SELECT count(*) FROM loss") == 3);
}

/* Ended at that time, with a step, a page and a loss; its number. */
static uint64_t put_ended(struct ledger *l, enum incident_state state, uint64_t usec)
{
	_cleanup_(incident_freep) struct incident *in = some_incident("pmem0");
	struct salvaged_page page = { .phys_start = 4096, .length_bytes = 4096 };
	struct loss loss = { .inode = 131, .file_offset_bytes = 512, .length_bytes = 512 };
	int64_t intent;

	in->state = state;
	in->updated_usec = usec;
	CHECK(ledger_put_incident(l, in) == 0);
	CHECK(ledger_intent(l, in->number, "remap", NULL, &intent) == 0);
	CHECK(ledger_outcome(l, intent, 0, NULL) == 0);
	CHECK(ledger_put_salvage(l, in->number, &page) == 0);
	CHECK(ledger_add_loss(l, in->number, &loss) == 0);
	return in->number;
}

TEST(what_ended_before_its_time_is_forgotten_whole)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	char list[64] = "";
	int64_t intent;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_ended(l, INCIDENT_REPAIRED, 100);
	put_ended(l, INCIDENT_LEFT, 100); /* open, and as old as can be */
	put_ended(l, INCIDENT_GONE, 100);
	CHECK(ledger_intent(l, 3, "stop-unit", NULL, &intent) == 0); /* something is still to do */
	put_ended(l, INCIDENT_GONE, 200);
	put_ended(l, INCIDENT_REPAIRED, 199);
	CHECK(ledger_prune(l, 200, 0, 100) == 2);
	CHECK(ledger_incidents(l, true, add_number, list) == 0);
	CHECK_STREQ(list, "2 3 4 ");
	CHECK(query(&dir, "SELECT count(*) FROM loss") == 3);
	CHECK(query(&dir, "SELECT count(*) FROM salvage") == 3);
	CHECK(query(&dir, "SELECT count(*) FROM intent") == 4);
	CHECK(ledger_outcome(l, intent, 0, NULL) == 0);
	CHECK(ledger_prune(l, 200, 0, 100) == 1);
	CHECK(put_new(l, "pmem0") == 6); /* no number is given again */
	CHECK(ledger_prune(l, 0, 0, 100) == 0);
}

TEST(what_is_too_much_is_forgotten_from_the_oldest_on)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	int n, all = 0;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	for (uint64_t i = 1; i <= 400; i++)
		put_ended(l, i % 40 ? INCIDENT_GONE : INCIDENT_LEFT, 1000 - i);
	while ((n = ledger_prune(l, 0, 1 << 20, 7)) > 0) {
		CHECK(n <= 7);
		all += n;
	}
	CHECK(n == 0 && all > 100 && all < 390);
	/* Of those that ended, the ones that are left are the last. */
	CHECK(query(&dir, "SELECT count(*) FROM incident WHERE open") == 10);
	CHECK(query(&dir, "SELECT count(*) FROM incident WHERE NOT open") == 390 - all);
	CHECK(query(&dir, "SELECT min(updated_usec) FROM incident WHERE NOT open") > 600 + all);
	CHECK(ledger_prune(l, 0, 1, 1000) == 390 - all); /* open ones stay in any case */
	CHECK(query(&dir, "SELECT count(*) FROM incident") == 10);
}

TEST(losses_add_up)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	uint64_t n_bytes = 1;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_lost_bytes(l, &n_bytes) == 0 && n_bytes == 0);
	put_ended(l, INCIDENT_REPAIRED, 100);
	put_ended(l, INCIDENT_REPAIRED, 100);
	CHECK(ledger_lost_bytes(l, &n_bytes) == 0 && n_bytes == 1024);
}

TEST(a_reader_in_the_middle_of_its_read_does_not_break_us)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	sqlite3 *reader = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	put_new(l, "pmem0");
	REQUIRE(sqlite3_open(scratch_file(&dir, "ledger.sqlite"), &reader) == SQLITE_OK);
	CHECK(sqlite3_exec(reader, "BEGIN; SELECT * FROM incident", NULL, NULL, NULL) == 0);
	for (unsigned i = 0; i < 600; i++) /* past the checkpoint that the reader holds up */
		REQUIRE(put_new(l, "pmem0") == i + 2);
	sqlite3_close(reader);
}

TEST(a_writer_that_never_ends_is_an_error_and_not_a_hang)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(incident_freep) struct incident *in = some_incident("pmem0");
	sqlite3 *writer = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	REQUIRE(sqlite3_open(scratch_file(&dir, "ledger.sqlite"), &writer) == SQLITE_OK);
	CHECK(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	CHECK(ledger_put_incident(l, in) == -EBUSY);
	CHECK(in->number == 1);
	sqlite3_close(writer);
	CHECK(ledger_put_incident(l, in) == 0 && in->number == 1);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void fill_and_go_on(const char *dir)
{
	struct ledger *l = NULL;
	struct incident *in = some_incident("pmem0");
	uint64_t n_put = 0, seq = 0, last = 0;
	char list[65536] = "";
	int64_t id;
	int r;

	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(ledger_open(dir, &l, NULL) == 0);
	CHECK(ledger_next_seq(l, &last) == 0);
	set_file_limit(256 << 10);
	do
		r = ledger_put_incident(l, in);
	while (r == 0 && ++n_put < 10000 && (in->number = 0, true));
	CHECK(r == -ENOSPC && in->number == n_put + 1);

	CHECK(ledger_intent(l, 1, "swap", NULL, &id) == -ENOSPC);
	/* Numbers do not run out with the disk, they only stop being durable once none is left. */
	for (unsigned i = 0; i < 3000; i++) {
		r = ledger_next_seq(l, &seq);
		REQUIRE(seq == last + 1 && (i > 100 || r == 0));
		last = seq;
	}
	CHECK(r == -ENOSPC);
	CHECK(ledger_incidents(l, true, add_number, list) == 0);

	set_file_limit(RLIM_INFINITY);
	CHECK(ledger_put_incident(l, in) == 0 && in->number == n_put + 1);
	CHECK(ledger_intent(l, 1, "swap", NULL, &id) == 0);
	CHECK(ledger_next_seq(l, &seq) == 0 && seq == last + 1);
	incident_free(in);
	ledger_free(l);

	REQUIRE(ledger_open(dir, &l, NULL) == 0);
	CHECK(ledger_next_seq(l, &seq) == 0 && seq == last + 2);
	CHECK(ledger_get_incident(l, n_put, &in) == 0);
	incident_free(in);
	ledger_free(l);
}

TEST(a_batch_is_on_record_at_once_when_it_is_committed)
{
	static const char count[] = "SELECT count(*) FROM incident";
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_begin(l) == 0 && ledger_begin(l) == 0);
	CHECK(put_new(l, "pmem0") == 1 && put_new(l, "pmem0") == 2);
	CHECK(query(&dir, count) == 0);
	CHECK(ledger_commit(l) == 0);
	CHECK(query(&dir, count) == 2);
	CHECK(ledger_commit(l) == 0);
	CHECK(put_new(l, "pmem0") == 3 && query(&dir, count) == 3);
}

/* An intent allows a step that can't be taken back, a number is used at once. */
TEST(what_must_be_on_record_by_itself_does_not_wait_for_the_batch)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	uint64_t seq;
	int64_t id;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_begin(l) == 0);
	put_new(l, "pmem0");
	CHECK(ledger_intent(l, 1, "swap", NULL, &id) == 0);
	CHECK(query(&dir, "SELECT count(*) FROM incident") == 1);
	CHECK(query(&dir, "SELECT count(*) FROM intent") == 1);
	CHECK(ledger_commit(l) == 0);

	CHECK(ledger_begin(l) == 0);
	put_new(l, "pmem0");
	CHECK(ledger_next_seq(l, &seq) == 0 && seq == 1);
	CHECK(query(&dir, "SELECT value FROM counter WHERE name = 'seq'") >= 1);
	CHECK(ledger_commit(l) == 0);
}

TEST(a_batch_that_is_never_committed_is_on_record_after_an_orderly_end)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	struct ledger *l = NULL;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_begin(l) == 0);
	put_new(l, "pmem0");
	ledger_free(l);
	CHECK(query(&dir, "SELECT count(*) FROM incident") == 1);
}

static void lose_a_batch(const char *dir)
{
	struct ledger *l = NULL;
	int r = 0;

	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(ledger_open(dir, &l, NULL) == 0);
	CHECK(put_new(l, "pmem0") == 1);
	CHECK(ledger_begin(l) == 0);
	put_new(l, "pmem1");
	set_file_limit(0);
	r = ledger_commit(l);
	CHECK(r == -ENOSPC || r == -EIO);
	set_file_limit(RLIM_INFINITY);
	CHECK(put_new(l, "pmem2") == 3);
	ledger_free(l);
}

TEST(a_batch_that_finds_no_room_says_so_and_no_number_is_given_again)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		lose_a_batch(dir.path);
		fflush(stdout);
		_exit(n_failed_checks ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(query(&dir, "SELECT count(*) FROM incident") == 2);
	CHECK(query(&dir, "SELECT max(number) FROM incident") == 3);
}

TEST(numbers_that_were_reserved_in_time_wait_for_no_disk)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	int64_t before;
	uint64_t seq;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	for (unsigned i = 0; i < 1000; i++) {
		CHECK(i == 0 || ledger_reserve_seq(l) == 0);
		before = query(&dir, "SELECT value FROM counter WHERE name = 'seq'");
		CHECK(ledger_next_seq(l, &seq) == 0 && seq == i + 1);
		if (i % 100)
			continue;
		CHECK(i == 0 ||
		      query(&dir, "SELECT value FROM counter WHERE name = 'seq'") == before);
		CHECK(i == 0 || before >= (int64_t)seq);
	}
}

TEST(a_full_disk_is_said_and_everything_works_again_after_it)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		fill_and_go_on(dir.path);
		fflush(stdout);
		_exit(n_failed_checks ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void go_on_without_room(const char *dir, uint64_t last_seq)
{
	struct ledger *l = NULL;
	struct incident *in = NULL, *unwritten = some_incident("pmem0"),
			*next = some_incident("pmem1");
	uint64_t seq = 0;

	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(0);
	REQUIRE(ledger_open(dir, &l, NULL) == 0);
	CHECK(ledger_get_incident(l, 1, &in) == 0);
	CHECK(ledger_next_seq(l, &seq) == -ENOSPC && seq == last_seq + 1);
	CHECK(ledger_put_incident(l, unwritten) == -ENOSPC && unwritten->number == 2);
	set_file_limit(RLIM_INFINITY);
	CHECK(ledger_put_incident(l, next) == 0 && next->number == 3);
	CHECK(ledger_put_incident(l, unwritten) == 0 && unwritten->number == 2);
	incident_free(in);
	incident_free(unwritten);
	incident_free(next);
	ledger_free(l);
}

/* Numbers that begin anew would be taken for those of old events. */
TEST(a_disk_that_is_full_at_the_next_start_hides_nothing)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	struct incident *in = some_incident("pmem0");
	struct ledger *l = NULL;
	uint64_t seq = 0;
	int status = 0;
	pid_t pid;

	REQUIRE(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(ledger_put_incident(l, in) == 0 && ledger_next_seq(l, &seq) == 0);
	incident_free(in);
	ledger_free(l);

	pid = fork();
	if (pid == 0) {
		go_on_without_room(dir.path, seq);
		fflush(stdout);
		_exit(n_failed_checks ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(a_disk_that_is_full_from_the_start_leaves_nothing_half_made)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		set_file_limit(8192);
		_exit(ledger_open(dir.path, &l, NULL) == -ENOSPC && !l ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(ledger_open(dir.path, &l, NULL) == 0);
	CHECK(access(scratch_file(&dir, aside_name(1)), F_OK) < 0);
}

TEST_MAIN()
