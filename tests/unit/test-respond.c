// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/respond, on real processes that hold a real file. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "holders/process.h"
#include "respond/respond.h"
#include "test.h"

/* One lost page of one file, and whoever holds it. */
struct bed {
	char path[64];
	int fd;
	int proc_fd;
	struct incident *in;
	pid_t children[16];
	size_t n_children;
	char *events[16]; /* in the order they were told */
	size_t n_events;
};

static struct bed bed_new(void)
{
	struct bed bed = { .path = "/tmp/test-respond-XXXXXX" };
	struct owner *o;
	struct stat st;

	bed.fd = mkostemp(bed.path, O_CLOEXEC);
	bed.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bed.in = incident_new((struct range){ 0x8021a000, 4096 }, SOURCE_BADBLOCKS);
	o = bed.in ? incident_add_owner(bed.in) : NULL;
	if (bed.fd < 0 || bed.proc_fd < 0 || !o || ftruncate(bed.fd, 8192) < 0 ||
	    fstat(bed.fd, &st) < 0 || strv_push(&o->paths, bed.path) < 0)
		abort();
	bed.in->number = 7;
	o->kind = OWNER_FILE_DATA;
	o->dev = st.st_dev;
	o->inode = st.st_ino;
	o->phys_start = 0x8021a000;
	o->file_offset_bytes = 4096;
	o->length_bytes = 4096;
	return bed;
}

static void bed_done(struct bed *bed)
{
	for (size_t i = 0; i < bed->n_children; i++) {
		kill(bed->children[i], SIGKILL);
		waitpid(bed->children[i], NULL, 0);
	}
	for (size_t i = 0; i < bed->n_events; i++)
		free(bed->events[i]);
	incident_free(bed->in);
	close(bed->fd);
	close(bed->proc_fd);
	unlink(bed->path);
}

#define BED _cleanup_(bed_done) struct bed bed = bed_new()

static void note(const struct incident *in, const struct holder *holder, const char *event,
		 void *userdata)
{
	struct bed *bed = userdata;

	if (!holder->outcome ||
	    asprintf(&bed->events[bed->n_events++], "%s %s", event, holder->outcome) < 0)
		abort();
}

static int respond(struct bed *bed, bool dry_run)
{
	return respond_to_holders(bed->proc_fd, bed->in, dry_run, note, bed);
}

/* What a child does with the signals that it gets. */
static char *page;
static volatile sig_atomic_t letting_go;
static int report_fd = -1;

static void let_go(int signal_number)
{
	letting_go = 1;
}

static void tell_value(int signal_number, siginfo_t *info, void *context)
{
	int told[4] = { info->si_signo, info->si_code, info->si_pid, info->si_value.sival_int };

	if (write(report_fd, told, sizeof(told)) < 0)
		_exit(1);
}

enum manner {
	ENDS, /* on SIGTERM, as by default */
	IGNORES,
	LETS_GO, /* unmaps on SIGTERM, keeps the file open, and lives on */
	TELLS_VALUE,
	HAS_LET_GO, /* does not map it any more when we come */
	ONLY_OPEN,
};

/* Another file that a child maps all the time. */
static int other_fd = -1;

static void be_child(const char *path, enum manner manner)
{
	struct sigaction queued = { .sa_sigaction = tell_value, .sa_flags = SA_SIGINFO };
	int fd = open(path, O_RDWR);

	if (other_fd >= 0 && mmap(NULL, 4096, PROT_READ, MAP_SHARED, other_fd, 4096) == MAP_FAILED)
		_exit(1);

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	if (fd < 0 || page == MAP_FAILED)
		_exit(1);
	if (manner == HAS_LET_GO || manner == ONLY_OPEN)
		munmap(page, 4096);
	signal(SIGTERM, manner == IGNORES ? SIG_IGN : manner == LETS_GO ? let_go : SIG_DFL);
	sigaction(SIGUSR1, &queued, NULL);
	if (write(report_fd, "r", 1) != 1)
		_exit(1);
	for (;;) {
		poll(NULL, 0, letting_go == 2 ? -1 : 10);
		if (letting_go == 1) {
			munmap(page, 4096);
			letting_go = 2;
		}
	}
}

/* Start one and list it as a holder. Its end of a pipe is given back for what it tells. */
static struct holder *add_child(struct bed *bed, enum manner manner, enum verb action, int *ret_fd)
{
	struct holder *h = incident_add_holder(bed->in);
	int ends[2];
	char ready;
	pid_t pid;

