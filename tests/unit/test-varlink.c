// SPDX-License-Identifier: GPL-2.0-or-later
/* Real sockets in a temporary directory, a real event loop, and clients that behave badly. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/varlink.h"
#include "log.h"
#include "test.h"

static struct varlink_call *kept; /* of Later and Stream */
static unsigned n_changes, n_gone, n_streamed;
static bool may_change = true, may_read = true;

static void echo(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	varlink_reply(call, parameters);
}

static void later(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	kept = call;
}

static void change(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	n_changes++;
	varlink_reply(call, NULL);
}

static void big(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	int n_bytes = (int)varlink_int(parameters, "n_bytes", 0);
	_cleanup_(freep) char *text = malloc((size_t)n_bytes + 1);
	_cleanup_(json_object_putp) struct json_object *reply = json_object_new_object();

	memset(text, 'x', (size_t)n_bytes);
	text[n_bytes] = '\0';
	json_object_object_add(reply, "text", json_object_new_string(text));
	varlink_reply(call, reply);
}

static void stream_gone(struct varlink_call *call, void *userdata)
{
	n_gone++;
	kept = NULL;
	varlink_drop(call);
}

static void stream(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	varlink_call_notify(call, stream_gone, NULL, NULL);
	kept = call;
	varlink_continue(call, NULL);
}

static void flood_more(struct varlink_call *call, void *userdata)
{
	_cleanup_(json_object_putp) struct json_object *n = json_object_new_object();

	while (n_streamed < 100000) {
		json_object_object_add(n, "n", json_object_new_int64(n_streamed));
		if (varlink_continue(call, n) < 0)
			return;
		n_streamed++;
	}
	varlink_reply(call, NULL);
}

static void flood_gone(struct varlink_call *call, void *userdata)
{
	n_gone++;
	varlink_drop(call);
}

static void flood(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	varlink_call_notify(call, flood_gone, flood_more, NULL);
	flood_more(call, NULL);
}

static const struct varlink_method methods[] = {
	{ "Echo",
	  echo,
	  0,
	  { { "text", VARLINK_STRING, false },
	    { "number", VARLINK_INT, false },
	    { "flag", VARLINK_BOOL, false },
	    { "list", VARLINK_STRINGS, false } } },
	{ "Later", later, 0, {} },
	{ "Change", change, VARLINK_CHANGES, {} },
	{ "Big", big, 0, { { "n_bytes", VARLINK_INT, true } } },
	{ "Stream", stream, VARLINK_NEEDS_MORE, {} },
	{ "Flood", flood, VARLINK_NEEDS_MORE, {} },
	{},
};

static const struct varlink_interface interface = {
	.name = "test.simple",
	.description = "interface test.simple\n",
	.vendor = "v",
	.product = "p",
	.version = "1",
	.url = "u",
	.methods = methods,
};

static bool may(const struct varlink_peer *peer, bool wants_change, void *userdata)
{
	return wants_change ? may_change : may_read;
}

struct bed {
	char dir[32];
	char path[64];
	sd_event *event;
	struct varlink_server *server;
};

static struct bed bed_up(void)
{
	struct bed b = { .dir = "/tmp/test-varlink-XXXXXX" };

	log_set_max_level(0);
	may_change = may_read = true;
	kept = NULL;
	n_changes = n_gone = n_streamed = 0;
	if (!mkdtemp(b.dir) || sd_event_new(&b.event) < 0)
		abort();
	snprintf(b.path, sizeof(b.path), "%s/socket", b.dir);
	if (varlink_server_new(b.event, &interface, may, NULL, &b.server) < 0 ||
	    varlink_server_listen(b.server, b.path, 0600, (gid_t)-1) < 0)
		abort();
	return b;
}

static void bed_down(struct bed *b)
{
	varlink_server_free(b->server);
	sd_event_unref(b->event);
	rmdir(b->dir);
}

/* Run the loop until nothing is left to do. */
static void spin(struct bed *b)
{
	while (sd_event_run(b->event, 0) > 0)
		;
}

static int client(struct bed *b)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, b->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	spin(b);
	return fd;
}

static void say_bytes(struct bed *b, int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		spin(b);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		}
	}
}

/* With the NUL. */
static void say(struct bed *b, int fd, const char *text)
{
	say_bytes(b, fd, text, strlen(text) + 1);
}

