// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * print_incident: how incidents, their owners and their holders look to people.
 *
 *   the commands -> [print_incident] -> stdout
 */
#include <pwd.h>
#include <string.h>

#include "print.h"

int incident_from_parts(struct json_object *parts, struct incident **ret)
{
	_cleanup_(json_object_putp) struct json_object *whole = json_object_new_object();

	json_object_object_add(whole, "state", json_object_new_string("resolved"));
	json_object_object_add(whole, "phys_start", json_object_new_string("0x0"));
	json_object_object_add(whole, "length_bytes", json_object_new_int(1));
	json_object_object_foreach (parts, name, value)
		json_object_object_add(whole, name, json_object_get(value));
	return incident_from_json(whole, ret);
}

void print_range(const struct incident *in)
{
	printf("0x%" PRIx64 " + %" PRIu64, in->phys.start_bytes, in->phys.length_bytes);
}

static const char *short_device(const struct device *device)
{
	if (device->blockdev)
		return device->blockdev;
	if (device->chardev)
		return device->chardev;
	if (device->namespace_name)
		return device->namespace_name;
	return device->region ? device->region : device->mode;
}

static void print_part(const char *before, const char *name)
{
	if (!name)
		return;
	printf("%s", before);
	print_name(stdout, name);
}

void print_device_line(const struct device *device)
{
	print_name(stdout, short_device(device));
	if (device->n_sectors)
		printf(" sector %" PRIu64 " + %" PRIu64, device->sector, device->n_sectors);
	print_part(", ", device->namespace_name);
	print_part(" ", device->mode);
	print_part(", ", device->region);
	print_part(", ", device->bus);
	print_part(" ", device->provider);
	for (char **dimm = device->dimms; dimm && *dimm; dimm++)
		print_part(dimm == device->dimms ? ", DIMM " : " ", *dimm);
}

static void print_namespace(pid_t pid, const char *container)
{
	if (!pid)
		return;
	printf(", in the mounts of process %d", (int)pid);
	print_part(", container ", container);
}

static void print_views(const struct owner *owner)
{
	for (size_t i = 0; i < owner->n_views; i++) {
		const struct owner_view *view = &owner->views[i];

		printf("  %-11s ", "  seen as");
		print_name(stdout, view->path);
		if (!owner->filesystem || strcmp(view->filesystem, owner->filesystem))
			print_part(", by ", view->filesystem);
		print_namespace(view->mount_pid, view->container);
		printf("\n");
	}
	if (owner->views_more)
		printf("  %-11s and in more places\n", "  seen as");
}

static void print_owner(const struct owner *owner)
{
	bool in_file = owner->inode;

	printf("  %-11s ", owner_kind_name(owner->kind));
	if (owner->paths && *owner->paths)
		print_name(stdout, *owner->paths);
	else if (in_file)
		printf("inode %" PRIu64 " on ", owner->inode),
			print_name(stdout, owner->mountpoint);
	else
		print_name(stdout, owner->mountpoint ? owner->mountpoint : owner->method);

	if (in_file)
		printf(", offset %" PRIu64, owner->file_offset_bytes);
	printf(", %" PRIu64 " bytes%s%s%s%s%s", owner->length_bytes,
	       owner->shared ? ", shared" : "", owner->unwritten ? ", unwritten" : "",
	       owner->realtime ? ", on the realtime device" : "",
	       owner->unlinked ? ", unlinked" : "", owner->rereadable ? ", can be read again" : "");
	print_namespace(owner->mount_pid, owner->mount_container);
	printf("\n");
	for (char **path = owner->paths; path && *path && *++path;) {
		printf("  %-11s ", "  also");
		print_name(stdout, *path);
		printf("\n");
	}
	print_views(owner);
}

void print_owners(const struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++)
		print_owner(&in->owners[i]);
	if (in->owners_complete)
		return;
	printf("  There may be more owners");
	print_part(": ", in->owners_reason);
	printf(".\n");
}

