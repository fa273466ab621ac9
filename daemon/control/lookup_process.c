// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_process: which rule would apply to this process, for each file that it holds?
 *
 *   control, hwpoisonctl -> [lookup_process] -> holders, policy
 *
 * In:   a process that need not have lost anything.
 * Out:  the verdict for each file that it maps or has open, each from an incident that is made up.
 *
 * The links in /proc/PID/fd and map_files are followed by the kernel and not by us, so that a file
 * that was renamed or unlinked is still the one that is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "control/lookup.h"
#include "control/lookup_private.h"
#include "holders/process.h"
#include "json-fields.h"
#include "owners/handle.h"

/* A server has thousands of files open; the answer says when it is not all. */
#define FILES_MAX 512u

struct walk {
	const struct policy_context *ctx;
	const struct holder *process;
	struct held_file {
		dev_t dev;
		ino_t inode;
		mode_t mode;
		bool maps, opens;
		bool unlinked;
		char *path;
	} files[FILES_MAX];
	size_t n_files;
	bool more;
	struct device device; /* of the last file's filesystem: most files share it */
	dev_t device_of;
};

static struct held_file *find_file(struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->n_files; i++)
		if (w->files[i].dev == st->st_dev && w->files[i].inode == st->st_ino)
			return &w->files[i];
	return NULL;
}

static int add_file(struct walk *w, int dir_fd, const char *name, bool maps)
{
	char link[PATH_MAX];
	struct held_file *file;
	struct stat st;
	ssize_t n;

	if (fstatat(dir_fd, name, &st, 0) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return 0;
	file = find_file(w, &st);
	if (!file && w->n_files == FILES_MAX) {
		w->more = true;
		return 0;
	}
	if (!file) {
		n = readlinkat(dir_fd, name, link, sizeof(link) - 1);
		if (n < 0)
			return 0;
		link[n] = '\0';
		file = &w->files[w->n_files];
		*file = (struct held_file){ .dev = st.st_dev,
					    .inode = st.st_ino,
					    .mode = st.st_mode,
					    .unlinked = !st.st_nlink };
		file->path = strdup(link);
		if (!file->path)
			return -ENOMEM;
		w->n_files++;
	}
	file->maps |= maps;
	file->opens |= !maps;
	return 0;
}

static int add_files(struct walk *w, const char *where, bool maps)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "%d/%s", w->process->pid, where);
	fd = openat(w->ctx->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		r = e->d_name[0] == '.' ? 0 : add_file(w, fd, e->d_name, maps);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_device(struct walk *w, dev_t dev)
{
	if (w->device_of == dev)
		return 0;
	device_done(&w->device);
	w->device = (struct device){};
	w->device_of = dev;
	return lookup_device(dev, &w->device);
}

/* A file without a name is known by its number and generation alone. Where that fails, it is not.
 */
static void find_generation(struct owner *owner)
{
	_cleanup_(closep) int fs_fd = -1;
	struct inode_facts facts;

	if (!owner->unlinked || !owner->mountpoint || !owner->filesystem)
		return;
	fs_fd = open(owner->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs_fd >= 0 && handle_inode(fs_fd, owner->filesystem, owner->inode, &facts) >= 0)
		owner->generation = facts.generation;
}

/* The file as all that lost something, and the process as all who hold it. */
static int make_up(struct walk *w, const struct held_file *file, struct incident *in)
{
	struct owner *owner = incident_add_owner(in);
	struct holder *holder = incident_add_holder(in);
	int r;

	if (!owner || !holder)
		return -ENOMEM;
	in->owners_complete = true;
	owner->kind = S_ISDIR(file->mode) ? OWNER_DIRECTORY : OWNER_FILE_DATA;
	owner->dev = file->dev;
	owner->inode = file->inode;
	owner->unlinked = file->unlinked;
	r = file->unlinked ? 0 : strv_push(&owner->paths, file->path);
	if (r >= 0)
		r = lookup_mount(w->ctx->proc_fd, owner);
	find_generation(owner);
	if (r >= 0)
		r = find_device(w, file->dev);
	if (r >= 0)
		r = device_copy(&w->device, &in->device);
	if (r >= 0)
		r = process_describe(w->ctx->proc_fd, w->process->pid, holder);
	if (r < 0)
		return r;
	holder->maps = file->maps;
	holder->opens = file->opens;
	return holder_add_held(
		holder, (struct held_owner){ owner_id_of(owner), file->maps, file->opens, false });
}

static int explain_file(struct walk *w, const struct held_file *file, struct json_object *files)
{
	_cleanup_(incident_freep) struct incident *in = incident_new((struct range){ 0, 1 }, 0);
	struct json_fields f = json_fields_new();
	const char *how[3] = {};
	int r = in ? make_up(w, file, in) : -ENOMEM;

	how[0] = file->maps ? "mapped" : "open";
	how[1] = file->maps && file->opens ? "open" : NULL;
	field_put_string(&f, "file", file->path);
	field_put_strv(&f, "how", (char *const *)how);
	if (r >= 0)
		policy_put_verdict(&f, w->ctx, in, &in->holders[0]);
	if (r >= 0)
		r = f.r;
	if (r < 0 || json_object_array_add(files, f.object) < 0) {
		json_object_put(f.object);
		return r < 0 ? r : -ENOMEM;
	}
	return 0;
}

static int explain_files(struct walk *w, struct json_object *explanation)
{
	struct json_object *files = json_object_new_array();
	int r = 0;

	if (!files || json_object_object_add(explanation, "files", files) < 0)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < w->n_files; i++)
		r = explain_file(w, &w->files[i], files);
	if (r >= 0)
		json_object_object_add(explanation, "files_complete",
				       json_object_new_boolean(!w->more));
	return r;
}

static struct walk *walk_free(struct walk *w)
{
	for (size_t i = 0; i < w->n_files; i++)
		free(w->files[i].path);
	device_done(&w->device);
	free(w);
	return NULL;
}
DEFINE_CLEANUP(struct walk *, walk_free);

int lookup_explain_process(const struct policy_context *given, pid_t pid, struct json_object **ret)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_DIRECTORY | O_CLOEXEC);
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	_cleanup_(holder_done) struct holder process = {};
	_cleanup_(walk_freep) struct walk *w = calloc(1, sizeof(*w));
	struct policy_context ctx = *given;
	struct json_object *explanation;
	int r;

	if (proc_fd < 0)
		return -errno;
	if (!w || !answer)
		return -ENOMEM;
	ctx.proc_fd = proc_fd;
	w->ctx = &ctx;
	w->process = &process;
	r = process_describe(proc_fd, pid, &process);
	if (r >= 0)
		r = add_files(w, "map_files", true);
	if (r >= 0)
		r = add_files(w, "fd", false);
	if (r < 0)
		return r;

	explanation = policy_explain_process(&ctx, &process);
	if (!explanation || json_object_object_add(answer, "explanation", explanation) < 0)
		return -ENOMEM;
	r = explain_files(w, explanation);
	if (r < 0)
		return r;
	*ret = TAKE(answer);
	return 0;
}