	if (!h || pipe2(ends, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (!pid) {
		report_fd = ends[1];
		close(bed->fd);
		be_child(bed->path, manner);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &ready, 1) != 1)
		abort();
	if (ret_fd)
		*ret_fd = ends[0];
	else
		close(ends[0]);

	bed->children[bed->n_children++] = pid;
	h->pid = pid;
	h->maps = manner != ONLY_OPEN;
	h->opens = true;
	h->action = action;
	h->signal_number = action == VERB_SIGNAL ? SIGUSR1 : 0;
	h->grace_usec = action == VERB_TERMINATE ? 300000 : 0;
	if (holder_add_held(h, (struct held_owner){ .id = owner_id_of(&bed->in->owners[0]),
						    .maps = h->maps,
						    .opens = true,
						    .judged = true }) < 0 ||
	    process_start_ticks(bed->proc_fd, pid, &h->start_ticks) < 0 ||
	    string_set(&h->reason, "rule \"r\" says so") < 0)
		abort();
	return h;
}

/* Signal that ended child i, 0: it lives. */
static int ended_by(struct bed *bed, size_t i)
{
	siginfo_t info = {};

	if (waitid(P_PID, bed->children[i], &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		abort();
	return info.si_pid ? info.si_status : 0;
}

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

TEST(who_is_only_reported_is_not_touched)
{
	BED;

	add_child(&bed, ENDS, VERB_REPORT, NULL);
	CHECK(!respond(&bed, false));
	REQUIRE(bed.n_events == 1);
	CHECK_STREQ(bed.events[0], "holder.reported reported");
	CHECK(!ended_by(&bed, 0));
}

TEST(nobody_to_respond_to_is_no_failure)
{
	BED;

	CHECK(!respond(&bed, false) && !bed.n_events);
}

TEST(who_ends_on_sigterm_is_terminated_long_before_the_grace_is_over)
{
	BED;
	struct holder *h = add_child(&bed, ENDS, VERB_TERMINATE, NULL);
	uint64_t start = now_msec();

	h->grace_usec = 60000000;
	CHECK(!respond(&bed, false));
	CHECK(now_msec() - start < 10000);
	REQUIRE(bed.n_events == 1);
	CHECK_STREQ(bed.events[0], "holder.terminated terminated");
	CHECK(ended_by(&bed, 0) == SIGTERM);
	CHECK_STREQ(bed.in->holders[0].reason, "rule \"r\" says so");
}

TEST(who_ignores_sigterm_is_killed_after_the_grace_and_not_before)
{
	BED;
	uint64_t start = now_msec();

	add_child(&bed, IGNORES, VERB_TERMINATE, NULL);
	CHECK(!respond(&bed, false));
	CHECK(now_msec() - start >= 300);
	REQUIRE(bed.n_events == 1);
	CHECK_STREQ(bed.events[0], "holder.terminated killed");
	CHECK(ended_by(&bed, 0) == SIGKILL);
	CHECK_STREQ(bed.in->holders[0].reason,
		    "rule \"r\" says so; it held the lost bytes after the grace period");
}

TEST(who_unmaps_in_time_survives_though_the_file_is_open)
{
	BED;
	struct holder *h = add_child(&bed, LETS_GO, VERB_TERMINATE, NULL);

	h->grace_usec = 60000000;
	CHECK(!respond(&bed, false));
	REQUIRE(bed.n_events == 1);
	CHECK_STREQ(bed.events[0], "holder.survived survived");
	CHECK(!ended_by(&bed, 0));
}

TEST(who_lets_go_of_the_judged_file_survives_though_it_maps_its_clone)
{
	char path[] = "/tmp/test-respond-clone-XXXXXX";
	struct holder *h;
	struct owner *clone;
	struct stat st;
	BED;

	other_fd = mkostemp(path, O_CLOEXEC);
	REQUIRE(other_fd >= 0 && ftruncate(other_fd, 8192) == 0 && fstat(other_fd, &st) == 0);
	unlink(path);
	clone = incident_add_owner(bed.in);
	REQUIRE(clone);
	clone->kind = OWNER_FILE_DATA;
	clone->dev = st.st_dev;
	clone->inode = st.st_ino;
	clone->phys_start = 0x8021a000;
	clone->file_offset_bytes = 4096;
	clone->length_bytes = 4096;

	h = add_child(&bed, LETS_GO, VERB_TERMINATE, NULL);
	h->grace_usec = 60000000;
	REQUIRE(holder_add_held(h, (struct held_owner){ .id = owner_id_of(clone), .maps = true }) ==
		0);
	CHECK(!respond(&bed, false));
	REQUIRE(bed.n_events == 1);
	CHECK_STREQ(bed.events[0], "holder.survived survived");
	CHECK(!ended_by(&bed, 0));
	close(TAKE_FD(other_fd));
}

TEST(without_a_grace_period_sigkill_follows_at_once)
{
	BED;
	struct holder *h = add_child(&bed, IGNORES, VERB_TERMINATE, NULL);

	h->grace_usec = 0;
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.terminated killed");
}

TEST(kill_does_not_ask)
{
	BED;

	add_child(&bed, IGNORES, VERB_KILL, NULL);
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.terminated killed");
	CHECK_STREQ(bed.in->holders[0].reason, "rule \"r\" says so");
	CHECK(ended_by(&bed, 0) == SIGKILL);
}

TEST(one_who_only_has_it_open_holds_it)
{
	BED;

	add_child(&bed, ONLY_OPEN, VERB_KILL, NULL);
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.terminated killed");
}

TEST(who_has_let_go_meanwhile_is_not_touched)
{
	BED;

	add_child(&bed, HAS_LET_GO, VERB_KILL, NULL);
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.survived survived");
	CHECK(!ended_by(&bed, 0));
}

TEST(who_has_ended_meanwhile_is_said_to)
{
	BED;

	add_child(&bed, ENDS, VERB_KILL, NULL);
	kill(bed.children[0], SIGKILL);
	waitpid(bed.children[0], NULL, 0);
	bed.n_children = 0;
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.reported exited");
}

TEST(another_process_that_got_the_pid_is_never_touched)
{
	BED;
	struct holder *h = add_child(&bed, ENDS, VERB_KILL, NULL);

	h->start_ticks--;
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.reported exited");
	CHECK(!ended_by(&bed, 0));
}

TEST(a_pid_that_would_mean_a_whole_group_is_refused)
{
	BED;
	struct holder *h = add_child(&bed, ENDS, VERB_KILL, NULL);

	h->pid = -h->pid;
	CHECK(respond(&bed, false) == -EINVAL);
	CHECK_STREQ(bed.events[0], "holder.survived failed");
	CHECK(!ended_by(&bed, 0));
}

TEST(the_signal_carries_the_number_of_the_incident)
{
	BED;
	int told[4] = {};
	_cleanup_(closep) int fd = -1;

	add_child(&bed, TELLS_VALUE, VERB_SIGNAL, &fd);
	CHECK(!respond(&bed, false));
	CHECK_STREQ(bed.events[0], "holder.signalled signalled");
	CHECK(read(fd, told, sizeof(told)) == sizeof(told));
	CHECK(told[0] == SIGUSR1 && told[1] == SI_QUEUE && told[2] == getpid() && told[3] == 7);
	CHECK(!ended_by(&bed, 0));
}

TEST(a_dry_run_touches_nothing_and_says_what_it_would_do)
{
	BED;
	struct holder *h;

	h = add_child(&bed, ENDS, VERB_TERMINATE, NULL);
	h->grace_usec = 5000000;
	add_child(&bed, ENDS, VERB_KILL, NULL);
	add_child(&bed, ENDS, VERB_SIGNAL, NULL);
	add_child(&bed, ENDS, VERB_REPORT, NULL);
	CHECK(!respond(&bed, true));
	REQUIRE(bed.n_events == 4);
	CHECK_STREQ(bed.events[0], "holder.reported dry-run");
	CHECK_STREQ(bed.events[3], "holder.reported reported");
	CHECK_STREQ(bed.in->holders[0].reason,
		    "rule \"r\" says so; would send SIGTERM, then SIGKILL after 5 s if it still "
		    "holds the bytes");
	CHECK_STREQ(bed.in->holders[1].reason, "rule \"r\" says so; would send SIGKILL");
	CHECK_STREQ(bed.in->holders[2].reason, "rule \"r\" says so; would send signal 10");
	for (size_t i = 0; i < 4; i++)
		CHECK(!ended_by(&bed, i));
}

TEST(several_holders_share_one_grace_and_each_keeps_its_own)
{
	BED;
	uint64_t start = now_msec();
	unsigned n_killed = 0;

	for (size_t i = 0; i < 6; i++)
		add_child(&bed, i == 5 ? LETS_GO : IGNORES, VERB_TERMINATE, NULL);
	bed.in->holders[0].grace_usec = 100000;
	CHECK(!respond(&bed, false));
	CHECK(now_msec() - start < 5 * 300);
	CHECK(bed.n_events == 6);
	CHECK_STREQ(bed.events[0], "holder.terminated killed"); /* the shortest grace */
	for (size_t i = 0; i < 6; i++)
		n_killed += ended_by(&bed, i) == SIGKILL;
	CHECK(n_killed == 5);
	CHECK_STREQ(bed.in->holders[5].outcome, "survived");
}

TEST(a_failure_with_one_does_not_spare_the_others)
{
	BED;

	add_child(&bed, ENDS, VERB_STOP_UNIT, NULL);
	add_child(&bed, ENDS, VERB_KILL, NULL);
	CHECK(respond(&bed, false) == -ESRCH); /* it is in no unit */
	CHECK_STREQ(bed.in->holders[0].outcome, "failed");
	CHECK_STREQ(bed.in->holders[1].outcome, "killed");
	CHECK(!ended_by(&bed, 0) && ended_by(&bed, 1) == SIGKILL);
}

TEST_MAIN()
