// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mount_watch: see mount_watch.h.
 *
 *   [mount_watch] -> flow
 *
 * proc(5): mountinfo raises POLLPRI after each change. The kernel re-arms it by the poll itself, so
 * nothing is read here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "source/mount_watch.h"

struct mount_watch {
	int fd;
	sd_event_source *source;
	void (*on_change)(void *userdata);
	void *userdata;
};

static int on_mountinfo(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct mount_watch *w = userdata;

	w->on_change(w->userdata);
	return 0;
}

int mount_watch_new(sd_event *event, void (*on_change)(void *userdata), void *userdata,
		    struct mount_watch **ret)
{
	_cleanup_(mount_watch_freep) struct mount_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->on_change = on_change;
	w->userdata = userdata;
	w->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	r = sd_event_add_io(event, &w->source, w->fd, EPOLLPRI, on_mountinfo, w);
	if (r < 0)
		return r;
	*ret = TAKE(w);
	return 0;
}

struct mount_watch *mount_watch_free(struct mount_watch *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->source);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return NULL;
}
