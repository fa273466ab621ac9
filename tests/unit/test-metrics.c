// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/feed/metrics.c; promtool(1) judges the format where it is installed. */
#include <errno.h>
#include <sys/stat.h>

#include "feed/metrics.h"
#include "json-fields.h"
#include "scratch.h"
#include "test.h"

struct bed {
	struct scratch dir;
	char path[128];
	sd_event *event;
	struct feed *feed;
	struct metrics *metrics;
	struct metrics_values values;
	int written; /* what came last */
	unsigned n_written;
};

static struct json_object *source(const char *name, const char *state)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "name", name);
	field_put_string(&f, "state", state);
	return f.object;
}

static void values(struct metrics_values *ret, void *userdata)
{
	struct bed *bed = userdata;

	*ret = bed->values;
	ret->sources = json_object_new_array();
	json_object_array_add(ret->sources, source("nvdimm", "ok"));
	json_object_array_add(ret->sources, source("a \"b\\\nc", "degraded"));
}

static void written(int r, void *userdata)
{
	struct bed *bed = userdata;

	bed->written = r;
	bed->n_written++;
}

static void bed_start(struct bed *bed, const char *name)
{
	struct feed_settings settings = {};
	struct metrics_parts parts = { .values = values, .written = written, .userdata = bed };

	*bed = (struct bed){ .dir = scratch_new() };
	snprintf(bed->path, sizeof(bed->path), "%s/%s", bed->dir.path, name);
	if (sd_event_new(&bed->event) < 0 || feed_new(bed->event, &settings, NULL, &bed->feed) < 0)
		abort();
	parts.event = bed->event;
	parts.feed = bed->feed;
	if (metrics_new(&parts, bed->path, &bed->metrics) < 0)
		abort();
}

static void bed_done(struct bed *bed)
{
	metrics_free(bed->metrics);
	feed_free(bed->feed);
	sd_event_unref(bed->event);
	scratch_done(&bed->dir);
}

#define BED(name)                                                                                  \
	_cleanup_(bed_done) struct bed bed;                                                        \
	bed_start(&bed, name)

/* What is ready now, and no waiting. */
static void run_loop(struct bed *bed)
{
	while (sd_event_run(bed->event, 0) > 0)
		;
}

static const char *text(const struct bed *bed)
{
	static char buffer[16384];
	FILE *f = fopen(bed->path, "r");
	size_t n = f ? fread(buffer, 1, sizeof(buffer) - 1, f) : 0;

	buffer[n] = '\0';
	if (f)
		fclose(f);
	return buffer;
}

static bool has(const struct bed *bed, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	return strstr(text(bed), whole);
}

TEST(it_is_written_at_the_start_and_after_an_event)
{
	BED("h.prom");
	struct stat st;

	bed.values.n_open[INCIDENT_LEFT] = 3;
	bed.values.open_bytes = 1536;
	bed.values.lost_bytes = 512;
	bed.values.n_dropped_events = 7;
	feed_send(bed.feed, "poison.found", SEVERITY_CRITICAL, 1, NULL);
	feed_send(bed.feed, "repair.failed", SEVERITY_CRITICAL, 1, NULL);
	run_loop(&bed);
	CHECK(bed.n_written == 1 && bed.written == 0); /* one for both */
	CHECK(has(&bed, "hwpoisond_up 1"));
	CHECK(has(&bed, "hwpoisond_incidents_open{state=\"left\"} 3"));
	CHECK(has(&bed, "hwpoisond_incidents_open{state=\"found\"} 0"));
	CHECK(has(&bed, "hwpoisond_poisoned_bytes 1536"));
	CHECK(has(&bed, "hwpoisond_lost_file_bytes 512"));
	CHECK(has(&bed, "hwpoisond_events_total{type=\"poison.found\"} 1"));
	CHECK(has(&bed, "hwpoisond_events_total{type=\"poison.gone\"} 0"));
	CHECK(has(&bed, "hwpoisond_repairs_total{result=\"failed\"} 1"));
	CHECK(has(&bed, "hwpoisond_dropped_events_total 7"));
	CHECK(has(&bed, "hwpoisond_source_degraded{source=\"nvdimm\"} 0"));
	CHECK(has(&bed, "hwpoisond_source_degraded{source=\"a \\\"b\\\\\\nc\"} 1"));
	CHECK(stat(bed.path, &st) == 0 && (st.st_mode & 0777) == 0644);
}

TEST(a_storm_does_not_write_it_again_and_again)
{
	BED("h.prom");

	run_loop(&bed);
	for (unsigned i = 0; i < 100; i++) {
		feed_send(bed.feed, "kernel.corrected", SEVERITY_INFO, 0, NULL);
		run_loop(&bed);
	}
	CHECK(bed.n_written == 1);
}

TEST(an_orderly_end_is_in_it)
{
	BED("h.prom");

	run_loop(&bed);
	bed.metrics = metrics_free(bed.metrics);
	CHECK(has(&bed, "hwpoisond_up 0"));
}

TEST(another_path_takes_over_and_none_ends_it)
{
	BED("h.prom");
	char old[128];

	run_loop(&bed);
	strcpy(old, bed.path);
	strcpy(strstr(bed.path, "h.prom"), "i.prom");
	CHECK(metrics_set_path(bed.metrics, NULL) == 0);
	CHECK(access(old, F_OK) < 0);
	CHECK(metrics_set_path(bed.metrics, bed.path) == 0);
	bed.metrics = metrics_free(bed.metrics);
	CHECK(has(&bed, "hwpoisond_up 0"));
}

TEST(where_it_cannot_be_written_that_is_told_and_nothing_is_left)
{
	BED("missing/h.prom");
	char command[256];

	run_loop(&bed);
	CHECK(bed.n_written == 1 && bed.written == -ENOENT);
	snprintf(command, sizeof(command), "mkdir -p '%s'", bed.path);
	REQUIRE(system(command) == 0); /* a directory in its place */
	bed.metrics = metrics_free(bed.metrics);
	snprintf(command, sizeof(command), "%s.new", bed.path);
	CHECK(access(command, F_OK) < 0);
}

TEST(nothing_follows_a_link_that_somebody_put_there)
{
	BED("h.prom");
	char link[160];
	const char *precious = scratch_file(&bed.dir, "precious");

	snprintf(link, sizeof(link), "%s.new", bed.path);
	fclose(fopen(precious, "w"));
	REQUIRE(symlink(precious, link) == 0);
	run_loop(&bed);
	CHECK(has(&bed, "hwpoisond_up 1"));
	strcpy(bed.path, precious);
	CHECK(!*text(&bed));
}

TEST(promtool_has_nothing_to_complain_about)
{
	BED("h.prom");
	char command[256];

	if (system("command -v promtool >/dev/null") != 0)
		SKIP("promtool is not installed");
	run_loop(&bed);
	snprintf(command, sizeof(command), "promtool check metrics < '%s'", bed.path);
	CHECK(system(command) == 0);
}

TEST_MAIN()