static void print_holder(const struct holder *holder)
{
	const struct passwd *user = getpwuid(holder->uid);
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)holder->uid);
	printf("  %7d ", (int)holder->pid);
	print_name_padded(stdout, holder->comm, 16);
	printf(" ");
	print_name_padded(stdout, user ? user->pw_name : number, 10);
	printf(" %-11s ", holder->maps && holder->opens ? "mapped,open"
			  : holder->maps		? "mapped"
							: "open");
	print_name(stdout, holder->container ? holder->container : holder->unit);
	if (holder->outcome) {
		printf("\n          %s", verb_name(holder->action));
		print_part(" by rule ", holder->rule);
		print_part(": ", holder->outcome);
		print_part(", ", holder->reason);
	}
	printf("\n");
}

void print_holders(const struct incident *in)
{
	if (!in->n_holders)
		return;
	printf("  %7s %-16s %-10s %-11s %s\n", "PID", "COMMAND", "USER", "HOW", "UNIT");
	for (size_t i = 0; i < in->n_holders; i++)
		print_holder(&in->holders[i]);
}

void print_incident_header(void)
{
	printf("%5s %-9s %-22s %-12s %s\n", "N", "STATE", "RANGE", "DEVICE", "OWNER");
}

/* The first path, or what else there is, and how many more. */
static void print_owners_briefly(const struct incident *in)
{
	const struct owner *first = in->owners;

	if (!in->n_owners) {
		printf("-");
		return;
	}
	for (size_t i = 0; i < in->n_owners; i++)
		if (in->owners[i].paths && *in->owners[i].paths) {
			first = &in->owners[i];
			break;
		}
	if (first->paths && *first->paths)
		print_name(stdout, *first->paths);
	else
		printf("%s", owner_kind_name(first->kind));
	if (in->n_owners > 1)
		printf(" and %zu more", in->n_owners - 1);
}

void print_incident_row(const struct incident *in)
{
	char range[48];

	snprintf(range, sizeof(range), "0x%" PRIx64 " + %" PRIu64, in->phys.start_bytes,
		 in->phys.length_bytes);
	printf("%5" PRIu64 " %-9s %-22s ", in->number, incident_state_name(in->state), range);
	print_name_padded(stdout, short_device(&in->device), 12);
	printf(" ");
	print_owners_briefly(in);
	printf("\n");
}

static void print_losses(const struct repair *repair)
{
	for (size_t i = 0; i < repair->n_losses; i++) {
		const struct loss *loss = &repair->losses[i];

		printf("  lost for good: %" PRIu64 " bytes at offset %" PRIu64 " of ",
		       loss->length_bytes, loss->file_offset_bytes);
		print_name(stdout, loss->paths ? *loss->paths : loss->mountpoint);
		printf("\n");
	}
}

static void print_repair(const struct repair *repair)
{
	printf("Repair: ");
	print_name(stdout, repair->state ? repair->state : "none");
	print_part(", by ", repair->method);
	print_part(", rule ", repair->rule);
	print_part(", ", repair->reason);
	print_part(": ", repair->detail);
	printf("\n");
	if (repair->salvaged_bytes || repair->zeroed_bytes)
		printf("  %" PRIu64 " bytes salvaged, %" PRIu64 " bytes zeroed\n",
		       repair->salvaged_bytes, repair->zeroed_bytes);
	print_losses(repair);
}

static void print_kernel(const struct kernel_deed *deed)
{
	if (!deed->page_type)
		return;
	printf("Kernel: %s page, %s\n", deed->page_type, deed->result);
	for (size_t i = 0; i < deed->n_signals; i++) {
		printf("  %7d ", (int)deed->signals[i].pid);
		print_name_padded(stdout, deed->signals[i].comm, 16);
		printf(" was sent SIGBUS for 0x%" PRIx64 "\n", deed->signals[i].virt_start);
	}
}

void print_incident(const struct incident *in)
{
	printf("Incident %" PRIu64 ": %s\nRange:  ", in->number, incident_state_name(in->state));
	print_range(in);
	printf(" bytes\nDevice: ");
	print_device_line(&in->device);
	printf("\nOwners:\n");
	print_owners(in);
	printf("Holders:%s\n", in->n_holders ? "" : " none");
	print_holders(in);
	print_kernel(&in->kernel);
	print_repair(&in->repair);
}
