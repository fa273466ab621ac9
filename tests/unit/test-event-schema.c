// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do events of every type, as the feed writes them, obey conf/schema? And does the schema refuse
 * what it is there to refuse? tests/validate-events judges; it is looked for below $srcdir.
 */
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "feed/feed.h"
#include "feed/message.h"
#include "log.h"
#include "scratch.h"
#include "test.h"

#define INCIDENT_EVENT 0 /* the first line of what write_all_types() wrote */

/* Runs the validator; its exit status, and what it printed. */
static int validate(const char *arguments, char *output, size_t max_bytes)
{
	const char *srcdir = getenv("srcdir");
	char command[1024];
	size_t n;
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "python3 '%s/tests/validate-events' %s",
		 srcdir ? srcdir : ".", arguments);
	f = popen(command, "re");
	n = f ? fread(output, 1, max_bytes - 1, f) : 0;
	output[n] = '\0';
	status = f ? pclose(f) : -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fill_holder(struct holder *holder)
{
	holder->pid = 4711;
	holder->start_ticks = 12345;
	string_set(&holder->comm, "post\xffgres");
	string_set(&holder->exe, "/usr/bin/postgres");
	holder->uid = 105;
	string_set(&holder->unit, "postgresql@15.service");
	string_set(&holder->cgroup, "/system.slice/\xff");
	string_set(&holder->container, "0123abcd");
	holder->maps = holder->opens = holder->open_writable = true;
	holder->mappings = calloc(1, sizeof(*holder->mappings));
	holder->n_mappings = 1;
	holder->mappings[0] = (struct holder_mapping){ 0x7f0000001000, 4096, true };
	holder_add_held(holder, (struct held_owner){
					{ OWNER_FILE_DATA, makedev(259, 0), 131 }, true, true });
	holder_add_held(holder, (struct held_owner){ { OWNER_RAW, 0, 0 }, false, true });
	holder->holds_more = true;
	holder->action = VERB_TERMINATE;
	holder->signal_number = 10;
	holder->grace_usec = 5000000;
	string_set(&holder->rule, "postgres");
	string_set(&holder->reason, "it maps lost bytes");
	string_set(&holder->outcome, "terminated");
}

static void fill_repair(struct incident *in)
{
	struct loss *loss = incident_add_loss(in);

	in->repair.wish = REPAIR_ZERO;
	string_set(&in->repair.rule, "postgres");
	string_set(&in->repair.method, "remap");
	string_set(&in->repair.state, "failed");
	string_set(&in->repair.reason, "clear-refused");
	string_set(&in->repair.detail, "the platform refused");
	in->repair.zeroed_bytes = 512;
	in->repair.salvaged_bytes = 3584;
	loss->inode = 131;
	string_set(&loss->mountpoint, "/mnt/x");
	strv_push(&loss->paths, "/mnt/x/\xff");
	loss->length_bytes = 512;
}

/* With everything that an incident can have. */
static struct incident *full_incident(void)
{
	struct incident *in = incident_new((struct range){ 0x8021a000, 4096 },
					   SOURCE_BADBLOCKS | SOURCE_ARS | SOURCE_MCE);
	struct owner *owner;

	in->number = 7;
	in->found_usec = in->updated_usec = 1795330800123456;
	string_set(&in->device.bus, "ndbus0");
	string_set(&in->device.provider, "ndbed");
	strv_push(&in->device.dimms, "nmem0");
	string_set(&in->device.region, "region0");
	string_set(&in->device.namespace_name, "namespace0.0");
	string_set(&in->device.mode, "fsdax");
	string_set(&in->device.blockdev, "pmem0");
	string_set(&in->device.chardev, "dax0.0");
	in->device.sector = 208;
	in->device.n_sectors = 8;

	owner = incident_add_owner(in);
	owner->kind = OWNER_FILE_DATA;
	string_set(&owner->filesystem, "xfs");
	string_set(&owner->mountpoint, "/mnt/x");
	owner->mount_pid = 4711;
	owner->dev = makedev(259, 0);
	owner->inode = 131;
	strv_push(&owner->paths, "/mnt/x/\xff");
	owner->phys_start = 0x8021a000;
	owner->length_bytes = 4096;
	string_set(&owner->method, "fsmap");
	incident_add_owner(in)->kind = OWNER_FREE;
	string_set(&in->owners_reason, "the scan was cut");

