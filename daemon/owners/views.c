// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * views: where else the file of an owner is to be seen.
 *
 *   mounts, overlay -> [views] -> filesystem
 *
 * In:   an owner whose names are known.
 * Out:  the same file under other mounts of its filesystem (bind mounts, containers), and in
 *       overlays that have one of its directories as a layer.
 *
 * The owner stays the inode that lost its bytes; these are the names under which people and
 * programs know it. Each is opened and compared: a mount table is old when it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include "cgroup.h"
#include "owners/dcache.h"
#include "owners/handle.h"
#include "owners/mountinfo.h"
#include "owners/overlay.h"
#include "owners/views.h"

/* A layer of an overlay that lies on our filesystem. */
struct layer {
	const struct mount *overlay;
	size_t group; /* its index in views.overlays */
	size_t position;
	char *fs_path; /* from the filesystem's own root */
};

struct views {
	int proc_fd;
	const struct mounts *mounts;
	const struct inside *in;
	struct overlay_layers *overlays;
	size_t n_overlays;
	struct layer *layers;
	size_t n_layers;
};

struct views *views_free(struct views *v)
{
	if (!v)
		return NULL;
	for (size_t i = 0; i < v->n_overlays; i++)
		overlay_layers_done(&v->overlays[i]);
	free(v->overlays);
	for (size_t i = 0; i < v->n_layers; i++)
		free(v->layers[i].fs_path);
	free(v->layers);
	free(v);
	return NULL;
}

/* The kernel knows the path of every directory. 1 and *ret; 0: it could not be told; -ENOMEM. */
static int path_of_directory(const struct inside *in, const char *mount_root, uint64_t inode,
			     char **ret)
{
	_cleanup_(wanted_done) struct wanted wanted = {};
	struct wanted_inode *w = wanted_add(&wanted, inode);
	struct inode_facts facts;
	int r;

	if (!w)
		return -ENOMEM;
	if (handle_inode(in->fs_fd, in->filesystem, inode, &facts) < 0)
		return 0;
	w->generation = facts.generation;
	w->n_names = 1;
	if (inode == in->root_inode)
		r = wanted_note(&wanted, w, "/");
	else
		r = dcache_find(in, mount_root, &wanted);
	if (r < 0 || !w->n_paths)
		return r < 0 ? r : 0;
	*ret = strdup(w->fs_paths[0]);
	return *ret ? 1 : -ENOMEM;
}

static int add_layer(struct views *v, struct layer layer)
{
	struct layer *grown = reallocarray(v->layers, v->n_layers + 1, sizeof(*grown));

	if (!grown) {
		free(layer.fs_path);
		return -ENOMEM;
	}
	v->layers = grown;
	v->layers[v->n_layers++] = layer;
	return 0;
}

static int add_overlay(struct views *v, const struct mount *overlay, const char *mount_root)
{
	_cleanup_(closep) int root_fd = mounts_open_root(v->proc_fd, overlay->via_pid);
	struct overlay_layers *grown = reallocarray(v->overlays, v->n_overlays + 1, sizeof(*grown));
	struct overlay_layers *layers;
	int r;

	if (!grown)
		return -ENOMEM;
	v->overlays = grown;
	layers = &grown[v->n_overlays];
	r = root_fd < 0 ? -EBADMSG : overlay_parse(overlay->options, layers);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	v->n_overlays++;

	for (size_t i = 0; r >= 0 && i < layers->n; i++) {
		_cleanup_(closep) int fd = overlay_open_layer(root_fd, layers->paths[i]);
		struct layer layer = { overlay, v->n_overlays - 1, i, NULL };
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != v->in->dev)
			continue;
		r = path_of_directory(v->in, mount_root, st.st_ino, &layer.fs_path);
		if (r > 0)
			r = add_layer(v, layer);
	}
	return r;
}

int views_new(int proc_fd, const struct mounts *mounts, const struct inside *in,
	      const char *mount_root, struct views **ret)
{
	_cleanup_(views_freep) struct views *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->proc_fd = proc_fd;
	v->mounts = mounts;
	v->in = in;
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount *m = &mounts->all[i];
		int r = mount_is_overlay(m) && !m->covered ? add_overlay(v, m, mount_root) : 0;

		if (r < 0)
			return r;
	}
	*ret = TAKE(v);
	return 0;
}

