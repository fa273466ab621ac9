// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * files: have these files lost bytes, now or ever?
 *
 *   main -> [files] -> client; control/lookup, where no daemon answers
 *
 * The daemon is asked first, since it knows where its ledger is. Without one, root looks for
 * itself.
 *
 * How it ends is for scripts: lost bytes come before all else, and an answer that is not complete
 * is never "fine". What the ledger remembers is told, and is no failure: the file can be read.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "control/lookup.h"
#include "json-fields.h"
#include "print.h"

static struct json_object *member(struct json_object *object, const char *name)
{
	return json_object_object_get(object, name);
}

static uint64_t integer(struct json_object *object, const char *name)
{
	return json_object_get_uint64(member(object, name));
}

static bool boolean(struct json_object *object, const char *name)
{
	return json_object_get_boolean(member(object, name));
}

static size_t n_elements(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static void print_time(const char *before, uint64_t usec)
{
	time_t seconds = (time_t)(usec / 1000000);
	char text[32];
	struct tm utc;

	if (!usec || !gmtime_r(&seconds, &utc))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	printf("%s%s", before, text);
}

static void print_bytes(struct json_object *piece)
{
	printf("%" PRIu64 " bytes at offset %" PRIu64, integer(piece, "length_bytes"),
	       integer(piece, "file_offset_bytes"));
}

static void print_bad(struct json_object *file)
{
	struct json_object *bad = member(file, "bad");

	for (size_t i = 0; i < n_elements(bad); i++) {
		struct json_object *piece = json_object_array_get_idx(bad, i);

		printf("  bad now: %s, ", member_string(piece, "kind"));
		print_bytes(piece);
		print_member_after(", ", piece, "phys_start");
		printf("\n");
	}
}

static void print_entry(struct json_object *entry, bool is_there)
{
	struct json_object *bytes = member(entry, "bytes");
	struct json_object *losses = member(entry, "lost_for_good");

	printf("  incident %" PRIu64 ": %s", integer(entry, "incident"),
	       member_string(entry, "state"));
	print_member_after(", by ", entry, "repair_method");
	print_time(", found ", integer(entry, "found_usec"));
	printf("%s\n",
	       is_there && !boolean(entry, "same_file") ? ", another file of this name" : "");
	for (size_t i = 0; i < n_elements(bytes); i++) {
		printf("    %s, ", member_string(json_object_array_get_idx(bytes, i), "kind"));
		print_bytes(json_object_array_get_idx(bytes, i));
		printf("\n");
	}
	for (size_t i = 0; i < n_elements(losses); i++) {
		printf("    lost for good: ");
		print_bytes(json_object_array_get_idx(losses, i));
		print_time(", ", integer(json_object_array_get_idx(losses, i), "lost_usec"));
		printf("\n");
	}
}

static void print_verdict(struct json_object *file)
{
	uint64_t lost_bytes = integer(file, "lost_bytes");

	if (lost_bytes)
		printf("%" PRIu64 " bytes are lost", lost_bytes);
	else
		printf(boolean(file, "complete") ? "nothing is lost"
						 : "nothing is known to be lost");
	if (member(file, "device_has_list") && !boolean(file, "device_has_list"))
		printf(" (its device keeps no list of bad blocks)");
}

/* The name comes back as JSON has it; what it was is in its twin. */
static char *name_of(struct json_object *file)
{
	struct json_fields f = { .object = file };
	char *name = NULL;

	field_get_string(&f, "file", &name);
	return name;
}

static void print_file(struct json_object *file)
{
	struct json_object *history = member(file, "history");
	_cleanup_(freep) char *name = name_of(file);
	bool is_there = access(name ? name : "", F_OK) == 0 || errno != ENOENT;

	if (!is_there && !n_elements(history)) {
		print_error("Cannot find %s: %s.", name, member_string(file, "reason"));
		return;
	}
	print_name(stdout, name);
	printf(": ");
	print_verdict(file);
	print_member_after(". ", file, "reason");
	printf("\n");
	print_bad(file);
	for (size_t i = 0; i < n_elements(history); i++)
		print_entry(json_object_array_get_idx(history, i), is_there);
	if (!boolean(file, "history_complete"))
		printf("  The ledger could not be read in full.\n");
}

static int show_files(const struct ctl *ctl, struct json_object *answer)
{
	struct json_object *files = member(answer, "files");
	int r = EXIT_FINE;

	if (ctl->json)
		print_json(answer);
	for (size_t i = 0; i < n_elements(files); i++) {
		struct json_object *file = json_object_array_get_idx(files, i);

		if (!ctl->json)
			print_file(file);
		if (integer(file, "lost_bytes"))
			r = EXIT_POISON;
		else if (r == EXIT_FINE && !boolean(file, "complete"))
			r = EXIT_FAILED;
	}
	return r;
}

/*
 * Names of now, so that the ledger's can be compared with them. A file that is no more, but whose
 * directory is, may be in the ledger still.
 */
static char *real_name(const char *name)
{
	_cleanup_(freep) char *copy = strdup(name), *directory = NULL;
	char *real = realpath(name, NULL), *slash = copy ? strrchr(copy, '/') : NULL;
	const char *last = slash ? slash + 1 : copy;

	if (real || errno != ENOENT || !copy || !*last)
		return real;
	if (slash)
		slash[slash == copy] = '\0'; /* of "/x" the slash stays */
	directory = realpath(slash ? copy : ".", NULL);
	last = name + strlen(name) - strlen(last);
	if (!directory ||
	    asprintf(&real, "%s/%s", strcmp(directory, "/") ? directory : "", last) < 0)
		return NULL;
	return real;
}

static int real_names(const struct ctl *ctl, char ***ret)
{
	int r = EXIT_FINE;

	for (int i = 0; i < ctl->n_arguments; i++) {
		_cleanup_(freep) char *name = real_name(ctl->arguments[i]);

		if (!name) {
			print_error("Cannot find %s: %m.", ctl->arguments[i]);
			r = EXIT_FAILED;
		} else if (strv_push(ret, name) < 0) {
			print_error("Out of memory.");
			return EXIT_FAILED;
		}
	}
	return r;
}

static int ask_daemon(const struct ctl *ctl, char *const *names, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *parameters = NULL;
	struct json_fields f = json_fields_new();

	field_put_strv(&f, "files", names);
	parameters = json_fields_done(&f);
	return client_ask(ctl, "Files", parameters, ret);
}

static int ask(const struct ctl *ctl, char *const *names)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	int r;

	if (!(ctl->given & OPTION_STATE_DIR) && client_reachable(ctl)) {
		r = ask_daemon(ctl, names, &answer);
		return r == EXIT_FINE ? show_files(ctl, answer) : r;
	}
	if (geteuid() != 0)
		return client_need_root("files");
	r = lookup_files_at(names, ctl->state_dir, &answer);
	if (r < 0) {
		print_error("Cannot examine files: %s.", strerror(-r));
		return EXIT_FAILED;
	}
	return show_files(ctl, answer);
}

/* One that can't be found does not keep the others from being told. */
int command_files(const struct ctl *ctl)
{
	_cleanup_(strv_freep) char **names = NULL;
	int found, r;

	found = real_names(ctl, &names);
	if (!strv_length(names))
		return found;
	r = ask(ctl, names);
	return r == EXIT_FINE ? found : r;
}
