// SPDX-License-Identifier: GPL-2.0-or-later
/* What a worker says arrives in order, its end is always heard, and a dead parent stops it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "test.h"
#include "worker.h"

struct seen {
	sd_event *event;
	struct worker *worker;
	int n_messages, sum;
	bool in_order;
	bool ended;
	int r;
};

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct seen *seen = userdata;
	struct json_object *n;

	json_object_object_get_ex(message, "n", &n);
	seen->in_order = seen->in_order && json_object_get_int(n) == seen->n_messages;
	seen->n_messages++;
	if (wants_reply) {
		_cleanup_(json_object_putp) struct json_object *reply = json_object_new_object();

		json_object_object_add(reply, "twice",
				       json_object_new_int(2 * json_object_get_int(n)));
		CHECK(worker_reply(w, reply) == 0);
	}
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct seen *seen = userdata;

	seen->ended = true;
	seen->r = r;
	seen->worker = worker_free(w);
	sd_event_exit(seen->event, 0);
}

static struct json_object *number(int n)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "n", json_object_new_int(n));
	return o;
}

static struct seen run(worker_run run_in_child, uint64_t timeout_usec, void *job)
{
	struct worker_ops ops = { "test", run_in_child, on_message, on_done, timeout_usec };
	struct seen seen = { .in_order = true };

	CHECK(sd_event_new(&seen.event) == 0);
	CHECK(worker_start(seen.event, &ops, job, &seen, &seen.worker) == 0);
	CHECK(sd_event_loop(seen.event) == 0);
	seen.event = sd_event_unref(seen.event);
	return seen;
}

static int asks_and_tells(struct worker_link *link, void *job)
{
	for (int i = 0; i < *(int *)job; i++) {
		_cleanup_(json_object_putp) struct json_object *message = number(i);
		_cleanup_(json_object_putp) struct json_object *reply = NULL;
		struct json_object *twice;

		if (i % 2) {
			if (worker_tell(link, message) < 0)
				return -EIO;
			continue;
		}
		if (worker_ask(link, message, &reply) < 0 ||
		    !json_object_object_get_ex(reply, "twice", &twice) ||
		    json_object_get_int(twice) != 2 * i)
			return -EPROTO;
	}
	return 7;
}

TEST(a_thousand_messages_arrive_in_order_and_the_result_after_them)
{
	int n = 1000;
	struct seen seen = run(asks_and_tells, 0, &n);

	CHECK(seen.n_messages == n);
	CHECK(seen.in_order);
	CHECK(seen.ended && seen.r == 7);
}

static int says_a_megabyte(struct worker_link *link, void *job)
{
	_cleanup_(json_object_putp) struct json_object *message = number(0);
	_cleanup_(freep) char *text = malloc(1 << 20);

	memset(text, '\n', 1 << 20); /* every one is escaped: one line all the same */
	json_object_object_add(message, "text", json_object_new_string_len(text, 1 << 20));
	return worker_tell(link, message);
}

TEST(a_line_larger_than_every_socket_buffer_arrives_whole)
{
	struct seen seen = run(says_a_megabyte, 0, NULL);

	CHECK(seen.n_messages == 1);
	CHECK(seen.r == 0);
}

static int dies(struct worker_link *link, void *job)
{
	_cleanup_(json_object_putp) struct json_object *message = number(0);

	worker_tell(link, message);
	raise(SIGKILL);
	return 0;
}

TEST(a_worker_that_dies_is_an_error_and_what_it_said_before_counts)
{
	struct seen seen = run(dies, 0, NULL);

	CHECK(seen.n_messages == 1);
	CHECK(seen.r == -ECHILD);
}

static int hangs(struct worker_link *link, void *job)
{
	pause();
	return 0;
}

TEST(a_worker_that_hangs_is_killed_when_its_time_is_over)
{
	struct seen seen = run(hangs, 20000, NULL);

	CHECK(seen.r == -ETIME);
}

static int has_no_other_descriptor(struct worker_link *link, void *job)
{
	return fcntl(*(int *)job, F_GETFD) < 0 ? 0 : -EBADF;
}

TEST(a_worker_inherits_no_descriptor_of_the_daemon)
{
	_cleanup_(closep) int fd = open("/dev/null", O_RDONLY);
	struct seen seen = run(has_no_other_descriptor, 0, &fd);

	CHECK(fd > 2);
	CHECK(seen.r == 0);
}