/* The next message, "" when none is there, "closed" at the end. Static memory. */
static const char *hear(struct bed *b, int fd)
{
	static char text[65536];
	size_t n = 0;

	for (;;) {
		ssize_t r = recv(fd, text + n, 1, 0);

		if (r < 0 && errno == EAGAIN)
			spin(b), r = recv(fd, text + n, 1, 0);
		if (r < 0 && errno == EAGAIN) {
			text[n] = '\0';
			return text;
		}
		if (r <= 0)
			return "closed";
		if (text[n++] == '\0')
			return text;
	}
}

#define ECHO(n)	 "{\"method\":\"test.simple.Echo\",\"parameters\":{\"number\":" #n "}}"
#define REPLY(n) "{\"parameters\":{\"number\":" #n "}}"
#define STANDARD(error, key, value)                                                                \
	"{\"parameters\":{\"" key "\":\"" value "\"},\"error\":\"org.varlink.service." error "\"}"

TEST(a_call_is_answered)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, ECHO(7));
	CHECK_STREQ(hear(&b, fd), REPLY(7));
	say(&b, fd, "{\"method\":\"test.simple.Echo\",\"parameters\":null}");
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{}}");
	say(&b, fd, "{\"method\":\"test.simple.Echo\"}");
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{}}");
}

TEST(a_message_may_come_byte_by_byte)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	const char *text = ECHO(7);

	for (size_t i = 0; i <= strlen(text); i++) {
		CHECK_STREQ(hear(&b, fd), "");
		say_bytes(&b, fd, text + i, 1);
	}
	CHECK_STREQ(hear(&b, fd), REPLY(7));
}

TEST(many_messages_may_come_at_once_and_are_answered_in_order)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	char all[300 * 80];
	size_t n = 0;

	for (unsigned i = 0; i < 300; i++)
		n += (size_t)sprintf(
			     all + n,
			     "{\"method\":\"test.simple.Echo\",\"parameters\":{\"number\":%u}}",
			     i) +
		     1;
	say_bytes(&b, fd, all, n);
	for (unsigned i = 0; i < 300; i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "{\"parameters\":{\"number\":%u}}", i);
		CHECK_STREQ(hear(&b, fd), expected);
	}
	CHECK_STREQ(hear(&b, fd), "");
}

TEST(what_is_no_call_closes_the_connection_and_no_other)
{
	static const char *const bad[] = {
		"",
		"garbage",
		"[]",
		"7",
		"{\"method\":\"test.simple.Echo\"} {}",
		"{\"method\":\"test.simple.Echo\"",
		"{\"method\":7}",
		"{}",
		"{\"method\":\"test.simple.Echo\",\"parameters\":[]}",
		"{\"method\":\"test.simple.Echo\",\"more\":1}",
		"{\"method\":\"test.simple.Echo\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"test.simple.Echo\",\"upgrade\":true}",
		"{\"method\":\"test.simple.Echo\",\"unheard\":true}",
		"{\"method\":\"test.simple.Echo\",\"parameters\":{\"text\":\"\xff\xfe\"}}",
		"{\"method\":\"test.simple.Echo\\u0000\"}",
		"{'method':'test.simple.Echo'}",
	};
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int other = client(&b);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		_cleanup_(closep) int fd = client(&b);

		say(&b, fd, bad[i]);
		CHECK_STREQ(hear(&b, fd), "closed");
	}
	say(&b, other, ECHO(1));
	CHECK_STREQ(hear(&b, other), REPLY(1));
}

TEST(a_depth_bomb_closes_the_connection)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	char text[100001];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	say(&b, fd, text);
	CHECK_STREQ(hear(&b, fd), "closed");
}

TEST(ten_megabytes_are_cut_off_after_one)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b), other = client(&b);
	_cleanup_(freep) char *text = malloc(10u << 20);

	memset(text, ' ', 10u << 20);
	say_bytes(&b, fd, text, 10u << 20);
	CHECK(send(fd, "", 1, MSG_NOSIGNAL) < 0);
	say(&b, other, ECHO(1));
	CHECK_STREQ(hear(&b, other), REPLY(1));
}

