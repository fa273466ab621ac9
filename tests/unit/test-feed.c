// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "feed/feed.h"
#include "feed/queue.h"
#include "log.h"
#include "scratch.h"
#include "test.h"

struct bench {
	struct scratch dir;
	sd_event *event;
	struct feed *feed;
};

static void bench_done(struct bench *b)
{
	feed_free(b->feed);
	sd_event_unref(b->event);
	scratch_done(&b->dir);
}

static struct bench bench_new(bool socket, const char *file, const char *journal)
{
	struct bench b = { .dir = scratch_new() };
	struct feed_settings settings = {
		.journal = journal,
		.socket = socket,
		.file = file ? scratch_file(&b.dir, file) : NULL,
		.runtime_dir = b.dir.path,
		.journal_socket = journal ? scratch_file(&b.dir, journal) : NULL,
	};

	log_set_max_level(LOG_LEVEL_ERR);
	CHECK(sd_event_new(&b.event) >= 0);
	CHECK(feed_new(b.event, &settings, NULL, &b.feed) == 0);
	return b;
}

static void run_loop(struct bench *b)
{
	while (sd_event_run(b->event, 0) > 0)
		;
}

static int connect_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static int connect_client(struct bench *b)
{
	int fd = connect_at(scratch_file(&b->dir, "events"));

	run_loop(b);
	return fd;
}

static void send_filler(struct feed *f, size_t n_bytes)
{
	_cleanup_(json_object_putp) struct json_object *data = json_object_new_object();
	_cleanup_(freep) char *text = malloc(n_bytes + 1);

	memset(text, 'x', n_bytes);
	text[n_bytes] = '\0';
	json_object_object_add(data, "what", json_object_new_string(text));
	feed_send(f, "source.restored", SEVERITY_INFO, 0, data);
}

#define READER_BYTES (8u << 20) /* more than any claim here sends */

/* A reader that puts lines together again. */
struct reader {
	int fd;
	char *text;
	size_t n_bytes;
	size_t n_taken; /* of them, by next_event() */
};

static void reader_done(struct reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->text);
}

static void take_what_is_there(struct reader *r)
{
	ssize_t n = 1;

	if (!r->text)
		r->text = calloc(1, READER_BYTES);
	while (n > 0 && r->n_bytes < READER_BYTES - 1) {
		n = recv(r->fd, r->text + r->n_bytes, READER_BYTES - 1 - r->n_bytes, MSG_DONTWAIT);
		r->n_bytes += n > 0 ? (size_t)n : 0;
	}
}

/* The next whole line as an event, or NULL. */
static struct json_object *next_event(struct reader *r)
{
	char *begin = r->text + r->n_taken, *end = memchr(begin, '\n', r->n_bytes - r->n_taken);
	struct json_object *event;

	if (!end)
		return NULL;
	*end = '\0';
	event = json_tokener_parse(begin);
	CHECK(event);
	r->n_taken = (size_t)(end + 1 - r->text);
	return event;
}

static bool all_taken(const struct reader *r)
{
	return r->n_taken == r->n_bytes;
}

static uint64_t seq_of(struct json_object *event)
{
	return json_object_get_uint64(json_object_object_get(event, "seq"));
}

static bool is_type(struct json_object *event, const char *type)
{
	return !strcmp(json_object_get_string(json_object_object_get(event, "type")), type);
}

static uint64_t dropped_of(struct json_object *event)
{
	return json_object_get_uint64(
		json_object_object_get(json_object_object_get(event, "data"), "dropped"));
}