/* Those of a pair: the first was told of, the second not. */
static int has_only_the_first(struct worker_link *link, void *job)
{
	const int *fds = job;

	return fcntl(fds[0], F_GETFD) >= 0 && fcntl(fds[1], F_GETFD) < 0 ? 0 : -EBADF;
}

TEST(a_worker_keeps_the_descriptors_that_it_was_told_of)
{
	int low = open("/dev/null", O_RDONLY), middle = open("/dev/null", O_RDONLY);
	int high = fcntl(low, F_DUPFD, 900), fds[2] = { high, low };

	CHECK(worker_keep_fd(high) == 0);
	CHECK(worker_keep_fd(middle) == 0);
	CHECK(run(has_only_the_first, 0, fds).r == 0);
	fds[0] = middle;
	CHECK(run(has_only_the_first, 0, fds).r == 0);
	worker_forget_fd(high);
	fds[1] = high;
	CHECK(run(has_only_the_first, 0, fds).r == 0);
	worker_forget_fd(middle);
	for (int i = 0; i < 15; i++)
		CHECK(worker_keep_fd(100 + i) == 0);
	CHECK(worker_keep_fd(200) == -ENOSPC);
	for (int i = 0; i < 15; i++)
		worker_forget_fd(100 + i);
	close(low);
	close(middle);
	close(high);
}

static int says_who_it_is_and_hangs(struct worker_link *link, void *job)
{
	_cleanup_(json_object_putp) struct json_object *message = number(getpid());

	worker_tell(link, message);
	pause();
	return 0;
}

/* Its pid goes to userdata. */
static void on_pid(struct worker *w, struct json_object *message, bool wants_reply, void *userdata)
{
	struct json_object *n;

	json_object_object_get_ex(message, "n", &n);
	*(pid_t *)userdata = json_object_get_int(n);
}

static void on_no_end(struct worker *w, int r, void *userdata)
{
	CHECK(!"a worker that is given up tells nothing more");
}

static struct worker *start_hanging(sd_event *event, bool only_reads, pid_t *ret)
{
	static struct worker_ops ops = { "test", says_who_it_is_and_hangs, on_pid, on_no_end };
	struct worker *w;

	ops.only_reads = only_reads;
	*ret = 0;
	if (worker_start(event, &ops, NULL, ret, &w) < 0)
		exit(99);
	while (!*ret)
		if (sd_event_run(event, UINT64_MAX) < 0)
			exit(99);
	return w;
}

TEST(a_worker_that_is_given_up_is_killed_and_reaped_by_the_loop)
{
	sd_event *event;
	pid_t pid;

	REQUIRE(sd_event_new(&event) == 0);
	worker_free(start_hanging(event, false, &pid));
	/* A zombie can be signalled, too; what was reaped can't. */
	for (unsigned i = 0; i < 1000 && kill(pid, 0) == 0; i++)
		CHECK(sd_event_run(event, 10 * 1000) >= 0);
	CHECK(kill(pid, 0) < 0 && errno == ESRCH);
	sd_event_unref(event);
}

/* Starts a worker, tells its pid, and is killed. */
static void be_a_daemon_that_is_killed(int fd)
{
	sd_event *event;
	pid_t pid;

	if (sd_event_new(&event) < 0)
		_exit(1);
	start_hanging(event, true, &pid);
	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	raise(SIGKILL);
}

TEST(a_worker_that_only_reads_dies_with_the_daemon)
{
	pid_t daemon, worker = 0;
	int fds[2], status = 0;

	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	REQUIRE(pipe(fds) == 0);
	daemon = fork();
	if (daemon == 0)
		be_a_daemon_that_is_killed(fds[1]);
	CHECK(waitpid(daemon, &status, 0) == daemon && WIFSIGNALED(status));
	REQUIRE(read(fds[0], &worker, sizeof(worker)) == sizeof(worker));
	CHECK(waitpid(worker, &status, 0) == worker);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(fds[0]);
	close(fds[1]);
}

TEST(a_child_whose_daemon_is_gone_gets_no_answer_but_an_error)
{
	_cleanup_(worker_link_freep) struct worker_link *link = NULL;
	_cleanup_(json_object_putp) struct json_object *message = number(1);
	_cleanup_(json_object_putp) struct json_object *reply = NULL;
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	link = worker_link_new(pair[0]);
	REQUIRE(link);
	close(pair[1]);
	CHECK(worker_ask(link, message, &reply) == -EPIPE);
	CHECK(!reply);
}

TEST_MAIN()
