// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookups: Resolve, Holders, Files and PolicyExplain: questions that take long, each in a worker.
 *
 *   varlink -> [lookups] -> worker -> lookup -> back, when it has the answer
 *
 * PolicyCheck only reads a file and needs none. A client that leaves ends its worker. At most
 * CONTROL_MAX_LOOKUPS run at a time: they are questions of administrators, and the incidents' own
 * workers must not wait for them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control_private.h"
#include "control/lookup.h"
#include "strv.h"
#include "worker.h"

#define TIMEOUT_USEC (600ull * 1000000)
#define MAX_CLIENTS  VARLINK_MAX_CONNECTIONS
#define MAX_FILES    1024u

struct lookup_job {
	struct control *control;
	struct varlink_call *call;
	struct worker *worker;
	struct json_object *answer;
	/* the question; strings are the call's */
	int (*ask)(const struct lookup_job *job, struct worker_link *link,
		   struct json_object **ret);
	struct lookup_range range;
	const char *file;
	char **files; /* the job's own */
	uint64_t offset_bytes;
	uint64_t length_bytes;
	pid_t pid;
	struct policy_context policy;
	pid_t clients[MAX_CLIENTS];
};

static struct lookup_job *job_free(struct lookup_job *job)
{
	struct control *c = job->control;

	for (size_t i = 0; i < CONTROL_MAX_LOOKUPS; i++)
		if (c->lookups[i] == job)
			c->lookups[i] = NULL;
	worker_free(job->worker);
	json_object_put(job->answer);
	strv_free(job->files);
	free(job);
	return NULL;
}

static int ask_resolve(const struct lookup_job *job, struct worker_link *link,
		       struct json_object **ret)
{
	struct scan_how how = { .hints_directory = job->control->parts.state_dir };

	return lookup_resolve(&job->range, &how, ret);
}

static int ask_holders(const struct lookup_job *job, struct worker_link *link,
		       struct json_object **ret)
{
	return lookup_holders(job->file, job->offset_bytes, job->length_bytes, ret);
}

/* In the child, which must not touch the ledger: the daemon reads a page of it now and then. */
static int ask_for_page(uint64_t after, struct json_object **ret, void *userdata)
{
	_cleanup_(json_object_putp) struct json_object *question = NULL;
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "after", after);
	question = json_fields_done(&f);
	return question ? worker_ask(userdata, question, ret) : -ENOMEM;
}

static int ask_files(const struct lookup_job *job, struct worker_link *link,
		     struct json_object **ret)
{
	bool has_ledger = job->control->parts.ledger;

	return lookup_files(job->files, has_ledger ? ask_for_page : NULL, link, ret);
}

static int ask_explain(const struct lookup_job *job, struct worker_link *link,
		       struct json_object **ret)
{
	if (!job->file)
		return lookup_explain_process(&job->policy, job->pid, ret);
	return lookup_explain(&job->policy, job->file, job->pid, ret);
}

/* In the child. */
static int job_run(struct worker_link *link, void *userdata)
{
	const struct lookup_job *job = userdata;
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	int r = job->ask(job, link, &answer);

	return r < 0 ? r : worker_tell(link, answer);
}

/* What cannot be read is a page that says so, and the last one. */
static void reply_page(struct lookup_job *job, struct json_object *question)
{
	_cleanup_(json_object_putp) struct json_object *page = NULL;
	struct json_fields f = { .object = question };
	uint64_t after = 0;

	field_get_uint(&f, "after", &after);
	if (history_page(job->control->parts.ledger, after, &page) < 0) {
		f = json_fields_new();
		field_put_bool(&f, "damaged", true);
		page = json_fields_done(&f);
	}
	worker_reply(job->worker, page);
}

static void on_answer(struct worker *w, struct json_object *message, bool wants_reply,
		      void *userdata)
{
	struct lookup_job *job = userdata;

	if (wants_reply) {
		reply_page(job, message);
		return;
	}
	json_object_put(job->answer);
	job->answer = json_object_get(message);
}

static void reply_failed(struct lookup_job *job, int r)
{
	if (job->range.device && r == -ENODEV)
		control_error_string(job->call, "NoSuchDevice", "device", job->range.device);
	else if (job->range.device && r == -ERANGE)
		varlink_error_parameter(job->call, "sector");
	else if (job->ask == ask_resolve && (r == -EINVAL || r == -E2BIG))
		varlink_error_parameter(job->call,
					job->range.device ? "n_sectors" : "length_bytes");
	else
		control_fail(job->call, r);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct lookup_job *job = userdata;

	if (r >= 0 && !job->answer)
		r = -EIO;
	if (r < 0)
		reply_failed(job, r);
	else
		varlink_reply(job->call, job->answer);
	job_free(job);
}

static void on_gone(struct varlink_call *call, void *userdata)
{
	job_free(userdata);
	varlink_drop(call);
}

static const struct worker_ops ops = {
	.name = "hwp-lookup",
	.run = job_run,
	.on_message = on_answer,
	.on_done = on_done,
	.timeout_usec = TIMEOUT_USEC,
	.only_reads = true,
};

static struct lookup_job **free_slot(struct control *c)
{
	for (size_t i = 0; i < CONTROL_MAX_LOOKUPS; i++)
		if (!c->lookups[i])
			return &c->lookups[i];
	return NULL;
}

