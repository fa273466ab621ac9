// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/programs.c, programs-load.c and programs-child.c. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "programs-child.h"
#include "programs.h"
#include "test.h"

TEST(a_place_is_found_by_its_name_and_nothing_else)
{
	for (unsigned i = 0; program_place(i); i++)
		CHECK(program_find(program_place(i)->name) == (int)i);
	CHECK(program_find("mce_recor") == -ENOENT);
	CHECK(program_find("mce_record2") == -ENOENT);
	CHECK(program_find("") == -ENOENT);
}

#ifdef HAVE_BPF

#include <bpf/libbpf.h>

#include "bpf/holders.skel.h"
#include "bpf/page.skel.h"
#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "programs-load.h"
#include "tests/unit/refused.skel.h"

static uint32_t all_numbers(struct bpf_object *object)
{
	struct bpf_program *program;
	uint32_t numbers = 0;

	bpf_object__for_each_program(program, object)
	{
		int i = program_number(program);

		if (!strcmp(bpf_program__section_name(program), "syscall"))
			continue; /* it listens to nothing */
		if (i < 0)
			printf("# not listed: %s\n", bpf_program__section_name(program));
		CHECK(i >= 0);
		numbers |= i < 0 ? 0 : UINT32_C(1) << i;
	}
	return numbers;
}

TEST(every_program_is_listed_by_where_it_listens_and_no_other)
{
	struct poison_bpf *poison = poison_bpf__open();
	struct probes_bpf *probes = probes_bpf__open();
	struct holders_bpf *holders = holders_bpf__open();
	struct page_bpf *page = page_bpf__open();
	uint32_t numbers;

	REQUIRE(poison && probes && holders && page);
	numbers = all_numbers(poison->obj) | all_numbers(probes->obj) | all_numbers(holders->obj) |
		  all_numbers(page->obj);
	for (unsigned i = 0; program_place(i); i++)
		CHECK(numbers >> i & 1);
	page_bpf__destroy(page);
	holders_bpf__destroy(holders);
	probes_bpf__destroy(probes);
	poison_bpf__destroy(poison);
}

/* ---- what a kernel refuses ---- */

struct told {
	unsigned n;
	char last[256];
};

static void tell(unsigned program, const char *reason, void *userdata)
{
	struct told *told = userdata;

	told->n++;
	snprintf(told->last, sizeof(told->last), "%s: %s", program_place(program)->name, reason);
}

static struct bpf_object *open_refused(bool may_read, void *userdata, void **ret)
{
	struct refused_bpf *s = refused_bpf__open();

	*ret = s;
	if (!s)
		return NULL;
	s->rodata->may_read_memory = may_read;
	return s->obj;
}

static void destroy_refused(void *skeleton)
{
	refused_bpf__destroy(skeleton);
}

static const struct program_object refused = { open_refused, destroy_refused };

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* SKIP leaves the claim itself, so this can't be a function. */
#define LOAD(load, kind)                                                                           \
	struct bpf_object *object;                                                                 \
	void *skeleton;                                                                            \
	int r;                                                                                     \
	libbpf_set_print(ignore_messages);                                                         \
	r = programs_load(&(load), &(kind), &object, &skeleton);                                   \
	if (r == -EPERM)                                                                           \
		SKIP("BPF is for root");                                                           \
	REQUIRE(r == 0)

TEST(what_the_kernel_refuses_is_left_out_and_told_and_the_rest_is_there)
{
	struct told told = { 0 };
	struct programs_load load = { .on_missing = tell, .userdata = &told };
	int fds[4];

	LOAD(load, refused);
	CHECK(load.may_not_read);
	CHECK(told.n == 1);
	CHECK(!strncmp(told.last, "task_vma: this kernel refuses the program: ", 43));
	REQUIRE(programs_attach(&load, object, fds, 4) == 1);
	CHECK(close(fds[0]) == 0);
	CHECK(told.n == 1);
	refused_bpf__destroy(skeleton);
}

static struct bpf_object *open_never_reading(bool may_read, void *userdata, void **ret)
{
	return open_refused(false, userdata, ret);
}

static const struct program_object never_reading = { open_never_reading, destroy_refused };

TEST(one_that_is_refused_does_not_keep_the_others_from_reading)
{
	struct told told = { 0 };
	struct programs_load load = { .on_missing = tell, .userdata = &told };

	LOAD(load, never_reading);
	CHECK(!load.may_not_read);
	CHECK(told.n == 1 && !strncmp(told.last, "task_vma: ", 10));
	refused_bpf__destroy(skeleton);
}

TEST(what_is_skipped_is_not_tried)
{
	struct told told = { 0 };
	struct programs_load load = {
		.skip = 1u << program_find("task_vma") | 1u << program_find("mce_record"),
		.on_missing = tell,
		.userdata = &told,
	};

	LOAD(load, refused);
	CHECK(told.n == 1); /* of what is in the object */
	CHECK(!strncmp(told.last, "task_vma: switched off by SkipBPF=: ", 36));
	refused_bpf__destroy(skeleton);
}

TEST(one_that_may_not_read_is_loaded_and_does_not)
{
	struct told told = { 0 };
	struct programs_load load = {
		.skip = 1u << program_find("task_file"),
		.absent = 1u << program_find("task_vma"),
		.on_missing = tell,
		.userdata = &told,
	};

	LOAD(load, refused);
	CHECK(load.may_not_read); /* the one without a place wanted to */
	CHECK(told.n == 2);
	refused_bpf__destroy(skeleton);
}

#endif

/* ---- the child ---- */

struct answer {
	int number;
	char text[9000];
};

static void give_pipe(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata)
{
	struct answer *answer = result;
	int pair[2];

	if (pipe(pair) < 0)
		_exit(1);
	fds[0] = pair[0];
	fds[PROGRAMS_MAX_FDS - 1] = pair[1];
	answer->number = *(const int *)userdata + 1;
	strcpy(answer->text, "said");
}

TEST(what_the_child_opened_is_ours_in_the_same_place)
{
	static struct answer answer;
	int fds[PROGRAMS_MAX_FDS], asked = 41;
	char byte = 0;

	REQUIRE(programs_load_in_child(give_pipe, &asked, &answer, sizeof(answer), fds) == 0);
	CHECK(answer.number == 42);
	CHECK_STREQ(answer.text, "said");
	for (unsigned i = 1; i < PROGRAMS_MAX_FDS - 1; i++)
		CHECK(fds[i] == -1);
	CHECK(write(fds[PROGRAMS_MAX_FDS - 1], "x", 1) == 1);
	CHECK(read(fds[0], &byte, 1) == 1 && byte == 'x');
	close(fds[0]);
	close(fds[PROGRAMS_MAX_FDS - 1]);
}

static void die(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata)
{
	fds[0] = STDERR_FILENO;
	raise(SIGKILL);
}

TEST(one_that_dies_gives_nothing)
{
	static struct answer answer;
	int fds[PROGRAMS_MAX_FDS];

	CHECK(programs_load_in_child(die, NULL, &answer, sizeof(answer), fds) == -ECHILD);
	CHECK(fds[0] == -1);
}

static void give_nothing(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata)
{
}

TEST(an_answer_may_be_without_descriptors)
{
	static struct answer answer = { .number = 7 };
	int fds[PROGRAMS_MAX_FDS];

	CHECK(programs_load_in_child(give_nothing, NULL, &answer, sizeof(answer), fds) == 0);
	CHECK(answer.number == 7 && fds[0] == -1);
}

TEST_MAIN()