TEST(ten_readers_get_the_same_events_in_order)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	struct reader readers[10] = { 0 };

	for (size_t i = 0; i < 10; i++)
		readers[i].fd = connect_client(&b);
	for (unsigned i = 0; i < 100; i++)
		send_filler(b.feed, 10);
	for (size_t i = 0; i < 10; i++) {
		take_what_is_there(&readers[i]);
		for (uint64_t seq = 1; seq <= 100; seq++) {
			_cleanup_(json_object_putp) struct json_object *event =
				next_event(&readers[i]);

			REQUIRE(event && seq_of(event) == seq);
		}
		CHECK(all_taken(&readers[i]));
		reader_done(&readers[i]);
	}
	CHECK(feed_n_sent(b.feed) == 100 && feed_n_dropped(b.feed) == 0);
}

TEST(a_new_reader_gets_only_what_comes_from_then_on)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	_cleanup_(reader_done) struct reader r = { .fd = -1 };
	_cleanup_(json_object_putp) struct json_object *event = NULL;

	send_filler(b.feed, 10);
	r.fd = connect_client(&b);
	send_filler(b.feed, 10);
	take_what_is_there(&r);
	event = next_event(&r);
	CHECK(event && seq_of(event) == 2 && all_taken(&r));
}

/* Every number is either there or counted by the gap in its place. */
static void check_no_silent_loss(struct reader *r, uint64_t last_seq, uint64_t *ret_dropped,
				 unsigned *ret_gaps)
{
	struct json_object *event;
	uint64_t seq = 0;

	*ret_dropped = 0;
	*ret_gaps = 0;
	while ((event = next_event(r))) {
		if (is_type(event, "io.hwpoisond.feed.gap")) {
			CHECK(seq_of(event) == seq + dropped_of(event));
			*ret_dropped += dropped_of(event);
			++*ret_gaps;
		} else {
			CHECK(seq_of(event) == seq + 1);
		}
		seq = seq_of(event);
		json_object_put(event);
	}
	CHECK(seq == last_seq);
}

TEST(a_slow_reader_is_told_exactly_what_it_missed)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	_cleanup_(reader_done) struct reader slow = { .fd = -1 }, quick = { .fd = -1 };
	uint64_t dropped;
	unsigned gaps;

	slow.fd = connect_client(&b);
	quick.fd = connect_client(&b);
	for (unsigned i = 0; i < 3000; i++) {
		send_filler(b.feed, 1000);
		take_what_is_there(&quick);
	}
	CHECK(feed_n_dropped(b.feed) > 500);
	/* It wakes up: nothing new is sent, and still it hears of the gap. */
	for (unsigned i = 0; i < 200; i++) {
		take_what_is_there(&slow);
		run_loop(&b);
	}
	check_no_silent_loss(&slow, 3000, &dropped, &gaps);
	CHECK(gaps == 1 && dropped == feed_n_dropped(b.feed));
	check_no_silent_loss(&quick, 3000, &dropped, &gaps);
	CHECK(gaps == 0);

	send_filler(b.feed, 10);
	take_what_is_there(&slow);
	CHECK(!all_taken(&slow) && slow.text[slow.n_bytes - 1] == '\n');
}

TEST(what_could_never_fit_is_a_gap_of_its_own)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	_cleanup_(reader_done) struct reader r = { .fd = -1 };
	uint64_t dropped;
	unsigned gaps;

	r.fd = connect_client(&b);
	send_filler(b.feed, 10);
	send_filler(b.feed, QUEUE_MAX_BYTES);
	send_filler(b.feed, 10);
	take_what_is_there(&r);
	check_no_silent_loss(&r, 3, &dropped, &gaps);
	CHECK(gaps == 1 && dropped == 1);
}

