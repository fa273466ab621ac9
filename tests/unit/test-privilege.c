// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/privilege.c and footprint.c. What is given up is given up in a child. */
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "footprint.h"
#include "privilege.h"
#include "test.h"

/* Whether the child found its claim true. */
static bool is_true_in_child(bool (*claim)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(!claim());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static bool has(cap_value_t capability, cap_flag_t flag)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	cap_get_flag(caps, capability, flag, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static bool have_none(void)
{
	cap_t none = cap_init();
	bool done = cap_set_proc(none) == 0;

	cap_free(none);
	return done;
}

static bool who_has_none_is_told_in_one_sentence(void)
{
	_cleanup_(freep) char *missing = have_none() ? privilege_missing() : NULL;

	return missing && !strncmp(missing, "no capabilities: ", 17);
}

static bool who_has_none_gives_up_nothing(void)
{
	return have_none() && privilege_drop() == 0 && !has(CAP_SYS_ADMIN, CAP_PERMITTED);
}

TEST(who_has_no_capabilities)
{
	CHECK(is_true_in_child(who_has_none_is_told_in_one_sentence));
	CHECK(is_true_in_child(who_has_none_gives_up_nothing));
}

static bool root_keeps_what_it_needs(void)
{
	if (privilege_drop() < 0)
		return false;
	return has(CAP_KILL, CAP_EFFECTIVE) && has(CAP_DAC_OVERRIDE, CAP_PERMITTED) &&
	       cap_get_bound(CAP_KILL) == 1;
}

static bool root_keeps_nothing_else(void)
{
	if (privilege_drop() < 0)
		return false;
	return !has(CAP_BPF, CAP_PERMITTED) && !has(CAP_SYS_RAWIO, CAP_PERMITTED) &&
	       !has(CAP_KILL, CAP_INHERITABLE) && !has(CAP_SETPCAP, CAP_EFFECTIVE) &&
	       cap_get_bound(CAP_BPF) == 0 && cap_get_bound(CAP_SYS_RAWIO) == 0;
}

static bool one_that_is_missing_is_named(void)
{
	cap_value_t lost = CAP_KILL;
	cap_t caps = cap_get_proc();
	bool done = cap_set_flag(caps, CAP_EFFECTIVE, 1, &lost, CAP_CLEAR) == 0 &&
		    cap_set_proc(caps) == 0;
	_cleanup_(freep) char *missing = privilege_missing();

	cap_free(caps);
	return done && missing &&
	       !strcmp(missing, "without CAP_KILL, other users' processes can't be signalled");
}

TEST(of_roots_power)
{
	_cleanup_(freep) char *missing = privilege_missing();

	if (missing || !has(CAP_SETPCAP, CAP_EFFECTIVE) || !has(CAP_BPF, CAP_PERMITTED))
		SKIP("root alone has what can be given up");
	CHECK(is_true_in_child(root_keeps_what_it_needs));
	CHECK(is_true_in_child(root_keeps_nothing_else));
	CHECK(is_true_in_child(one_that_is_missing_is_named));
}

static int answer = 42;
static const int constant = 43;

TEST(code_and_data_are_as_before_when_they_are_let_go)
{
	answer = 44;
	footprint_shrink();
	CHECK(answer == 44 && constant == 43);
	footprint_shrink();
	CHECK(answer == 44);
}

TEST_MAIN()