static int open_seen(const struct views *v, pid_t via_pid, const char *path)
{
	_cleanup_(closep) int root_fd = mounts_open_root(v->proc_fd, via_pid);
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};

	return root_fd < 0 ? -1 : (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

static bool is_told(const struct owner *owner, pid_t via_pid, const char *path)
{
	if (owner->mount_pid == via_pid && strv_contains(owner->paths, path))
		return true;
	for (size_t i = 0; i < owner->n_views; i++)
		if (owner->views[i].mount_pid == via_pid && !strcmp(owner->views[i].path, path))
			return true;
	return false;
}

static int container_of(int proc_fd, pid_t pid, char **ret)
{
	_cleanup_(freep) char *cgroup = NULL, *unit = NULL;
	int r;

	if (!pid)
		return 0;
	r = cgroup_of_process(proc_fd, pid, &cgroup);
	return r <= 0 ? r : cgroup_parse(cgroup, &unit, ret);
}

static int add_view(const struct views *v, struct owner *owner, const struct mount *mount,
		    const char *path)
{
	struct owner_view *view;

	if (owner->n_views == VIEWS_MAX) {
		owner->views_more = true;
		return 0;
	}
	view = owner_add_view(owner);
	if (!view || string_set(&view->path, path) < 0 ||
	    string_set(&view->filesystem, mount->filesystem) < 0)
		return -ENOMEM;
	view->mount_pid = mount->via_pid;
	return container_of(v->proc_fd, mount->via_pid, &view->container);
}

static int try_mount(const struct views *v, const struct mount *mount, const char *fs_path,
		     struct owner *owner)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *path = NULL;
	struct stat st;
	int r;

	if (mount->dev != v->in->dev || mount->covered || !path_is_below(fs_path, mount->root))
		return 0;
	r = mount_name_below(mount, fs_path, &path);
	if (r < 0)
		return r;
	if (is_told(owner, mount->via_pid, path))
		return 0;
	fd = open_seen(v, mount->via_pid, path);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != v->in->dev || st.st_ino != owner->inode)
		return 0;
	return add_view(v, owner, mount, path);
}

static int try_layer(const struct views *v, const struct layer *layer, const char *fs_path,
		     struct owner *owner)
{
	_cleanup_(closep) int root_fd = -1;
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *path = NULL;
	const char *below = fs_path + (strcmp(layer->fs_path, "/") ? strlen(layer->fs_path) : 0);
	const struct mount *overlay = layer->overlay;
	struct stat st;
	int r;

	if (!path_is_below(fs_path, layer->fs_path) || !*below ||
	    !path_is_below(below, overlay->root))
		return 0;
	r = mount_name_below(overlay, below, &path);
	if (r < 0)
		return r;
	root_fd = mounts_open_root(v->proc_fd, overlay->via_pid);
	fd = open_seen(v, overlay->via_pid, path);
	if (root_fd < 0 || fd < 0 || fstat(fd, &st) < 0 || is_told(owner, overlay->via_pid, path))
		return 0;
	if (!overlay_shows(root_fd, &v->overlays[layer->group], layer->position, below + 1,
			   S_ISDIR(st.st_mode)))
		return 0;
	return add_view(v, owner, overlay, path);
}

int views_find(const struct views *v, const struct wanted_inode *names, struct owner *owner)
{
	int r;

	r = container_of(v->proc_fd, owner->mount_pid, &owner->mount_container);
	for (size_t n = 0; r >= 0 && n < names->n_paths && !owner->views_more; n++) {
		for (size_t i = 0; r >= 0 && i < v->mounts->n; i++)
			r = try_mount(v, &v->mounts->all[i], names->fs_paths[n], owner);
		for (size_t i = 0; r >= 0 && i < v->n_layers; i++)
			r = try_layer(v, &v->layers[i], names->fs_paths[n], owner);
	}
	return r < 0 ? r : 0;
}