TEST(a_reader_that_leaves_or_talks_disturbs_nobody)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	_cleanup_(reader_done) struct reader r = { .fd = -1 };
	int leaver = connect_client(&b), talker = connect_client(&b), full = connect_client(&b);
	char noise[4096] = "GET / HTTP/1.1\n";
	uint64_t dropped;
	unsigned gaps;

	r.fd = connect_client(&b);
	for (unsigned i = 0; i < 1000; i++)
		send(talker, noise, sizeof(noise), MSG_DONTWAIT | MSG_NOSIGNAL);
	CHECK(sd_event_run(b.event, 0) == 0); /* it does not even wake us */
	close(leaver);
	send_filler(b.feed, 10);
	for (unsigned i = 0; i < 500; i++)
		send_filler(b.feed, 1000);
	close(full); /* with a queue */
	run_loop(&b);
	send_filler(b.feed, 10);
	for (unsigned i = 0; i < 20; i++) {
		take_what_is_there(&r);
		run_loop(&b);
	}
	check_no_silent_loss(&r, 502, &dropped, &gaps);
	CHECK(gaps == 0);
	close(talker);
	run_loop(&b);
}

TEST(the_65th_reader_is_turned_away_and_a_place_that_is_left_is_given_again)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	int fds[65];
	char byte;

	for (size_t i = 0; i < 65; i++)
		fds[i] = connect_client(&b);
	CHECK(recv(fds[64], &byte, 1, MSG_DONTWAIT) == 0); /* end of file */
	CHECK(recv(fds[63], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	close(fds[64]);
	close(fds[0]);
	run_loop(&b);
	fds[0] = connect_client(&b);
	CHECK(recv(fds[0], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	for (size_t i = 0; i < 64; i++)
		close(fds[i]);
	run_loop(&b);
}

TEST(the_socket_is_private_replaces_a_dead_one_and_leaves_with_us)
{
	struct bench b = bench_new(true, NULL, NULL);
	struct feed_settings settings = { .socket = true, .runtime_dir = b.dir.path };
	_cleanup_(feed_freep) struct feed *second = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = scratch_file(&b.dir, "events");
	struct stat st = { 0 };
	int dead;

	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0660);

	/* Somebody listens there: he keeps it. */
	log_set_max_level(LOG_LEVEL_ERR);
	CHECK(feed_new(b.event, &settings, NULL, &second) == 0);
	CHECK(feed_n_failed_sinks(second) == 1);
	second = feed_free(second);
	CHECK(stat(path, &st) == 0);

	b.feed = feed_free(b.feed);
	CHECK(stat(path, &st) < 0);

	dead = socket(AF_UNIX, SOCK_STREAM, 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	CHECK(bind(dead, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(dead);
	CHECK(feed_new(b.event, &settings, NULL, &b.feed) == 0);
	CHECK(feed_n_failed_sinks(b.feed) == 0);
	close(connect_at(path));
	b.feed = feed_free(b.feed);

	/* Not a socket: not ours to delete. */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK(feed_new(b.event, &settings, NULL, &b.feed) == 0);
	CHECK(feed_n_failed_sinks(b.feed) == 1);
	b.feed = feed_free(b.feed);
	CHECK(stat(path, &st) == 0 && S_ISREG(st.st_mode));
	bench_done(&b);
}

TEST(the_last_events_are_sent_before_we_end)
{
	_cleanup_(bench_done) struct bench b = bench_new(true, NULL, NULL);
	_cleanup_(reader_done) struct reader r = { .fd = -1 }, stuck = { .fd = -1 };
	int pair[2], status;
	pid_t pid;
	char c;

	REQUIRE(pipe(pair) == 0);
	r.fd = connect_client(&b);
	stuck.fd = connect_client(&b);
	for (unsigned i = 0; i < 800; i++)
		send_filler(b.feed, 1000);

	/* A reader that goes on only while we end, beside one that never does. */
	pid = fork();
	if (pid == 0) {
		uint64_t n_bytes = 0;
		char buffer[65536];
		ssize_t n;

		b.feed = NULL;
		if (write(pair[1], "", 1) < 0 || dup2(r.fd, 3) < 0)
			_exit(2);
		close_range(4, ~0U, 0); /* the other end is ours, too: it would never end */
		while (n_bytes < 800 * 1000 && (n = read(3, buffer, sizeof(buffer))) > 0)
			n_bytes += (uint64_t)n;
		_exit(n_bytes >= 800 * 1000 ? 0 : 1);
	}
	CHECK(read(pair[0], &c, 1) == 1); /* it runs */
	b.feed = feed_free(b.feed);
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(pair[0]);
	close(pair[1]);
}

static struct reader read_file(struct bench *b, const char *name)
{
	struct reader r = { .fd = open(scratch_file(&b->dir, name), O_RDONLY) };

	r.text = calloc(1, READER_BYTES);
	if (r.fd >= 0)
		r.n_bytes = (size_t)read(r.fd, r.text, READER_BYTES - 1);
	return r;
}

TEST(a_rotated_file_is_left_for_a_new_one)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "e.jsonl", NULL);
	struct reader old, new;
	uint64_t dropped;
	unsigned gaps;

	send_filler(b.feed, 10);
	CHECK(rename(scratch_file(&b.dir, "e.jsonl"), scratch_file(&b.dir, "e.jsonl.1")) == 0);
	send_filler(b.feed, 10);
	feed_reopen(b.feed);
	send_filler(b.feed, 10);

	old = read_file(&b, "e.jsonl.1");
	check_no_silent_loss(&old, 2, &dropped, &gaps);
	new = read_file(&b, "e.jsonl");
	CHECK(strstr(new.text, "\"seq\":3,") && !strstr(new.text, "\"seq\":2,"));
	reader_done(&old);
	reader_done(&new);
}

TEST(a_line_that_a_power_cut_left_open_spoils_no_other)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "e.jsonl", NULL);
	struct reader r;
	FILE *f = fopen(scratch_file(&b.dir, "e.jsonl"), "we");

	fputs("{\"half\":", f);
	fclose(f);
	feed_reopen(b.feed);
	send_filler(b.feed, 10);
	send_filler(b.feed, 10);
	r = read_file(&b, "e.jsonl");
	CHECK(!strncmp(r.text, "{\"half\":\n{\"specversion\"", 23));
	CHECK(strstr(r.text, "}\n{\"specversion\""));
	reader_done(&r);
}

TEST(a_file_whose_directory_comes_late_is_opened_then)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "late/e.jsonl", NULL);
	struct reader r;
	uint64_t dropped;
	unsigned gaps;

	CHECK(feed_n_failed_sinks(b.feed) == 1);
	send_filler(b.feed, 10);
	send_filler(b.feed, 10);
	CHECK(feed_n_dropped(b.feed) == 2);
	CHECK(mkdir(scratch_file(&b.dir, "late"), 0700) == 0);
	send_filler(b.feed, 10);
	CHECK(feed_n_failed_sinks(b.feed) == 0);
	r = read_file(&b, "late/e.jsonl");
	check_no_silent_loss(&r, 3, &dropped, &gaps);
	CHECK(gaps == 1 && dropped == 2);
	reader_done(&r);
}