TEST(a_message_of_exactly_one_mebibyte_is_served)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b), fd2 = client(&b);
	_cleanup_(freep) char *text = malloc(VARLINK_MAX_MESSAGE + 2);

	memset(text, ' ', VARLINK_MAX_MESSAGE + 1);
	memcpy(text, ECHO(1), strlen(ECHO(1)));
	text[VARLINK_MAX_MESSAGE] = '\0';
	say_bytes(&b, fd, text, VARLINK_MAX_MESSAGE + 1);
	CHECK_STREQ(hear(&b, fd), REPLY(1));

	text[VARLINK_MAX_MESSAGE] = ' ';
	text[VARLINK_MAX_MESSAGE + 1] = '\0';
	say_bytes(&b, fd2, text, VARLINK_MAX_MESSAGE + 2);
	CHECK(strcmp(hear(&b, fd2), REPLY(1)));
}

TEST(half_a_message_and_gone)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	pid_t pids[4];

	say_bytes(&b, fd, "{\"method\":", 10);
	CHECK(varlink_server_pids(b.server, pids, 4) == 1 && pids[0] == getpid());
	close(TAKE_FD(fd));
	spin(&b);
	CHECK(varlink_server_pids(b.server, pids, 4) == 0);
}

TEST(who_stops_writing_still_gets_the_answers)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Later\"}");
	say(&b, fd, ECHO(2));
	shutdown(fd, SHUT_WR);
	spin(&b);
	REQUIRE(kept);
	varlink_reply(TAKE(kept), NULL);
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{}}");
	CHECK_STREQ(hear(&b, fd), REPLY(2));
	CHECK_STREQ(hear(&b, fd), "closed");
}

TEST(wrong_parameters_are_named)
{
	static const char *const bad[][2] = {
		{ "{\"unknown\":1}", "unknown" },
		{ "{\"number\":\"1\"}", "number" },
		{ "{\"number\":1.0}", "number" },
		{ "{\"number\":99999999999999999999}", "number" },
		{ "{\"number\":9223372036854775808}", "number" },
		{ "{\"flag\":0}", "flag" },
		{ "{\"text\":{}}", "text" },
		{ "{\"text\":\"a\\u0000b\"}", "text" },
		{ "{\"list\":\"a\"}", "list" },
		{ "{\"list\":[\"a\",1]}", "list" },
		{ "{\"list\":[null]}", "list" },
	};
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[256], expected[256];

		snprintf(text, sizeof(text), "{\"method\":\"test.simple.Echo\",\"parameters\":%s}",
			 bad[i][0]);
		snprintf(expected, sizeof(expected),
			 STANDARD("InvalidParameter", "parameter", "%s"), bad[i][1]);
		say(&b, fd, text);
		CHECK_STREQ(hear(&b, fd), expected);
	}
	say(&b, fd, "{\"method\":\"test.simple.Big\"}");
	CHECK_STREQ(hear(&b, fd), STANDARD("InvalidParameter", "parameter", "n_bytes"));
	say(&b, fd, "{\"method\":\"test.simple.Big\",\"parameters\":{\"n_bytes\":null}}");
	CHECK_STREQ(hear(&b, fd), STANDARD("InvalidParameter", "parameter", "n_bytes"));
	say(&b, fd, ECHO(9223372036854775807));
	CHECK_STREQ(hear(&b, fd), REPLY(9223372036854775807));
}

TEST(unknown_names_get_the_standard_errors)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Nothing\"}");
	CHECK_STREQ(hear(&b, fd), STANDARD("MethodNotFound", "method", "test.simple.Nothing"));
	say(&b, fd, "{\"method\":\"test.other.Echo\"}");
	CHECK_STREQ(hear(&b, fd), STANDARD("InterfaceNotFound", "interface", "test.other"));
	say(&b, fd, "{\"method\":\"Echo\"}");
	CHECK_STREQ(hear(&b, fd), STANDARD("InterfaceNotFound", "interface", "Echo"));
	say(&b, fd, "{\"method\":\"test.simple.Stream\"}");
	CHECK_STREQ(hear(&b, fd),
		    "{\"parameters\":{},\"error\":\"org.varlink.service.ExpectedMore\"}");
}