/* Takes the question that was filled in, with its files, and the call. */
static void job_start(struct control *c, struct varlink_call *call,
		      const struct lookup_job *question)
{
	struct lookup_job **slot = free_slot(c), *job;
	int r;

	if (!slot) {
		control_error_string(call, "Busy", "what", "lookups");
		strv_free(question->files);
		return;
	}
	job = malloc(sizeof(*job));
	if (!job) {
		control_fail(call, -ENOMEM);
		strv_free(question->files);
		return;
	}
	*job = *question;
	job->control = c;
	job->call = call;
	job->policy.control_clients = job->clients;
	*slot = job;

	r = worker_start(c->parts.event, &ops, job, job, &job->worker);
	if (r < 0) {
		job_free(job);
		control_fail(call, r);
		return;
	}
	varlink_call_notify(call, on_gone, NULL, job);
}

/* "0x8021a000", and nothing before or behind it. */
static bool parse_hex(const char *text, uint64_t *ret)
{
	char *end;

	if (strncmp(text, "0x", 2) || !text[2] || strspn(text + 2, "0123456789abcdefABCDEF") > 16)
		return false;
	if (text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
		return false;
	*ret = strtoull(text, &end, 16);
	return true;
}

/* The first integer that is negative: none of ours may be. */
static const char *negative(struct json_object *parameters)
{
	json_object_object_foreach (parameters, name, value)
		if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) < 0)
			return name;
	return NULL;
}

static bool given(struct json_object *parameters, const char *name)
{
	return json_object_object_get(parameters, name);
}

/* A device with sectors, or physical addresses, and not a mixture. NULL: fine; else what is wrong.
 */
static const char *range_read(struct json_object *parameters, struct lookup_range *ret)
{
	const char *phys = varlink_string(parameters, "phys_start"), *wrong = negative(parameters);

	if (wrong)
		return wrong;
	ret->device = varlink_string(parameters, "device");
	if (!ret->device == !phys)
		return ret->device ? "device" : "phys_start";

	if (ret->device && given(parameters, "length_bytes"))
		return "length_bytes";
	if (ret->device && !given(parameters, "sector"))
		return "sector";
	if (phys && given(parameters, "sector"))
		return "sector";
	if (phys && given(parameters, "n_sectors"))
		return "n_sectors";
	if (phys && !parse_hex(phys, &ret->phys_start))
		return "phys_start";
	ret->length_bytes = (uint64_t)varlink_int(parameters, "length_bytes", SECTOR_BYTES);
	ret->sector = (uint64_t)varlink_int(parameters, "sector", 0);
	ret->n_sectors = (uint64_t)varlink_int(parameters, "n_sectors", 1);
	return NULL;
}

void control_resolve(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct lookup_job question = { .ask = ask_resolve };
	const char *wrong = range_read(parameters, &question.range);

	if (wrong)
		varlink_error_parameter(call, wrong);
	else
		job_start(userdata, call, &question);
}

void control_holders(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct lookup_job question = {
		.ask = ask_holders,
		.file = varlink_string(parameters, "file"),
		.offset_bytes = (uint64_t)varlink_int(parameters, "offset_bytes", 0),
		.length_bytes = (uint64_t)varlink_int(parameters, "length_bytes", 0),
	};
	const char *wrong = negative(parameters);

	if (!wrong && *question.file != '/')
		wrong = "file";
	if (wrong)
		varlink_error_parameter(call, wrong);
	else
		job_start(userdata, call, &question);
}

static bool all_absolute(char *const *files)
{
	for (; *files; files++)
		if (**files != '/')
			return false;
	return true;
}

void control_files(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct lookup_job question = { .ask = ask_files };
	struct json_fields f = { .object = parameters };

	field_get_strv(&f, "files", &question.files);
	if (f.r == -ENOMEM) {
		control_fail(call, f.r);
	} else if (f.r < 0 || !strv_length(question.files) ||
		   strv_length(question.files) > MAX_FILES || !all_absolute(question.files)) {
		strv_free(question.files);
		varlink_error_parameter(call, "files");
	} else {
		job_start(userdata, call, &question);
	}
}

void control_policy_explain(struct varlink_call *call, struct json_object *parameters,
			    void *userdata)
{
	struct control *c = userdata;
	int64_t pid = varlink_int(parameters, "pid", 0);
	struct lookup_job question = {
		.ask = ask_explain,
		.file = varlink_string(parameters, "file"),
		.pid = (pid_t)pid,
		.policy = { .config = *c->parts.policy,
			    .self = getpid(),
			    .cgroup_root = "/sys/fs/cgroup" },
	};

	if (question.file ? *question.file != '/' : !given(parameters, "pid")) {
		varlink_error_parameter(call, "file");
		return;
	}
	if (given(parameters, "pid") && (pid <= 0 || pid > INT32_MAX)) {
		varlink_error_parameter(call, "pid");
		return;
	}
	question.policy.n_control_clients = control_clients(c, question.clients, MAX_CLIENTS);
	job_start(c, call, &question);
}

/* No lookup, but the other half of PolicyCheck: what was read comes into force, if it is good. */
void control_reload(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	_cleanup_(strv_freep) char **problems = NULL;
	struct json_fields f;
	int r = c->parts.reload(c->parts.userdata, &problems);

	if (r < 0) {
		control_fail(call, r);
		return;
	}
	f = json_fields_new();
	field_put_string(&f, "file", *c->parts.config);
	if (r > 0)
		field_put_uint(&f, "n_rules", (*c->parts.policy)->n_rules);
	field_put_strv(&f, "problems", problems);
	if (r > 0)
		control_reply(call, &f);
	else
		control_error(call, "ConfigurationRefused", &f);
}

void control_policy_check(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	struct control *c = userdata;
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	int r = lookup_config(*c->parts.config, &answer);

	if (r < 0)
		control_fail(call, r);
	else
		varlink_reply(call, answer);
}
