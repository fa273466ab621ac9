// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders-of: asks the holders station about files, in one of its two ways.
 *
 *   *.sh ──► [holders-of] ──► a line of JSON for each file, for the script to check
 *
 * By path it asks as hwpoisonctl holders does; --together makes an incident for each file and asks
 * once for all, as the daemon does after a burst.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "holders/holders.h"
#include "incident.h"

static const char usage[] = "usage: holders-of --bpf|--proc [--together] FILE[@OFFSET+LENGTH]...\n";

struct question {
	char *path;
	struct range bytes;
};

/* Offsets and lengths are in bytes; length 0: to the end of the file. */
static struct question parse(const char *argument)
{
	struct question q = { strdup(argument), {} };
	char *at = strrchr(q.path, '@');

	if (at) {
		*at++ = '\0';
		q.bytes.start_bytes = strtoull(at, &at, 0);
		q.bytes.length_bytes = *at == '+' ? strtoull(at + 1, NULL, 0) : 0;
	}
	return q;
}

static int add_owner(struct incident *in, const struct question *q)
{
	struct owner *o = incident_add_owner(in);
	struct stat st;

	if (!o || stat(q->path, &st) < 0)
		return o ? -errno : -ENOMEM;
	in->owners_complete = true;
	o->kind = OWNER_FILE_DATA;
	o->dev = st.st_dev;
	o->inode = st.st_ino;
	o->file_offset_bytes = q->bytes.start_bytes;
	o->length_bytes = q->bytes.length_bytes ?: INT64_MAX;
	return strv_push(&o->paths, q->path);
}

static int print(const struct question *q, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);
	_cleanup_(json_object_putp) struct json_object *line = json_object_new_object();

	json_object_object_add(line, "file", json_object_new_string(q->path));
	json_object_object_add(line, "holders",
			       json_object_get(json_object_object_get(json, "holders")));
	return puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ? -EIO
											      : 0;
}

static int ask(int proc_fd, const struct question *questions, struct incident **incidents, size_t n,
	       bool together)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		const struct question *q = &questions[i];

		incidents[i] = incident_new((struct range){ 0, 1 }, 0);
		if (!incidents[i])
			return -ENOMEM;
		r = together ? add_owner(incidents[i], q)
			     : holders_of_file(proc_fd, q->path, q->bytes.start_bytes,
					       q->bytes.length_bytes, incidents[i]);
	}
	if (r >= 0 && together)
		r = holders_find(proc_fd, incidents, n);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = print(&questions[i], incidents[i]);
	return r;
}

static int ask_and_free(size_t n, char **arguments, bool together)
{
	_cleanup_(freep) struct question *questions = calloc(n, sizeof(*questions));
	_cleanup_(freep) struct incident **incidents = calloc(n, sizeof(*incidents));
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (!questions || !incidents)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		questions[i] = parse(arguments[i]);
	r = ask(proc_fd, questions, incidents, n, together);
	for (size_t i = 0; i < n; i++) {
		incident_free(incidents[i]);
		free(questions[i].path);
	}
	return r;
}

int main(int argc, char **argv)
{
	const char *reason = NULL;
	bool together;
	int r;

	if (argc < 3 || (strcmp(argv[1], "--bpf") && strcmp(argv[1], "--proc"))) {
		fputs(usage, stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--bpf") && holders_bpf_new(0, &reason) < 0) {
		fprintf(stderr, "holders-of: %s\n", reason);
		return 77;
	}
	together = !strcmp(argv[2], "--together");
	r = ask_and_free((size_t)argc - 2 - together, argv + 2 + together, together);
	holders_bpf_free();
	if (r < 0)
		fprintf(stderr, "holders-of: %s\n", strerror(-r));
	return r < 0;
}