TEST(a_fifo_is_not_a_file_for_events)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "fifo", NULL);

	CHECK(unlink(scratch_file(&b.dir, "fifo")) == 0);
	CHECK(mkfifo(scratch_file(&b.dir, "fifo"), 0600) == 0);
	feed_reopen(b.feed); /* returns */
	CHECK(feed_n_failed_sinks(b.feed) == 1);
	send_filler(b.feed, 10);
	CHECK(feed_n_dropped(b.feed) == 0); /* the old one is still open */
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void fill_the_file_and_go_on(void)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "e.jsonl", NULL);
	struct reader r;
	uint64_t dropped;
	unsigned gaps;

	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(10000);
	for (unsigned i = 0; i < 20; i++)
		send_filler(b.feed, 700);
	CHECK(feed_n_dropped(b.feed) > 5 && feed_n_failed_sinks(b.feed) == 1);

	/* Room for the gap, but not for the event behind it: still whole lines only. */
	r = read_file(&b, "e.jsonl");
	CHECK(r.text[r.n_bytes - 1] == '\n');
	set_file_limit(r.n_bytes + 500);
	reader_done(&r);
	send_filler(b.feed, 700);

	set_file_limit(RLIM_INFINITY);
	send_filler(b.feed, 700);
	CHECK(feed_n_failed_sinks(b.feed) == 0);
	r = read_file(&b, "e.jsonl");
	check_no_silent_loss(&r, 22, &dropped, &gaps);
	CHECK(dropped == feed_n_dropped(b.feed) && gaps >= 2);
	reader_done(&r);
}

