// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy: policy check and policy explain.
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

static void print_check(struct json_object *answer, size_t n_problems)
{
	struct json_object *problems = json_object_object_get(answer, "problems");

	for (size_t i = 0; i < n_problems; i++) {
		struct json_object *problem = json_object_array_get_idx(problems, i);

		print_name(stdout, json_object_get_string(problem));
		printf("\n");
	}
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

static void print_explanation(struct json_object *explanation)
{
	struct json_object *repair = json_object_object_get(explanation, "repair");

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
	r = lookup_explain(&ctx, file, ret);
	holders_bpf_free();
	if (r >= 0)
		return EXIT_FINE;
	print_error("Cannot examine %s: %s.", ctl->arguments[0],
		    r == -EINVAL ? "it is neither a file nor a directory" : strerror(-r));
	return EXIT_FAILED;
}

static int explain_by_daemon(const struct ctl *ctl, const char *file, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "file", json_object_new_string(file));
	return client_ask(ctl, "PolicyExplain", parameters, ret);
}

int command_policy_explain(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	struct json_object *explanation;
	char file[PATH_MAX];
	int r;

	if (!realpath(ctl->arguments[0], file)) {
		print_error("Cannot find %s: %m.", ctl->arguments[0]);
		return EXIT_FAILED;
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
