// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy: policy check, policy explain and reload.
 *
 *   main -> [policy] -> client where a daemon runs, control/lookup where none does
 *
 * The daemon knows which configuration it was given, and which is in force. With --config the file
 * that is named is meant, whatever a daemon has.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client.h"
#include "control/lookup.h"
#include "holders/holders.h"
#include "print.h"

static bool ask_daemon(const struct ctl *ctl)
{
	return !(ctl->given & OPTION_CONFIG) && client_reachable(ctl);
}

static void print_problems(FILE *out, struct json_object *problems)
{
	size_t n = json_object_is_type(problems, json_type_array)
			   ? json_object_array_length(problems)
			   : 0;

	for (size_t i = 0; i < n; i++) {
		print_name(out, json_object_get_string(json_object_array_get_idx(problems, i)));
		fputc('\n', out);
	}
}

static void print_check(struct json_object *answer, size_t n_problems)
{
	print_problems(stdout, json_object_object_get(answer, "problems"));
	print_member(answer, "file");
	printf(": %" PRIi64 " rules, %zu problems\n",
	       json_object_get_int64(json_object_object_get(answer, "n_rules")), n_problems);
}

static int check_here(const struct ctl *ctl, struct json_object **ret)
{
	int r;

	/* The default may be absent, which is fine. A file that was asked for by name may not. */
	if (ctl->given & OPTION_CONFIG && access(ctl->config, R_OK) < 0)
		r = -errno;
	else
		r = lookup_config(ctl->config, ret);
	if (r >= 0)
		return EXIT_FINE;
	print_error("Cannot read %s: %s.", ctl->config, strerror(-r));
	return EXIT_FAILED;
}

int command_policy_check(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	struct json_object *problems;
	size_t n_problems;
	int r;

	if (ask_daemon(ctl))
		r = client_ask(ctl, "PolicyCheck", NULL, &answer);
	else
		r = check_here(ctl, &answer);
	if (r != EXIT_FINE)
		return r;

	problems = json_object_object_get(answer, "problems");
	n_problems = json_object_is_type(problems, json_type_array)
			     ? json_object_array_length(problems)
			     : 0;
	if (ctl->json)
		print_json(answer);
	else
		print_check(answer, n_problems);
	return n_problems ? EXIT_FAILED : EXIT_FINE;
}

static void print_verdict(struct json_object *verdict)
{
	print_member_after(", by rule ", verdict, "rule");
	print_member_after(": ", verdict, "reason");
	printf("\n");
}

static void print_each(struct json_object *explanation, const char *name,
		       void (*print)(struct json_object *))
{
	struct json_object *array = json_object_object_get(explanation, name);

	if (json_object_is_type(array, json_type_array))
		for (size_t i = 0; i < json_object_array_length(array); i++)
			print(json_object_array_get_idx(array, i));
}

static void print_holder_verdict(struct json_object *holder)
{
	printf("Process %" PRIi64 " (",
	       json_object_get_int64(json_object_object_get(holder, "pid")));
	print_member(holder, "comm");
	printf("): ");
	print_member(holder, "action");
	print_verdict(holder);
}

static void print_rule(struct json_object *rule)
{
	bool matches = json_object_get_boolean(json_object_object_get(rule, "matches"));

	printf("Rule ");
	print_member(rule, "rule");
	printf(": %s", matches ? "matches" : "does not match");
	print_member_after(", ", rule, "reason");
	printf("\n");
}

/* Nothing matched and nothing is done: of most files a program maps there is no more to say. */
static void print_file_verdict(struct json_object *file)
{
	print_member(file, "file");
	printf(": ");
	print_member(file, "action");
	print_verdict(file);
}

static void print_process(struct json_object *explanation)
{
	printf("Process %" PRIi64 " (",
	       json_object_get_int64(json_object_object_get(explanation, "pid")));
	print_member(explanation, "comm");
	printf(")");
	print_member_after(", unit ", explanation, "unit");
	print_member_after(", spared: ", explanation, "spared");
	printf("\n");
	print_each(explanation, "rules", print_rule);
	print_each(explanation, "files", print_file_verdict);
	if (!json_object_get_boolean(json_object_object_get(explanation, "files_complete")))
		printf("It holds more files than these.\n");
}