	fill_holder(incident_add_holder(in));
	fill_repair(in);
	return in;
}

static void send_text(struct feed *f, const char *type, const char *data)
{
	_cleanup_(json_object_putp) struct json_object *json = json_tokener_parse(data);

	CHECK(json);
	feed_send(f, type, SEVERITY_WARNING, 0, json);
}

static void send_incidents(struct feed *f)
{
	static const char *const types[] = { "poison.found", "poison.resolved", "poison.gone",
					     "repair.planned", "repair.done" };
	static const char *const holder_types[] = { "holder.reported", "holder.signalled",
						    "holder.terminated", "holder.survived" };
	_cleanup_(incident_freep) struct incident *in = full_incident();
	_cleanup_(incident_freep) struct incident *bare = incident_new((struct range){ 0, 1 },
								       SOURCE_MEMORY_FAILURE);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		feed_send_incident(f, types[i], SEVERITY_CRITICAL, in, NULL);
	feed_send_incident(f, "repair.failed", SEVERITY_CRITICAL, in, "clear-refused");
	feed_send_incident(f, "repair.waiting", SEVERITY_CRITICAL, in, "held");
	for (size_t i = 0; i < sizeof(holder_types) / sizeof(holder_types[0]); i++)
		feed_send_holder(f, holder_types[i], SEVERITY_WARNING, in, &in->holders[0],
				 i ? "it ignores SIGTERM" : NULL);
	/* Without a ledger's number, and with nothing known. */
	feed_send_incident(f, "poison.found", SEVERITY_CRITICAL, bare, NULL);
}

static void send_others(struct feed *f)
{
	feed_send(f, "daemon.stopping", SEVERITY_INFO, 0, NULL);
	send_text(f, "daemon.started",
		  "{\"version\":\"0.1\",\"config\":\"/etc/hwpoisond/hwpoisond.conf\","
		  "\"dry_run\":false,\"sources\":{\"nvdimm\":2,\"kernel\":\"no BTF\"}}");
	send_text(f, "source.degraded", "{\"what\":\"ledger\",\"reason\":\"the disk is full\"}");
	send_text(f, "source.degraded",
		  "{\"what\":\"kernel events\",\"reason\":\"too fast\",\"lost\":{\"reports\":3,"
		  "\"memory_failures\":1,\"corrected_errors\":7}}");
	send_text(f, "source.restored", "{\"what\":\"ledger\"}");
	send_text(f, "scrub.started", "{\"bus\":\"ndbus0\",\"provider\":\"ndbed\",\"count\":3}");
	send_text(f, "scrub.progress", "{\"bus\":\"ndbus0\",\"count\":3}");
	send_text(f, "scrub.finished", "{\"bus\":\"ndbus0\",\"count\":4,\"new_ranges\":0}");
	send_text(f, "kernel.memory_failure",
		  "{\"phys_start\":\"0x8021a000\",\"length_bytes\":4096,"
		  "\"page_type\":\"dax page\",\"result\":\"Recovered\",\"count\":1}");
	send_text(f, "kernel.signalled",
		  "{\"pid\":4711,\"comm\":\"postgres\",\"code\":\"BUS_MCEERR_AR\","
		  "\"virt_start\":\"0x7f0000001000\"}");
	send_text(f, "kernel.corrected", "{\"count\":1,\"label\":\"CPU0_DIMM_A1\"}");
	send_text(f, "dimm.health",
		  "{\"dimm\":\"nmem0\",\"health\":\"non-critical\",\"alarms\":[\"spares\"],"
		  "\"spares_percent\":4,\"media_temperature_celsius\":40.5}");
	send_text(f, "feed.gap", "{\"dropped\":12}");
}