TEST(a_full_file_system_is_a_gap_and_no_half_line)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		fill_the_file_and_go_on();
		fflush(stdout);
		_exit(n_failed_checks ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int journald_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* One entry, through the datagram or the memfd in it. Its length, or -1: none is there. */
static ssize_t take_entry(int fd, char *text, size_t max_bytes)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, max_bytes - 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
	int memory;

	if (n < 0)
		return -1;
	if (CMSG_FIRSTHDR(&message)) {
		memcpy(&memory, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(memory));
		CHECK(fcntl(memory, F_GET_SEALS) ==
		      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
		n = pread(memory, text, max_bytes - 1, 0);
		close(memory);
	}
	text[n] = '\0';
	return n;
}

TEST(the_journal_gets_a_sentence_with_the_event_beside_it)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, NULL, "journal");
	_cleanup_(closep) int fd = journald_at(scratch_file(&b.dir, "journal"));
	_cleanup_(incident_freep) struct incident *in =
		incident_new((struct range){ 0x8021a000, 4096 }, SOURCE_BADBLOCKS);
	struct owner *owner = incident_add_owner(in);
	char text[65536];

	in->number = 7;
	string_set(&in->device.blockdev, "pmem0");
	owner->inode = 131;
	strv_push(&owner->paths, "/mnt/\033[2J\nMESSAGE_ID=forged");
	feed_send_incident(b.feed, "poison.resolved", SEVERITY_CRITICAL, in, NULL);

	REQUIRE(take_entry(fd, text, sizeof(text)) > 0);
	CHECK(strstr(text, "MESSAGE=Memory poison: 4096 bytes at 0x8021a000 on pmem0 belong to "
			   "/mnt/ [2J MESSAGE_ID=forged (incident 7)\n"
			   "MESSAGE_ID=64fa10734a42688167d78e7576ef708a\n"
			   "PRIORITY=2\n") == text);
	CHECK(strstr(text, "\nHWPOISOND_INCIDENT=7\n"));
	CHECK(strstr(text, "\nHWPOISOND_TYPE=io.hwpoisond.poison.resolved\n"));
	CHECK(strstr(text, "\nHWPOISOND_EVENT={\"specversion\":\"1.0\","));
	CHECK(!strcmp(text + strlen(text) - 2, "}\n"));
}

TEST(an_event_too_big_for_a_datagram_reaches_the_journal_whole)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, NULL, "journal");
	_cleanup_(closep) int fd = journald_at(scratch_file(&b.dir, "journal"));
	_cleanup_(freep) char *text = malloc(4 << 20);

	send_filler(b.feed, 900 << 10);
	CHECK(take_entry(fd, text, 4 << 20) > 2 * 900 << 10);
	CHECK(!strcmp(text + strlen(text) - 4, "\"}}\n"));
}

TEST(a_journal_that_hangs_delays_nobody_and_hears_of_the_gap)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, NULL, "journal");
	_cleanup_(closep) int fd = journald_at(scratch_file(&b.dir, "journal"));
	char text[65536], *at;
	uint64_t n_entries = 0, n_gapped = 0;

	for (unsigned i = 0; i < 2000; i++)
		send_filler(b.feed, 1000);
	CHECK(feed_n_dropped(b.feed) > 0);
	for (unsigned i = 0; i < 5000; i++) {
		while (take_entry(fd, text, sizeof(text)) >= 0) {
			at = strstr(text, "\"data\":{\"dropped\":");
			if (at)
				n_gapped += strtoul(at + 18, NULL, 10);
			else
				n_entries++;
		}
		run_loop(&b);
	}
	CHECK(n_gapped == feed_n_dropped(b.feed));
	CHECK(n_entries + n_gapped == 2000);
	CHECK(sd_event_run(b.event, 0) == 0); /* and nothing keeps us awake */
}

