// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders-of: asks the holders station about files, in one of its two ways, or in both.
 *
 *   *.sh ──► [holders-of] ──► a line of JSON for each file, for the script to check
 *
 * By path it asks as hwpoisonctl holders does; --together makes an incident for each file and asks
 * once for all, as the daemon does after a burst. --both asks one way, then the other, and fails
 * where the answers are not the same to the letter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "holders/holders.h"
#include "incident.h"

static const char usage[] =
	"usage: holders-of --bpf|--proc|--both [--together] FILE[@OFFSET+LENGTH]...\n";

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

static int print(FILE *to, const struct question *q, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);
	_cleanup_(json_object_putp) struct json_object *line = json_object_new_object();

	json_object_object_add(line, "file", json_object_new_string(q->path));
	json_object_object_add(line, "holders",
			       json_object_get(json_object_object_get(json, "holders")));
	return fprintf(to, "%s\n",
		       json_object_to_json_string_ext(line, JSON_C_TO_STRING_NOSLASHESCAPE)) < 0
		       ? -EIO
		       : 0;
}

static int ask(FILE *to, int proc_fd, const struct question *questions, struct incident **incidents,
	       size_t n, bool together)
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
		r = print(to, &questions[i], incidents[i]);
	return r;
}

struct arguments {
	char **files;
	size_t n;
	bool together;
};

/* By the way that is open now. */
static int answer(const struct arguments *a, char **ret)
{
	_cleanup_(freep) struct question *questions = calloc(a->n, sizeof(*questions));
	_cleanup_(freep) struct incident **incidents = calloc(a->n, sizeof(*incidents));
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n_bytes;
	FILE *to = open_memstream(ret, &n_bytes);
	int r;

	if (!questions || !incidents || !to)
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++)
		questions[i] = parse(a->files[i]);
	r = ask(to, proc_fd, questions, incidents, a->n, a->together);
	for (size_t i = 0; i < a->n; i++) {
		incident_free(incidents[i]);
		free(questions[i].path);
	}
	fclose(to);
	return r;
}

static int by_bpf(const struct arguments *a, char **ret)
{
	const char *reason;
	int r = holders_bpf_new(0, &reason);

	if (r < 0) {
		fprintf(stderr, "holders-of: %s\n", reason);
		exit(77);
	}
	r = answer(a, ret);
	holders_bpf_free();
	return r;
}

/* 1: they differ. */
static int both(const struct arguments *a, char **ret)
{
	_cleanup_(freep) char *other = NULL;
	int r = by_bpf(a, ret);

	if (r >= 0)
		r = answer(a, &other);
	if (r < 0 || !strcmp(*ret, other))
		return r;
	fprintf(stderr, "holders-of: reading /proc gives another answer:\n%s", other);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_(freep) char *text = NULL;
	struct arguments a;
	int r;

	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	a.together = !strcmp(argv[2], "--together");
	a.files = argv + 2 + a.together;
	a.n = (size_t)argc - 2 - a.together;
	if (!strcmp(argv[1], "--bpf"))
		r = by_bpf(&a, &text);
	else if (!strcmp(argv[1], "--both"))
		r = both(&a, &text);
	else
		r = answer(&a, &text);
	if (text)
		fputs(text, stdout);
	if (r < 0)
		fprintf(stderr, "holders-of: %s\n", strerror(-r));
	return r != 0;
}
