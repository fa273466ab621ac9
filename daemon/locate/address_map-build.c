// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * address_map-build: the map, from what libndctl and libdaxctl see now.
 *
 *   bus -> region -> namespace -> pfn, dax or btt -> [places]
 *
 * In:   nothing but the running system.
 * Out:  a map in which every byte of every pmem region has one place, or an error
 *       and no map.
 *
 * The data of a namespace go in first, then what is left of the namespace (its
 * metadata), then what is left of the region. Devices can vanish under the walk,
 * and libndctl then leaves them out without a word: so the list of devices is
 * taken before and after, and a walk during which it changed does not count.
 *
 * Getters of libndctl fail in four dialects (ULLONG_MAX, UINT_MAX, NULL, "");
 * each is translated where it is called.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <daxctl/libdaxctl.h>
#include <linux/ndctl.h>

#include "locate/address_map.h"
#include "locate/ndctl_context.h"
#include "locate/sysfs.h"

static int take_ullong(unsigned long long n, uint64_t *ret)
{
	if (n == ULLONG_MAX)
		return errno > 0 ? -errno : -ENXIO;
	*ret = n;
	return 0;
}

/* ULLONG_MAX is a failure; why, the library leaves in errno, as far as it knows. */
#define READ_ULLONG(call, ret)                                                                     \
	({                                                                                         \
		errno = 0;                                                                         \
		take_ullong((call), (ret));                                                        \
	})

/* The strings are libndctl's, and stay alive as long as its context. */
static char *borrow(const char *s)
{
	return s && *s ? (char *)(uintptr_t)s : NULL;
}

/* Everything in `outer` that has no place yet gets one like `like`. */
static int fill_gaps(struct address_map *map, struct range outer, const struct place *like)
{
	uint64_t at = outer.start_bytes, end = range_end(outer);
	int r;

	while (at < end) {
		struct range rest = { at, end - at }, taken;
		struct place gap = *like;

		if (!address_map_find(map, rest, &taken))
			taken = (struct range){ end, 0 };
		if (taken.start_bytes > at) {
			gap.phys = (struct range){ at, taken.start_bytes - at };
			r = address_map_add(map, &gap);
			if (r < 0)
				return r;
		}
		at = range_end(taken);
	}
	return 0;
}

static int add_data(struct address_map *map, struct range outer, struct place data)
{
	if (!range_valid(data.phys) || !range_contains(outer, data.phys))
		return -ERANGE;
	return address_map_add(map, &data);
}

/*
 * Disabled. The kernel then calls any namespace "raw", and what is in it may be a
 * filesystem all the same: so it has no mode, until it is enabled and tells.
 */
static int forget_mode(struct place *like)
{
	like->device.mode = NULL;
	return 0;
}

/* fsdax: the pfn device says where, behind its struct pages, the block device begins. */
static int add_pfn(struct address_map *map, struct ndctl_pfn *pfn, struct range outer,
		   struct place *like)
{
	struct place data;
	int r;

	like->device.blockdev = borrow(ndctl_pfn_get_block_device(pfn));
	if (!like->device.blockdev)
		return forget_mode(like);

	data = *like;
	r = READ_ULLONG(ndctl_pfn_get_resource(pfn), &data.phys.start_bytes);
	if (r < 0)
		return r;
	r = READ_ULLONG(ndctl_pfn_get_size(pfn), &data.phys.length_bytes);
	if (r < 0)
		return r;
	data.data_start = data.phys.start_bytes;
	return add_data(map, outer, data);
}

static int add_dax_device(struct address_map *map, struct daxctl_dev *dev, struct range outer,
			  const struct place *like)
{
	struct place data = *like;
	int r;

	data.device.chardev = borrow(daxctl_dev_get_devname(dev));
	if (daxctl_dev_get_memory(dev))
		data.device.mode = borrow("ram"); /* given to the kernel as ordinary memory */
	r = READ_ULLONG(daxctl_dev_get_resource(dev), &data.phys.start_bytes);
	if (r < 0)
		return r;
	r = READ_ULLONG(daxctl_dev_get_size(dev), &data.phys.length_bytes);
	if (r < 0)
		return r;
	if (!data.phys.length_bytes)
		return 0; /* the seed of a region that can be divided */
	return add_data(map, outer, data);
}

static int add_dax(struct address_map *map, struct ndctl_dax *dax, struct range outer,
		   struct place *like)
{
	struct daxctl_region *region;
	struct daxctl_dev *dev;
	int r;

	if (!ndctl_dax_is_enabled(dax))
		return forget_mode(like);
	region = ndctl_dax_get_daxctl_region(dax);
	if (!region)
		return -ENODEV;

	daxctl_dev_foreach(region, dev)
	{
		r = add_dax_device(map, dev, outer, like);
		if (r < 0)
			return r;
	}
	return 0;
}

/* No holder: the block device begins where the namespace does (also on e820 buses, as "memory"). */
static int add_bare(struct address_map *map, struct ndctl_namespace *ns, struct range outer,
		    struct place *like)
{
	struct place data = *like;

	data.device.blockdev = borrow(ndctl_namespace_get_block_device(ns));
	if (!data.device.blockdev)
		return forget_mode(like);
	data.phys = outer;
	data.data_start = outer.start_bytes;
	return add_data(map, outer, data);
}

static int name_btt(struct ndctl_btt *btt, struct place *like)
{
	like->device.blockdev = borrow(ndctl_btt_get_block_device(btt));
	return like->device.blockdev ? 0 : forget_mode(like);
}