TEST(a_journal_that_is_away_hears_of_the_gap_when_it_is_back)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, NULL, "journal");
	_cleanup_(closep) int fd = -1;
	char text[65536];

	send_filler(b.feed, 10);
	send_filler(b.feed, 10);
	CHECK(feed_n_failed_sinks(b.feed) == 1 && feed_n_dropped(b.feed) == 2);

	fd = journald_at(scratch_file(&b.dir, "journal"));
	send_filler(b.feed, 10);
	CHECK(feed_n_failed_sinks(b.feed) == 0);
	CHECK(take_entry(fd, text, sizeof(text)) > 0 && strstr(text, "{\"dropped\":2}"));
	CHECK(take_entry(fd, text, sizeof(text)) > 0 && strstr(text, "\"seq\":3,"));

	/* Another restart, between two events. */
	close(fd);
	unlink(scratch_file(&b.dir, "journal"));
	fd = journald_at(scratch_file(&b.dir, "journal"));
	send_filler(b.feed, 10);
	CHECK(take_entry(fd, text, sizeof(text)) > 0 && strstr(text, "\"seq\":4,"));
	CHECK(take_entry(fd, text, sizeof(text)) < 0);
}

struct listener {
	struct feed *feed;
	uint64_t id, other_id;
	unsigned n_heard;
};

static void leave_and_take_the_other_along(struct json_object *event, void *userdata)
{
	struct listener *l = userdata;

	l->n_heard++;
	feed_unsubscribe(l->feed, l->id);
	feed_unsubscribe(l->feed, l->other_id);
	if (l->n_heard == 1)
		send_filler(l->feed, 10); /* from within */
}

static void count(struct json_object *event, void *userdata)
{
	++*(unsigned *)userdata;
}

TEST(subscribers_may_leave_while_they_are_told)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, NULL, NULL);
	struct listener l = { .feed = b.feed };
	unsigned n_other = 0, n_stays = 0;
	uint64_t id;

	CHECK(feed_subscribe(b.feed, leave_and_take_the_other_along, &l, &l.id) == 0);
	CHECK(feed_subscribe(b.feed, count, &n_other, &l.other_id) == 0);
	CHECK(feed_subscribe(b.feed, count, &n_stays, &id) == 0);
	send_filler(b.feed, 10);
	send_filler(b.feed, 10);
	CHECK(l.n_heard == 1 && n_other == 0 && n_stays == 3);
	feed_unsubscribe(b.feed, id);
	feed_unsubscribe(b.feed, id);
	send_filler(b.feed, 10);
	CHECK(n_stays == 3);
}

TEST(numbers_come_from_the_ledger_and_go_on_there)
{
	_cleanup_(bench_done) struct bench b = bench_new(false, "e.jsonl", NULL);
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	struct feed_settings settings = { .file = scratch_file(&b.dir, "e.jsonl") };
	struct reader r;
	uint64_t dropped;
	unsigned gaps;

	for (unsigned run = 0; run < 2; run++) {
		feed_free(b.feed);
		ledger = ledger_free(ledger);
		REQUIRE(ledger_open(b.dir.path, &ledger, NULL) == 0);
		REQUIRE(feed_new(b.event, &settings, ledger, &b.feed) == 0);
		for (unsigned i = 0; i < 10; i++)
			send_filler(b.feed, 10);
	}
	r = read_file(&b, "e.jsonl");
	check_no_silent_loss(&r, 20, &dropped, &gaps);
	reader_done(&r);
	b.feed = feed_free(b.feed);
}

TEST_MAIN()
