// SPDX-License-Identifier: GPL-2.0-or-later
/* Who holds the page stands, with every thread; who stood before is not continued by us. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "holders/process.h"
#include "repair/pause.h"
#include "test.h"

static int proc(void)
{
	return open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static char state_of(pid_t pid)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	return f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 ? state : 0;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* An incident that this process holds, mapped or open for writing. */
static struct incident *held_by(int proc_fd, pid_t pid, bool maps, bool open_writable)
{
	struct incident *in = incident_new((struct range){ 0, 512 }, 0);
	struct holder *holder = incident_add_holder(in);

	CHECK(process_describe(proc_fd, pid, holder) == 0);
	holder->maps = maps;
	holder->opens = true;
	holder->open_writable = open_writable;
	return in;
}

TEST(a_mapper_is_stopped_and_continued)
{
	_cleanup_(closep) int proc_fd = proc();
	pid_t pid = child();
	_cleanup_(incident_freep) struct incident *in = held_by(proc_fd, pid, true, false);
	struct paused paused;

	CHECK(pause_candidates(proc_fd, in, &paused) == 0);
	CHECK(paused.n == 1);
	CHECK(pause_stop(proc_fd, &paused) == 0);
	CHECK(state_of(pid) == 'T');
	pause_continue(&paused);
	while (state_of(pid) == 'T')
		; /* or for ever, and the test does not end */
	CHECK(state_of(pid) != 0);
	pause_done(&paused);
	end(pid);
}

TEST(who_only_has_it_open_for_reading_is_not_stopped)
{
	_cleanup_(closep) int proc_fd = proc();
	pid_t pid = child();
	_cleanup_(incident_freep) struct incident *reader = held_by(proc_fd, pid, false, false);
	_cleanup_(incident_freep) struct incident *writer = held_by(proc_fd, pid, false, true);
	struct paused paused;

	CHECK(pause_candidates(proc_fd, reader, &paused) == 0);
	CHECK(paused.n == 0);
	pause_done(&paused);
	CHECK(pause_candidates(proc_fd, writer, &paused) == 0);
	CHECK(paused.n == 1);
	pause_done(&paused);
	end(pid);
}

TEST(who_was_stopped_before_stays_stopped)
{
	_cleanup_(closep) int proc_fd = proc();
	pid_t pid = child();
	_cleanup_(incident_freep) struct incident *in = held_by(proc_fd, pid, true, false);
	struct paused paused;

	kill(pid, SIGSTOP);
	while (state_of(pid) != 'T')
		;
	CHECK(pause_candidates(proc_fd, in, &paused) == 0);
	CHECK(paused.n == 0);
	CHECK(pause_stop(proc_fd, &paused) == 0);
	pause_done(&paused);
	CHECK(state_of(pid) == 'T');
	end(pid);
}

TEST(a_process_that_is_gone_is_no_obstacle)
{
	_cleanup_(closep) int proc_fd = proc();
	pid_t pid = child();
	_cleanup_(incident_freep) struct incident *in = held_by(proc_fd, pid, true, false);
	struct paused paused;

	CHECK(pause_candidates(proc_fd, in, &paused) == 0);
	end(pid);
	CHECK(pause_stop(proc_fd, &paused) == 0);
	pause_done(&paused);
}

TEST(a_record_continues_the_same_process_and_no_other)
{
	_cleanup_(closep) int proc_fd = proc();
	pid_t pid = child();
	_cleanup_(incident_freep) struct incident *in = held_by(proc_fd, pid, true, false);
	_cleanup_(json_object_putp) struct json_object *record = NULL, *other = NULL;
	struct paused paused;

	CHECK(pause_candidates(proc_fd, in, &paused) == 0);
	record = pause_to_json(&paused);
	paused.all[0].start_ticks++;
	other = pause_to_json(&paused);
	pause_done(&paused);

	kill(pid, SIGSTOP);
	while (state_of(pid) != 'T')
		;
	pause_continue_recorded(proc_fd, other);
	CHECK(state_of(pid) == 'T');
	pause_continue_recorded(proc_fd, record);
	while (state_of(pid) == 'T')
		;
	end(pid);
}

TEST_MAIN()
