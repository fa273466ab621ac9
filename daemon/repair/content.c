// SPDX-License-Identifier: GPL-2.0-or-later
/* content: see content.h. */
#include <errno.h>
#include <string.h>

#include <libudev.h>

#include "cleanup.h"
#include "repair/content.h"

DEFINE_CLEANUP(struct udev *, udev_unref);
DEFINE_CLEANUP(struct udev_device *, udev_device_unref);

int content_of(const char *blockdev, char **ret_type)
{
	static const char *const properties[] = { "ID_FS_TYPE", "ID_PART_TABLE_TYPE" };
	_cleanup_(udev_unrefp) struct udev *udev = udev_new();
	_cleanup_(udev_device_unrefp) struct udev_device *device = NULL;

	if (!udev)
		return -ENOMEM;
	device = udev_device_new_from_subsystem_sysname(udev, "block", blockdev);
	if (!device)
		return errno ? -errno : -ENODEV;
	if (udev_device_get_is_initialized(device) <= 0)
		return -ENODATA;

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		const char *type = udev_device_get_property_value(device, properties[i]);

		if (!type || !*type)
			continue;
		*ret_type = strdup(type);
		return *ret_type ? 1 : -ENOMEM;
	}
	return 0;
}
