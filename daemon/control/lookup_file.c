// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_file: who holds this file, and which rule would apply to it?
 *
 *   control, hwpoisonctl -> [lookup_file] -> holders, policy
 *
 * In:   a file that need not have lost anything.
 * Out:  the answers that the stations would give if it had, from an incident that is made up here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "control/lookup.h"
#include "control/lookup_private.h"
#include "holders/holders.h"
#include "holders/process.h"
#include "json-fields.h"
#include "locate/stack.h"
#include "owners/mounts.h"

int lookup_holders(const char *file, uint64_t offset_bytes, uint64_t length_bytes,
		   struct json_object **ret)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_DIRECTORY | O_CLOEXEC);
	_cleanup_(incident_freep) struct incident *in = NULL;
	_cleanup_(json_object_putp) struct json_object *whole = NULL;
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	struct json_object *holders;
	int r;

	if (proc_fd < 0)
		return -errno;
	in = incident_new((struct range){ 0, 1 }, 0);
	if (!in || !answer)
		return -ENOMEM;
	r = holders_of_file(proc_fd, file, offset_bytes, length_bytes, in);
	if (r < 0)
		return r;

	whole = incident_to_json(in);
	if (!whole || !json_object_object_get_ex(whole, "holders", &holders) ||
	    json_object_object_add(answer, "holders", json_object_get(holders)) < 0)
		return -ENOMEM;
	*ret = TAKE(answer);
	return 0;
}

/* "dm-0": the kernel's name of a block device. 0, or -ENODEV: it is none. */
static int name_of_device(dev_t dev, char ret[static STACK_NAME_BYTES])
{
	char link[64], target[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	if (!realpath(link, target) || strlen(strrchr(target, '/') + 1) >= STACK_NAME_BYTES)
		return -ENODEV;
	strcpy(ret, strrchr(target, '/') + 1);
	return 0;
}

/* The disk where the filesystem begins; a volume may have others behind it. */
static int first_disk(dev_t dev, char ret[static STACK_NAME_BYTES])
{
	_cleanup_(closep) int block_fd = open("/sys/class/block", O_DIRECTORY | O_CLOEXEC);
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;
	char name[STACK_NAME_BYTES];
	int r;

	if (block_fd < 0)
		return -errno;
	r = name_of_device(dev, name);
	if (r >= 0)
		r = stack_new(block_fd, &stack);
	if (r >= 0)
		r = stack_below(stack, name, (struct range){ 0, SECTOR_BYTES }, &pieces);
	if (r < 0)
		return r;
	memcpy(ret, pieces.all[0].name, STACK_NAME_BYTES);
	return 0;
}

int lookup_device(dev_t dev, struct device *ret)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	char disk[STACK_NAME_BYTES];
	int r;

	r = first_disk(dev, disk);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = lookup_build_map(&map);
	if (r < 0)
		return r;
	for (size_t i = 0; i < map->n_places; i++) {
		const char *blockdev = map->places[i].device.blockdev;

		if (blockdev && !strcmp(blockdev, disk))
			return device_copy(&map->places[i].device, ret);
	}
	return string_set(&ret->blockdev, disk);
}

int lookup_mount(int proc_fd, struct owner *owner)
{
	_cleanup_(mounts_freep) struct mounts *mounts = NULL;
	const struct mount *mount;
	int r;

	r = mounts_read(proc_fd, &mounts);
	if (r < 0)
		return r;
	mount = mounts_best(mounts, owner->dev);
	if (!mount)
		return 0;
	r = string_set(&owner->filesystem, mount->filesystem);
	return r < 0 ? r : string_set(&owner->mountpoint, mount->mountpoint);
}

/* The file as the owner of lost bytes, all of it. */
static int owner_of_file(int proc_fd, const char *file, struct incident *in)
{
	_cleanup_(freep) char *real = realpath(file, NULL);
	struct owner *owner;
	struct stat st;
	int r;

	if (!real || stat(real, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EINVAL;

	owner = incident_add_owner(in);
	if (!owner)
		return -ENOMEM;
	owner->kind = S_ISDIR(st.st_mode) ? OWNER_DIRECTORY : OWNER_FILE_DATA;
	owner->dev = st.st_dev;
	owner->inode = st.st_ino;
	owner->length_bytes = (uint64_t)st.st_size;
	r = strv_push(&owner->paths, real);
	return r < 0 ? r : lookup_mount(proc_fd, owner);
}

/* One process alone; if it does not hold the file, as if it had mapped all of it. */
static int keep_one_holder(int proc_fd, struct incident *in, pid_t pid)
{
	struct holder *holder;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < in->n_holders; i++) {
		if (in->holders[i].pid == pid)
			in->holders[n++] = in->holders[i];
		else
			holder_done(&in->holders[i]);
	}
	in->n_holders = n;
	if (n)
		return 0;
	holder = incident_add_holder(in);
	if (!holder)
		return -ENOMEM;
	r = process_describe(proc_fd, pid, holder);
	if (r < 0)
		return r;
	holder->maps = true;
	return holder_add_held(
		holder, (struct held_owner){ .id = owner_id_of(&in->owners[0]), .maps = true });
}

int lookup_explain(const struct policy_context *given, const char *file, pid_t pid,
		   struct json_object **ret)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_DIRECTORY | O_CLOEXEC);
	_cleanup_(incident_freep) struct incident *in = incident_new((struct range){ 0, 1 }, 0);
	struct policy_context ctx = *given;
	struct json_fields answer;
	int r;

	if (proc_fd < 0)
		return -errno;
	if (!in)
		return -ENOMEM;
	ctx.proc_fd = proc_fd;

	r = owner_of_file(proc_fd, file, in);
	if (r < 0)
		return r;
	in->owners_complete = true;
	r = lookup_device(in->owners[0].dev, &in->device);
	if (r < 0)
		return r;
	r = holders_of_file(proc_fd, in->owners[0].paths[0], 0, 0, in);
	if (r >= 0 && pid)
		r = keep_one_holder(proc_fd, in, pid);
	if (r < 0)
		return r;

	answer = json_fields_new();
	field_put_object(&answer, "explanation", policy_explain(&ctx, in));
	if (answer.r < 0) {
		json_object_put(answer.object);
		return answer.r;
	}
	*ret = answer.object;
	return 0;
}
