// SPDX-License-Identifier: GPL-2.0-or-later
/* clear_error: see clear_error.h. */
#include <errno.h>
#include <string.h>

#include <linux/ndctl.h>
#include <ndctl/libndctl.h>

#include "cleanup.h"
#include "repair/clear_error.h"

DEFINE_CLEANUP(struct ndctl_ctx *, ndctl_unref);
DEFINE_CLEANUP(struct ndctl_cmd *, ndctl_cmd_unref);

/* The command that says what the bus can do around an address; it carries the reference to the bus.
 */
static int ask_capability(struct ndctl_ctx *ctx, const char *name, struct range phys,
			  struct ndctl_cmd **ret)
{
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *cap = NULL;
	struct ndctl_bus *bus;
	int r;

	ndctl_bus_foreach (ctx, bus)
		if (!strcmp(ndctl_bus_get_devname(bus), name))
			break;
	if (!bus)
		return -ENODEV;
	if (!ndctl_bus_is_cmd_supported(bus, ND_CMD_CLEAR_ERROR) ||
	    !ndctl_bus_is_cmd_supported(bus, ND_CMD_ARS_CAP))
		return -EOPNOTSUPP;

	cap = ndctl_bus_cmd_new_ars_cap(bus, phys.start_bytes, phys.length_bytes);
	if (!cap)
		return -ENOMEM;
	r = ndctl_cmd_submit(cap);
	if (r < 0)
		return r;
	*ret = TAKE(cap);
	return 0;
}

int clear_error_unit(const char *bus, struct range phys, uint32_t *ret_unit_bytes)
{
	_cleanup_(ndctl_unrefp) struct ndctl_ctx *ctx = NULL;
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *cap = NULL;
	unsigned int unit;
	int r;

	r = ndctl_new(&ctx);
	if (r < 0)
		return r;
	r = ask_capability(ctx, bus, phys, &cap);
	if (r < 0)
		return r;
	unit = ndctl_cmd_ars_cap_get_clear_unit(cap);
	if (!unit || (unit & (unit - 1)))
		return -EOPNOTSUPP;
	*ret_unit_bytes = unit;
	return 0;
}

int clear_error_submit(const char *bus, struct range phys, uint64_t *ret_cleared_bytes)
{
	_cleanup_(ndctl_unrefp) struct ndctl_ctx *ctx = NULL;
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *cap = NULL;
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *clear = NULL;
	unsigned long long cleared;
	int r;

	*ret_cleared_bytes = 0;
	r = ndctl_new(&ctx);
	if (r < 0)
		return r;
	r = ask_capability(ctx, bus, phys, &cap);
	if (r < 0)
		return r;
	clear = ndctl_bus_cmd_new_clear_error(phys.start_bytes, phys.length_bytes, cap);
	if (!clear)
		return -EOPNOTSUPP;
	r = ndctl_cmd_submit(clear);
	if (r < 0)
		return -EIO;
	cleared = ndctl_cmd_clear_error_get_cleared(clear);
	if (cleared > phys.length_bytes) /* ULLONG_MAX: an error, not a large number */
		return -EIO;
	*ret_cleared_bytes = cleared;
	return 0;
}