TEST(the_service_describes_itself)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	CHECK_STREQ(hear(&b, fd),
		    "{\"parameters\":{\"vendor\":\"v\",\"product\":\"p\",\"version\":\"1\",\"url\":"
		    "\"u\",\"interfaces\":[\"org.varlink.service\",\"test.simple\"]}}");
	say(&b, fd,
	    "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
	    "\"interface\":\"test.simple\"}}");
	CHECK_STREQ(hear(&b, fd),
		    "{\"parameters\":{\"description\":\"interface test.simple\\n\"}}");
	say(&b, fd, "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"a\":1}}");
	CHECK_STREQ(hear(&b, fd), STANDARD("InvalidParameter", "parameter", "a"));
}

TEST(oneway_runs_and_gets_no_reply_not_even_an_error)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Change\",\"oneway\":true}");
	say(&b, fd, "{\"method\":\"test.simple.Nothing\",\"oneway\":true}");
	say(&b, fd, ECHO(3));
	CHECK_STREQ(hear(&b, fd), REPLY(3));
	CHECK(n_changes == 1);
}

TEST(a_oneway_call_counts_although_its_client_left_at_once)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	const char *text = "{\"method\":\"test.simple.Change\",\"oneway\":true}";

	CHECK(send(fd, text, strlen(text) + 1, 0) > 0);
	close(TAKE_FD(fd));
	spin(&b);
	CHECK(n_changes == 1);
}

TEST(later_calls_wait_for_the_open_one)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b), other = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Later\"}");
	say(&b, fd, ECHO(1));
	CHECK_STREQ(hear(&b, fd), "");
	say(&b, other, ECHO(5));
	CHECK_STREQ(hear(&b, other), REPLY(5));

	REQUIRE(kept);
	varlink_error(TAKE(kept), "test.simple.No", NULL);
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{},\"error\":\"test.simple.No\"}");
	CHECK_STREQ(hear(&b, fd), REPLY(1));
}

TEST(an_answer_for_a_client_that_left_goes_nowhere)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Later\"}");
	close(TAKE_FD(fd));
	spin(&b);
	REQUIRE(kept);
	varlink_reply(TAKE(kept), NULL);
}

TEST(an_answer_after_the_server_is_gone_goes_nowhere)
{
	struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Later\"}");
	bed_down(&b);
	REQUIRE(kept);
	varlink_reply(TAKE(kept), NULL);
}

TEST(a_stream_tells_its_method_when_the_client_leaves)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Stream\",\"more\":true}");
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{},\"continues\":true}");
	REQUIRE(kept);
	CHECK(varlink_continue(kept, NULL) == 0);
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{},\"continues\":true}");
	close(TAKE_FD(fd));
	spin(&b);
	CHECK(n_gone == 1 && !kept);
}

TEST(a_stream_ends_and_the_next_call_goes_on)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Stream\",\"more\":true}");
	say(&b, fd, ECHO(1));
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{},\"continues\":true}");
	CHECK_STREQ(hear(&b, fd), "");
	REQUIRE(kept);
	varlink_reply(TAKE(kept), NULL);
	CHECK_STREQ(hear(&b, fd), "{\"parameters\":{}}");
	CHECK_STREQ(hear(&b, fd), REPLY(1));
}

TEST(a_slow_reader_of_a_stream_gets_everything_and_bounds_our_queue)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	unsigned n_heard = 0;

	say(&b, fd, "{\"method\":\"test.simple.Flood\",\"more\":true}");
	CHECK(n_streamed > 0 && n_streamed < 50000);
	while (strcmp(hear(&b, fd), "{\"parameters\":{}}"))
		n_heard++;
	CHECK(n_heard == 100000 && n_streamed == 100000);
}

TEST(a_stream_whose_reader_never_reads_ends_with_its_client)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);

	say(&b, fd, "{\"method\":\"test.simple.Flood\",\"more\":true}");
	CHECK(n_streamed < 50000);
	close(TAKE_FD(fd));
	spin(&b);
	CHECK(n_gone == 1);
}

TEST(a_client_that_never_reads_is_not_worked_for)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b), other = client(&b);
	const char *text = "{\"method\":\"test.simple.Change\"}";
	unsigned n_sent = 0;

	/* Its socket fills up in both directions, and then it is its own problem. */
	while (n_sent < 1000000 && send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) > 0) {
		n_sent++;
		if (n_sent % 100 == 0)
			spin(&b);
	}
	CHECK(n_sent < 1000000);
	CHECK(n_changes < n_sent);
	say(&b, other, ECHO(1));
	CHECK_STREQ(hear(&b, other), REPLY(1));
}