static void write_all_types(const struct scratch *dir)
{
	struct feed_settings settings = { .file = scratch_file(dir, "events.jsonl") };
	_cleanup_(feed_freep) struct feed *f = NULL;

	log_set_max_level(LOG_LEVEL_ERR);
	REQUIRE(feed_new(NULL, &settings, NULL, &f) == 0);
	send_incidents(f);
	send_others(f);
	CHECK(feed_n_dropped(f) == 0 && feed_n_sent(f) == 25);
}

TEST(events_of_every_type_obey_the_schema)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	char output[65536] = "";
	int status;

	write_all_types(&dir);
	status = validate(scratch_file(&dir, "events.jsonl"), output, sizeof(output));
	if (status == 77)
		SKIP("python3-jsonschema is missing");
	CHECK(status == 0);
	CHECK_STREQ(output, "");
}

/* One line of a file, without its newline. */
static char *read_line(const char *path, unsigned n)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;

	do
		if (!f || getline(&line, &capacity, f) < 0)
			return line;
	while (n-- > 0);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Changes to a good poison.found, each of which makes it a bad one. */
static const struct {
	const char *from;
	const char *to;
} drifts[] = {
	{ "\"specversion\":\"1.0\",", "" },
	{ "\"specversion\":\"1.0\"", "\"specversion\":\"1.1\"" },
	{ "poison.found", "poison.lost" },
	{ "io.hwpoisond.poison.found", "poison.found" },
	{ "\"severity\":\"critical\"", "\"severity\":\"bad\"" },
	{ "\"seq\":1,", "\"seq\":2," },
	{ "\"seq\":1,", "\"seq\":\"1\"," },
	{ "\"seq\":1,", "\"seq\":1,\"seq\":1," },
	{ "Z\",\"seq\"", "\",\"seq\"" },
	{ "\"incident\":7,\"data\"", "\"data\"" },
	{ "\"incident\":7,\"data\"", "\"incident\":8,\"data\"" },
	{ "\"data\":{", "\"data\":{\"note\":1," },
	{ "\"seq\":1,", "\"seq\":1,\"note\":1," },
	{ "\"phys_start\":\"0x8021a000\",\"length_bytes\":4096,\"sources\"",
	  "\"length_bytes\":4096,\"sources\"" },
	{ "\"phys_start\":\"0x8021a000\"", "\"phys_start\":2149687296" },
	{ "\"phys_start\":\"0x8021a000\"", "\"phys_start\":\"0x8021A000\"" },
	{ "\"phys_start\":\"0x8021a000\"", "\"phys_start\":\"0x08021a000\"" },
	{ "\"length_bytes\":4096", "\"length_bytes\":\"4096\"" },
	{ "\"length_bytes\":4096", "\"length_bytes\":0" },
	{ "\"state\":\"found\"", "\"state\":\"new\"" },
	{ "\"ars\"", "\"rumour\"" },
	{ "\"mode\":\"fsdax\"", "\"mode\":\"memory\"" },
	{ "\"sector\":208,", "" },
	{ "\"chardev\":\"dax0.0\"", "\"chardev\":null" },
	{ "\"kind\":\"file-data\"", "\"kind\":\"data\"" },
	{ "\"generation\":0,", "" },
	{ "\"paths_hex\":[\"2f", "\"paths_hex\":[\"2F" },
	{ "\"shared\":false", "\"shared\":0" },
	{ "\"owners_complete\":false,", "" },
	{ "\"holders\":[", "\"holders\":[{}," },
	{ "\"how\":[\"mapped\",", "\"how\":[\"guessed\"," },
	{ "\"inodes\":[131]", "\"inodes\":[131,131]" },
	{ "\"inodes\":[131],", "" },
	{ "\"holds\":[", "\"holds\":[{\"kind\":\"raw\"}," },
	{ "\"holds_more\":true", "\"holds_more\":false" },
	{ "\"action\":\"terminate\"", "\"action\":\"shout\"" },
	{ "\"outcome\":\"terminated\"", "\"outcome\":\"gone\"" },
	{ "\"method\":\"remap\"", "\"method\":\"magic\"" },
	{ "\"reason\":\"clear-refused\"", "\"reason\":\"Clear refused.\"" },
	{ "\"zeroed_bytes\":512,", "" },
	{ "\"state\":\"failed\"", "\"state\":\"broken\"" },
	{ "}}", "}},{" },
	{ "{\"specversion\"", "[\"specversion\"" },
};

