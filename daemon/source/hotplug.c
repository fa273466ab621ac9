// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hotplug: a device of an NVDIMM bus came, went, or was enabled or disabled.
 *
 *   kernel uevents -> [hotplug] -> nvdimm
 *
 * In:   uevents of subsystems nd, block and dax.
 * Out:  one call for all that waits; the caller looks at sysfs for himself.
 *
 * Listens to the kernel, not to udevd: what we read afterwards is sysfs, which is
 * ready when the kernel speaks, and a guest without udevd has hotplug too.
 *
 * Lost events (the queue ran over) are a change like any other.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libudev.h>

#include "source/hotplug.h"

#define QUEUE_BYTES (256 * 1024)
/* A storm of uevents must not keep the loop from anything else. */
#define MAX_PER_WAKE 1000

struct hotplug {
	struct udev *udev;
	struct udev_monitor *monitor;
	sd_event_source *source;
	hotplug_changed changed;
	void *userdata;
};

/* Disks elsewhere come, go and change all day; theirs is not our topology. */
static bool is_ours(struct udev_device *device)
{
	const char *subsystem = udev_device_get_subsystem(device);
	const char *action = udev_device_get_action(device);
	const char *path = udev_device_get_devpath(device);

	if (!subsystem || !action || !path)
		return true;
	if (!strcmp(subsystem, "block"))
		return strcmp(action, "change") && strstr(path, "/ndbus");
	return true;
}

static int on_uevent(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct hotplug *h = userdata;
	bool changed = false;

	for (unsigned i = 0; i < MAX_PER_WAKE; i++) {
		struct udev_device *device;

		errno = 0;
		device = udev_monitor_receive_device(h->monitor);
		if (!device && errno == ENOBUFS) {
			changed = true;
			continue;
		}
		if (!device)
			break;
		changed = changed || is_ours(device);
		udev_device_unref(device);
	}
	if (changed)
		h->changed(h->userdata);
	return 0;
}

static int listen_to(struct hotplug *h)
{
	static const char *const subsystems[] = { "nd", "block", "dax" };
	int r;

	h->udev = udev_new();
	if (!h->udev)
		return errno > 0 ? -errno : -ENOMEM;
	h->monitor = udev_monitor_new_from_netlink(h->udev, "kernel");
	if (!h->monitor)
		return errno > 0 ? -errno : -ENOMEM;

	for (size_t i = 0; i < sizeof(subsystems) / sizeof(*subsystems); i++) {
		r = udev_monitor_filter_add_match_subsystem_devtype(h->monitor, subsystems[i],
								    NULL);
		if (r < 0)
			return r;
	}
	/* Larger than net.core.rmem_max needs CAP_NET_ADMIN; without it the default must do. */
	udev_monitor_set_receive_buffer_size(h->monitor, QUEUE_BYTES);
	return udev_monitor_enable_receiving(h->monitor);
}

int hotplug_new(sd_event *event, hotplug_changed changed, void *userdata, struct hotplug **ret)
{
	_cleanup_(hotplug_freep) struct hotplug *h = NULL;
	int r;

	assert(event);
	assert(changed);
	assert(ret);

	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->changed = changed;
	h->userdata = userdata;

	r = listen_to(h);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &h->source, udev_monitor_get_fd(h->monitor), EPOLLIN, on_uevent,
			    h);
	if (r < 0)
		return r;
	sd_event_source_set_description(h->source, "hotplug");

	*ret = TAKE(h);
	return 0;
}

struct hotplug *hotplug_free(struct hotplug *h)
{
	if (!h)
		return NULL;
	sd_event_source_disable_unref(h->source);
	udev_monitor_unref(h->monitor);
	udev_unref(h->udev);
	free(h);
	return NULL;
}