TEST(a_reply_may_be_big_but_not_endless)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	size_t n = 0;
	char chunk[65536];

	say(&b, fd, "{\"method\":\"test.simple.Big\",\"parameters\":{\"n_bytes\":15000000}}");
	for (;;) {
		ssize_t got = recv(fd, chunk, sizeof(chunk), 0);

		if (got < 0)
			break;
		n += (size_t)got;
		spin(&b);
	}
	CHECK(n == 15000000 + strlen("{\"parameters\":{\"text\":\"\"}}") + 1);

	say(&b, fd, "{\"method\":\"test.simple.Big\",\"parameters\":{\"n_bytes\":17000000}}");
	CHECK_STREQ(hear(&b, fd), "closed");
}

TEST(the_65th_connection_is_turned_away_and_some_are_kept_for_root)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	int fds[VARLINK_MAX_CONNECTIONS], fd;

	may_change = false;
	for (size_t i = 0; i < VARLINK_MAX_CONNECTIONS - VARLINK_RESERVED; i++)
		fds[i] = client(&b);
	fd = client(&b);
	CHECK_STREQ(hear(&b, fd), "closed");
	close(fd);

	may_change = true;
	for (size_t i = VARLINK_MAX_CONNECTIONS - VARLINK_RESERVED; i < VARLINK_MAX_CONNECTIONS;
	     i++)
		fds[i] = client(&b);
	fd = client(&b);
	CHECK_STREQ(hear(&b, fd), "closed");
	close(fd);

	say(&b, fds[63], ECHO(1));
	CHECK_STREQ(hear(&b, fds[63]), REPLY(1));
	close(fds[0]);
	spin(&b);
	fds[0] = client(&b);
	say(&b, fds[0], ECHO(2));
	CHECK_STREQ(hear(&b, fds[0]), REPLY(2));
	for (size_t i = 0; i < VARLINK_MAX_CONNECTIONS; i++)
		close(fds[i]);
	spin(&b);
}

TEST(who_may_not_is_told_so_and_nothing_happens)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(closep) int fd = client(&b);
	const char *denied =
		"{\"parameters\":{},\"error\":\"org.varlink.service.PermissionDenied\"}";

	may_change = false;
	say(&b, fd, "{\"method\":\"test.simple.Change\"}");
	CHECK_STREQ(hear(&b, fd), denied);
	CHECK(n_changes == 0);
	say(&b, fd, ECHO(1));
	CHECK_STREQ(hear(&b, fd), REPLY(1));

	may_read = false;
	say(&b, fd, "{\"method\":\"test.simple.Echo\",\"parameters\":{\"nonsense\":1}}");
	CHECK_STREQ(hear(&b, fd), denied);
	say(&b, fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	CHECK(strstr(hear(&b, fd), "vendor"));
}

TEST(groups_of_a_peer_are_searched_in_full)
{
	gid_t more[] = { 7, 8 };
	struct varlink_peer peer = { .gid = 5, .groups = more, .n_groups = 2 };

	CHECK(varlink_peer_in_group(&peer, 5));
	CHECK(varlink_peer_in_group(&peer, 8));
	CHECK(!varlink_peer_in_group(&peer, 6));
}

TEST(a_dead_socket_is_replaced_a_living_one_is_not)
{
	_cleanup_(bed_down) struct bed b = bed_up();
	_cleanup_(varlink_server_freep) struct varlink_server *second = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	REQUIRE(varlink_server_new(b.event, &interface, may, NULL, &second) == 0);
	CHECK(varlink_server_listen(second, b.path, 0600, (gid_t)-1) == -EADDRINUSE);
	CHECK(varlink_server_listen(second, b.dir, 0600, (gid_t)-1) == -EEXIST);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dead", b.dir);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(TAKE_FD(fd));
	CHECK(varlink_server_listen(second, address.sun_path, 0640, (gid_t)-1) == 0);
	CHECK(stat(address.sun_path, &st) == 0 && (st.st_mode & 07777) == 0640);
	second = varlink_server_free(second);
	CHECK(stat(address.sun_path, &st) < 0);
}

TEST_MAIN()