#define N_DRIFTS (sizeof(drifts) / sizeof(drifts[0]))

static void write_drift(FILE *f, const char *good, size_t i)
{
	const char *at = strstr(good, drifts[i].from);

	REQUIRE(at);
	fprintf(f, "%.*s%s%s\n", (int)(at - good), good, drifts[i].to, at + strlen(drifts[i].from));
}

TEST(each_kind_of_drift_is_refused_in_one_line)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(freep) char *good = NULL;
	char output[65536] = "", *line = output;
	FILE *f = fopen(scratch_file(&dir, "bad.jsonl"), "we");
	int status;

	write_all_types(&dir);
	good = read_line(scratch_file(&dir, "events.jsonl"), INCIDENT_EVENT);
	REQUIRE(f && good);
	for (size_t i = 0; i < N_DRIFTS; i++)
		write_drift(f, good, i);
	fclose(f);

	status = validate(scratch_file(&dir, "bad.jsonl"), output, sizeof(output));
	if (status == 77)
		SKIP("python3-jsonschema is missing");
	CHECK(status == 1);
	for (size_t i = 0; i < N_DRIFTS; i++) {
		char where[32];

		snprintf(where, sizeof(where), "bad.jsonl:%zu: ", i + 1);
		if (!line || !strstr(line, where) || strchr(line, '\n') < strstr(line, where)) {
			printf("# accepted: %s\n", drifts[i].to);
			CHECK(!"refused");
			continue;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

TEST(data_of_another_type_is_refused)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	struct feed_settings settings = { .file = scratch_file(&dir, "events.jsonl") };
	_cleanup_(incident_freep) struct incident *in = full_incident();
	_cleanup_(feed_freep) struct feed *f = NULL;
	unsigned n_lines = 0, n_sent;
	char output[65536] = "";
	int status;

	REQUIRE(feed_new(NULL, &settings, NULL, &f) == 0);
	feed_send_incident(f, "holder.reported", SEVERITY_INFO, in, NULL); /* which one? */
	feed_send_incident(f, "repair.failed", SEVERITY_INFO, in, NULL); /* why? */
	feed_send_incident(f, "repair.waiting", SEVERITY_INFO, in, "It is held.");
	feed_send_incident(f, "scrub.started", SEVERITY_INFO, in, NULL);
	feed_send(f, "poison.found", SEVERITY_INFO, 0, NULL);
	feed_send(f, "feed.gap", SEVERITY_INFO, 0, NULL);
	send_text(f, "feed.gap", "{\"dropped\":0}");
	send_text(f, "daemon.stopping", "{\"why\":1}");
	send_text(f, "daemon.started", "{\"version\":\"0.1\"}");
	send_text(f, "source.degraded", "{\"what\":\"ledger\"}");
	send_text(f, "scrub.finished", "{\"bus\":\"ndbus0\",\"count\":-1}");
	send_text(f, "kernel.memory_failure", "{\"phys_start\":\"8021a000\"}");
	send_text(f, "dimm.health", "{\"dimm\":\"nmem0\",\"health\":\"sick\"}");
	n_sent = (unsigned)feed_n_sent(f);
	f = feed_free(f);

	status = validate(scratch_file(&dir, "events.jsonl"), output, sizeof(output));
	if (status == 77)
		SKIP("python3-jsonschema is missing");
	for (const char *c = output; *c; c++)
		n_lines += *c == '\n';
	CHECK(status == 1 && n_lines == n_sent);
}

TEST(nothing_to_validate_is_a_failure_unless_asked_for)
{
	char output[1024];
	int status = validate("/dev/null", output, sizeof(output));

	if (status == 77)
		SKIP("python3-jsonschema is missing");
	CHECK(status == 1);
	CHECK(validate("--allow-empty </dev/null", output, sizeof(output)) == 0);
}

TEST_MAIN()
