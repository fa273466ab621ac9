// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/configuration.c: what comes into force, and what does not. */
#include <errno.h>

#include "configuration.h"
#include "log.h"
#include "scratch.h"
#include "strv.h"
#include "test.h"

struct bed {
	struct scratch dir;
	char path[128];
	struct options options;
	struct degraded *degraded;
};

static struct bed bed_new(void)
{
	struct bed bed = { .dir = scratch_new(), .degraded = degraded_new() };

	log_set_max_level(LOG_LEVEL_ERR);
	if (!bed.degraded)
		abort();
	return bed;
}

static void write_file(struct bed *bed, const char *text)
{
	FILE *f;

	snprintf(bed->path, sizeof(bed->path), "%s", scratch_file(&bed->dir, "x.conf"));
	f = fopen(bed->path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	bed->options = (struct options){ .config_path = bed->path, .config_given = true };
}

static void bed_done(struct bed *bed)
{
	degraded_free(bed->degraded);
	scratch_done(&bed->dir);
}

#define BED _cleanup_(bed_done) struct bed bed = bed_new()

/* The reason why the configuration is degraded; NULL: it is not. Good until the next call. */
static const char *trouble(const struct bed *bed)
{
	static char reason[512];
	_cleanup_(json_object_putp) struct json_object *all =
		degraded_sources_to_json(bed->degraded);

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (strcmp(json_object_get_string(json_object_object_get(o, "name")),
			   "configuration") ||
		    !json_object_object_get(o, "reason"))
			continue;
		snprintf(reason, sizeof(reason), "%s",
			 json_object_get_string(json_object_object_get(o, "reason")));
		return reason;
	}
	return NULL;
}

TEST(a_good_file_is_taken)
{
	BED;
	_cleanup_(config_freep) struct config *c = NULL;
	_cleanup_(strv_freep) char **problems = NULL;

	write_file(&bed, "[Rule a]\nHolders=kill\n");
	CHECK(configuration_reload(&bed.options, bed.degraded, &c, &problems) == 1);
	REQUIRE(c);
	CHECK(c->n_rules == 1 && c->rules[0].holders == VERB_KILL);
	CHECK(!problems && !trouble(&bed));
}

TEST(any_mistake_refuses_all_of_it_and_is_told_until_it_is_mended)
{
	BED;
	_cleanup_(config_freep) struct config *c = NULL;
	_cleanup_(strv_freep) char **problems = NULL, **none = NULL;

	write_file(&bed, "[Rule a]\nHolders=kill\n[Rule b]\nHolder=kill\nGraceSec=x\n");
	CHECK(configuration_reload(&bed.options, bed.degraded, &c, &problems) == 0);
	CHECK(!c);
	REQUIRE(strv_length(problems) >= 2);
	CHECK(strstr(problems[0], "x.conf:4: unknown key Holder="));
	REQUIRE(trouble(&bed));
	CHECK(strstr(trouble(&bed), "x.conf:4: unknown key Holder="));
	CHECK(strstr(trouble(&bed), "(and 1 more mistakes); what was in force stays"));

	write_file(&bed, "[Rule a]\n");
	CHECK(configuration_reload(&bed.options, bed.degraded, &c, &none) == 1 && c);
	CHECK(!trouble(&bed));
}

TEST(a_rule_that_can_never_match_is_told_and_taken)
{
	BED;
	_cleanup_(config_freep) struct config *c = NULL;
	_cleanup_(strv_freep) char **problems = NULL;

	write_file(&bed, "[Rule a]\n[Rule b]\nPath=/x\n");
	CHECK(configuration_reload(&bed.options, bed.degraded, &c, &problems) == 1 && c);
	CHECK(strv_length(problems) == 1 && !trouble(&bed));
}

TEST(a_file_that_is_gone_takes_nothing_away)
{
	BED;
	_cleanup_(config_freep) struct config *c = NULL;
	_cleanup_(strv_freep) char **problems = NULL;

	write_file(&bed, "");
	unlink(bed.path);
	CHECK(configuration_reload(&bed.options, bed.degraded, &c, &problems) == -ENOENT);
	CHECK(!c && trouble(&bed) && strstr(trouble(&bed), "cannot be read"));
}

TEST(at_the_start_a_mistake_is_told_and_the_rest_counts)
{
	BED;
	_cleanup_(config_freep) struct config *c = NULL;

	write_file(&bed, "[Rule a]\nHolders=kill\n[Rule b]\nNo=1\n");
	REQUIRE(configuration_start(&bed.options, bed.degraded, &c) == 0);
	CHECK(c->n_rules == 2 && c->rules[0].holders == VERB_KILL && c->rules[1].broken);
	CHECK(trouble(&bed) && strstr(trouble(&bed), "does less"));
}

/* What a reload asks to know whether there is anything to judge anew. */
TEST(the_fingerprint_is_that_of_what_verdicts_follow_from)
{
	static const char *const texts[] = {
		"[Rule a]\nPath=/x\n",
		"[Rule b]\nPath=/x\n",
		"[Rule a]\nPath=/y\n",
		"[Rule a]\nUnit=/x\n",
		"",
		"[Rule a]\nPath=/x\nRepair=zero\n",
		"[Daemon]\nDryRun=yes\n[Rule a]\nPath=/x\n",
		/* the same as the first */
		"# new\n\n[Rule a]\n Path = /x # so\n",
		"[Daemon]\nSkipBPF=mce_record\n[Feed]\nSocket=no\n[Rule a]\nPath=/x\n",
	};
	uint64_t prints[9];
	BED;

	for (size_t i = 0; i < 9; i++) {
		_cleanup_(config_freep) struct config *c = NULL;
		_cleanup_(strv_freep) char **problems = NULL;

		write_file(&bed, texts[i]);
		REQUIRE(configuration_load(&bed.options, &c, &problems) == 0);
		prints[i] = c->fingerprint;
	}
	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(prints[i] != prints[k]);
	CHECK(prints[7] == prints[0]);
	CHECK(prints[8] == prints[0]);
}

TEST_MAIN()