static void print_explanation(struct json_object *explanation)
{
	struct json_object *repair = json_object_object_get(explanation, "repair");

	if (!repair) {
		print_process(explanation);
		return;
	}
	print_member(explanation, "file");
	printf("\n");
	print_each(explanation, "rules", print_rule);
	printf("Repair: ");
	print_member(repair, "wish");
	print_verdict(repair);
	print_each(explanation, "holders", print_holder_verdict);
}

static int explain_here(const struct ctl *ctl, const char *file, struct json_object **ret)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct policy_context ctx = { .self = getpid(), .cgroup_root = "/sys/fs/cgroup" };
	const char *reason;
	int r;

	if (geteuid() != 0) {
		print_error("policy explain needs root, or a running hwpoisond and membership of "
			    "group hwpoisond.");
		return EXIT_FAILED;
	}
	r = config_read(ctl->config, ctl->given & OPTION_CONFIG, NULL, NULL, &config);
	if (r < 0) {
		print_error("Cannot read %s: %s.", ctl->config, strerror(-r));
		return EXIT_FAILED;
	}
	ctx.config = config;
	holders_bpf_new(config->skip_programs, &reason); /* or else they are found in /proc */
	if (file)
		r = lookup_explain(&ctx, file, (pid_t)ctl->pid, ret);
	else
		r = lookup_explain_process(&ctx, (pid_t)ctl->pid, ret);
	holders_bpf_free();
	if (r >= 0)
		return EXIT_FINE;
	if (r == -ESRCH)
		print_error("There is no process %" PRIu64 ".", ctl->pid);
	else
		print_error("Cannot examine %s: %s.", file ? ctl->arguments[0] : "the process",
			    r == -EINVAL ? "it is neither a file nor a directory" : strerror(-r));
	return EXIT_FAILED;
}

static int explain_by_daemon(const struct ctl *ctl, const char *file, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *parameters = json_object_new_object();

	if (file)
		json_object_object_add(parameters, "file", json_object_new_string(file));
	if (ctl->given & OPTION_PID)
		json_object_object_add(parameters, "pid", json_object_new_uint64(ctl->pid));
	return client_ask(ctl, "PolicyExplain", parameters, ret);
}

/* A file, a process, or both. */
static int check_question(const struct ctl *ctl)
{
	if (!ctl->n_arguments && !(ctl->given & OPTION_PID)) {
		print_error("policy explain lacks a file, or --pid.");
		return EXIT_USAGE;
	}
	if (ctl->given & OPTION_PID && (!ctl->pid || ctl->pid > INT32_MAX)) {
		print_error("%" PRIu64 " is no process.", ctl->pid);
		return EXIT_USAGE;
	}
	return EXIT_FINE;
}

int command_policy_explain(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	struct json_object *explanation;
	char path[PATH_MAX];
	const char *file = NULL;
	int r = check_question(ctl);

	if (r != EXIT_FINE)
		return r;
	if (ctl->n_arguments) {
		file = realpath(ctl->arguments[0], path);
		if (!file) {
			print_error("Cannot find %s: %m.", ctl->arguments[0]);
			return EXIT_FAILED;
		}
	}
	if (ask_daemon(ctl))
		r = explain_by_daemon(ctl, file, &answer);
	else
		r = explain_here(ctl, file, &answer);
	if (r != EXIT_FINE)
		return r;

	explanation = json_object_object_get(answer, "explanation");
	if (ctl->json)
		print_json(explanation);
	else
		print_explanation(explanation);
	return EXIT_FINE;
}

/* What is wrong goes to stderr either way: the daemon stays with what it had. */
int command_reload(const struct ctl *ctl)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(client_reply_done) struct client_reply reply = {};
	int r;

	r = client_connect(ctl->socket, &c);
	if (r >= 0)
		r = client_call(c, "Reload", NULL, false);
	if (r >= 0)
		r = client_next(c, &reply);
	if (r >= 0 && ctl->json && reply.parameters)
		print_json(reply.parameters);
	else if (r >= 0)
		print_problems(stderr, json_object_object_get(reply.parameters, "problems"));
	if (r < 0 || reply.error)
		return client_complain(ctl, r, &reply);
	if (!ctl->json) {
		print_member(reply.parameters, "file");
		printf(": %" PRIi64 " rules in force\n",
		       json_object_get_int64(json_object_object_get(reply.parameters, "n_rules")));
	}
	return EXIT_FINE;
}