static const char *mode_name(struct ndctl_namespace *ns)
{
	switch ((int)ndctl_namespace_get_mode(ns)) {
	case NDCTL_NS_MODE_FSDAX:
		return "fsdax";
	case NDCTL_NS_MODE_SECTOR:
		return "sector";
	case NDCTL_NS_MODE_RAW:
		return "raw";
	case NDCTL_NS_MODE_DEVDAX:
		return "devdax";
	default:
		return NULL;
	}
}

static int add_namespace(struct address_map *map, struct ndctl_namespace *ns,
			 const struct place *of_region)
{
	struct ndctl_btt *btt = ndctl_namespace_get_btt(ns);
	struct ndctl_pfn *pfn = ndctl_namespace_get_pfn(ns);
	struct ndctl_dax *dax = ndctl_namespace_get_dax(ns);
	struct place like = *of_region;
	struct range outer;
	int r;

	r = READ_ULLONG(ndctl_namespace_get_size(ns), &outer.length_bytes);
	if (r < 0)
		return r;
	if (!outer.length_bytes)
		return 0; /* a seed: no namespace yet */
	r = READ_ULLONG(ndctl_namespace_get_resource(ns), &outer.start_bytes);
	if (r < 0)
		return r;
	if (!range_valid(outer) || !range_contains(of_region->phys, outer))
		return -ERANGE;

	like.device.namespace_name = borrow(ndctl_namespace_get_devname(ns));
	like.device.mode = borrow(mode_name(ns));
	if (!like.device.namespace_name || !like.device.mode)
		return -ENODEV;

	/* A BTT moves each sector elsewhere when it is written: no address has a sector. */
	if (btt)
		r = name_btt(btt, &like);
	else if (dax)
		r = add_dax(map, dax, outer, &like);
	else if (pfn)
		r = add_pfn(map, pfn, outer, &like);
	else
		r = add_bare(map, ns, outer, &like);
	if (r < 0)
		return r;
	return fill_gaps(map, outer, &like);
}

static int collect_dimms(struct ndctl_region *region, char ***ret)
{
	struct ndctl_mapping *mapping;
	int r;

	ndctl_mapping_foreach (region, mapping) {
		struct ndctl_dimm *dimm = ndctl_mapping_get_dimm(mapping);
		const char *name = dimm ? ndctl_dimm_get_devname(dimm) : NULL;

		if (!name)
			return -ENODEV;
		r = strv_push_once(ret, name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_region(struct address_map *map, struct ndctl_bus *bus, struct ndctl_region *region)
{
	_cleanup_(strv_freep) char **dimms = NULL;
	struct ndctl_namespace *ns;
	struct place like = { 0 };
	int r;

	if (ndctl_region_get_type(region) != ND_DEVICE_REGION_PMEM)
		return 0;
	r = collect_dimms(region, &dimms);
	if (r < 0)
		return r;
	r = READ_ULLONG(ndctl_region_get_resource(region), &like.phys.start_bytes);
	if (r < 0)
		return r;
	r = READ_ULLONG(ndctl_region_get_size(region), &like.phys.length_bytes);
	if (r < 0)
		return r;
	if (!range_valid(like.phys))
		return -ERANGE;

	like.region_start = like.phys.start_bytes;
	like.device.bus = borrow(ndctl_bus_get_devname(bus));
	like.device.provider = borrow(ndctl_bus_get_provider(bus));
	like.device.dimms = dimms;
	like.device.region = borrow(ndctl_region_get_devname(region));
	if (!like.device.bus || !like.device.region)
		return -ENODEV;

	ndctl_namespace_foreach (region, ns) {
		r = add_namespace(map, ns, &like);
		if (r < 0)
			return r;
	}
	like.device.mode = borrow("none");
	return fill_gaps(map, like.phys, &like);
}

static int walk(struct address_map *map)
{
	_cleanup_(ndctl_context_freep) struct ndctl_ctx *ctx = NULL;
	struct ndctl_region *region;
	struct ndctl_bus *bus;
	int r;

	r = ndctl_context_new(&ctx);
	if (r < 0)
		return r;
	ndctl_bus_foreach (ctx, bus) {
		ndctl_region_foreach (bus, region) {
			r = add_region(map, bus, region);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of all devices on NVDIMM buses, sorted; none where the kernel has no such buses. */
static int list_devices(char ***ret)
{
	_cleanup_(strv_freep) char **names = NULL;
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int r;

	dir = opendir(SYSFS_ND_DEVICES);
	if (!dir && errno != ENOENT)
		return -errno;
	while (dir && (errno = 0, entry = readdir(dir))) {
		r = strv_push(&names, entry->d_name);
		if (r < 0)
			return r;
	}
	if (dir && errno)
		return -errno;

	if (names)
		qsort(names, strv_length(names), sizeof(*names), compare_names);
	*ret = TAKE(names);
	return 0;
}

static bool same_names(char *const *a, char *const *b)
{
	if (strv_length(a) != strv_length(b))
		return false;
	for (; a && *a; a++, b++)
		if (strcmp(*a, *b))
			return false;
	return true;
}

int address_map_build(struct address_map **ret)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	_cleanup_(strv_freep) char **before = NULL, **after = NULL;
	int r;

	assert(ret);

	r = address_map_new(&map);
	if (r < 0)
		return r;
	r = list_devices(&before);
	if (r < 0)
		return r;
	r = walk(map);
	if (r < 0)
		return r;
	r = list_devices(&after);
	if (r < 0)
		return r;
	if (!same_names(before, after))
		return -EAGAIN;

	*ret = TAKE(map);
	return 0;
}
