// SPDX-License-Identifier: GPL-2.0-only
/*
 * ndbed: a test-only NVDIMM bus over reserved RAM, with poison made by software.
 *
 * One bus, one DIMM and one pmem region on real memory that memmap=512M$2G took
 * from the kernel, so that it gets struct pages and DAX is real. As with ACPI
 * firmware, the kernel learns of poison from a scrub, or from a machine check,
 * or when it is injected with "notify" or "mce"; until then only the media know.
 *
 * insmod ndbed.ko start=0x80000000 size=0x20000000 [clear_unit=256] [scrub_ms=1000] [keep=PHYS]
 *        [bad=START,LENGTH]	known as bad from the beginning, as firmware tells at boot
 *
 * What the RAM holds outlives a reset of the guest, as persistent memory does; so does what is
 * poisoned, where keep names 2 MiB more of reserved RAM to write it down in.
 *
 * debugfs ndbed/
 *   poison      read: "start length" lines; write: "start length [notify|mce|heal]"
 *   scramble    not 0: overwrite what is poisoned with 0xdb, as lost data would be
 *   scrub_ms    how long a scrub (sysfs) or an ARS (ioctl) takes
 *   clear_fail  refuse the next N CLEAR_ERROR commands
 *   clear_max   clear at most N bytes a command, 0: no limit
 *   health, media_temp, spares, life_used: what SMART says
 *   n_scrub, n_ars_cap, n_ars_start, n_ars_status, n_clear_error: commands seen
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/io.h>
#include <linux/libnvdimm.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nd.h>
#include <linux/ndctl.h>
#include <linux/platform_device.h>
#include <linux/sort.h>
#include <asm/mce.h>

/* Status words of the commands, as in drivers/acpi/nfit/nfit.h. */
enum {
	ARS_CAP_NONE	= 1,
	ARS_START_BUSY	= 6,
	ARS_STATUS_BUSY	= 1 << 16,
	ARS_STATUS_NONE	= 2 << 16,
	ARS_STATUS_INTR	= 3 << 16,
	ARS_F_OVERFLOW	= 1,
	CLEAR_REFUSED	= 1,
	INTEL_SMART	= 1,
};

/* Few enough that a test can overflow one answer. */
#define MAX_RECORDS	128
#define ARS_OUT_BYTES	(sizeof(struct nd_cmd_ars_status) + \
			 MAX_RECORDS * sizeof(struct nd_ars_record))

static unsigned long long start;
module_param(start, ullong, 0444);
MODULE_PARM_DESC(start, "physical address of the reserved RAM");

static unsigned long long size;
module_param(size, ullong, 0444);
MODULE_PARM_DESC(size, "its length in bytes");

static u32 clear_unit = 256;
module_param(clear_unit, uint, 0444);
MODULE_PARM_DESC(clear_unit, "granularity of CLEAR_ERROR in bytes");

static u32 scrub_ms = 1000;
module_param(scrub_ms, uint, 0444);
MODULE_PARM_DESC(scrub_ms, "how long a scrub takes");

static unsigned long long bad[2];
module_param_array(bad, ullong, NULL, 0444);
MODULE_PARM_DESC(bad, "a range that is known as bad from the beginning");

static unsigned long long keep;
module_param(keep, ullong, 0444);
MODULE_PARM_DESC(keep, "physical address of 2 MiB of reserved RAM for what is poisoned");

static u32 scramble, clear_fail, clear_max;
static u32 health, media_temp = 23, spares = 75, life_used = 5;
static u32 n_scrub, n_cmd[ND_CMD_CLEAR_ERROR + 1];

static struct platform_device *pdev;
static struct nvdimm_bus *bus;
static struct nd_region *region;
static struct resource bed_res;
static struct dentry *debugfs_dir;

/* What the media hold. Its ranges never overlap: injecting forgets first. */
static struct badrange media;
static DEFINE_MUTEX(inject_lock);

/* The same, for after a reset. NULL: not kept. */
#define KEPT_MAGIC 0x6b6570746e646264ULL
static struct {
	u64 magic;
	u64 n;
	struct { u64 addr, len; } ranges[];
} *kept;

/* The one scrub or ARS that can run, and the result of the last. */
static struct {
	struct mutex lock;
	bool busy;
	bool is_scrub;			/* ours to report; else an ioctl's, for its caller */
	bool closing;
	u32 n_scrubs_done;
	u64 addr;
	u64 len;
	union {
		struct nd_cmd_ars_status result;
		u8 result_bytes[ARS_OUT_BYTES];
	};
} ars = { .lock = __MUTEX_INITIALIZER(ars.lock) };

static bool in_bed(u64 addr, u64 len)
{
	return len && len <= size && addr >= start && addr - start <= size - len;
}

/* ------------------------------------------------------------------ media */

static int record_cmp(const void *a, const void *b)
{
	const struct nd_ars_record *x = a, *y = b;

	return x->err_address < y->err_address ? -1 : x->err_address > y->err_address;
}

/*
 * The poison within a range, clipped to it and in order of address, so that
 * whoever gets a cut list can go on behind its last record. Returns how many,
 * with *ret to be freed by kvfree().
 */
static int media_records(u64 addr, u64 len, struct nd_ars_record **ret)
{
	struct nd_ars_record *records;
	struct badrange_entry *e;
	int n = 0, room = 0;

	spin_lock(&media.lock);
	list_for_each_entry(e, &media.list, list)
		room++;
	spin_unlock(&media.lock);

	records = kvcalloc(room + 1, sizeof(*records), GFP_KERNEL);
	if (!records)
		return -ENOMEM;

	spin_lock(&media.lock);
	list_for_each_entry(e, &media.list, list) {
		u64 from = max(e->start, addr);
		u64 to = min(e->start + e->length, addr + len);

		if (from >= to || n == room)
			continue;
		records[n].err_address = from;
		records[n++].length = to - from;
	}
	spin_unlock(&media.lock);

	sort(records, n, sizeof(*records), record_cmp, NULL);
	*ret = records;
	return n;
}

static void media_keep(void)
{
	const u64 room = (SZ_2M - sizeof(*kept)) / sizeof(kept->ranges[0]);
	struct badrange_entry *e;
	u64 n = 0;

	if (!kept)
		return;
	spin_lock(&media.lock);
	list_for_each_entry(e, &media.list, list) {
		if (n == room)
			break;
		kept->ranges[n].addr = e->start;
		kept->ranges[n++].len = e->length;
	}
	kept->n = n;
	spin_unlock(&media.lock);
}

static int media_remember(void)
{
	u64 i;
	int rc = 0;

	if (!keep)
		return 0;
	kept = memremap(keep, SZ_2M, MEMREMAP_WB);
	if (!kept)
		return -ENOMEM;
	if (kept->magic != KEPT_MAGIC)
		kept->n = 0;
	kept->magic = KEPT_MAGIC;
	for (i = 0; i < kept->n && !rc; i++)
		rc = badrange_add(&media, kept->ranges[i].addr, kept->ranges[i].len);
	return rc;
}

static int media_heal(u64 addr, u64 len)
{
	mutex_lock(&inject_lock);
	badrange_forget(&media, addr, len);
	media_keep();
	mutex_unlock(&inject_lock);
	return 0;
}

static int media_poison(u64 addr, u64 len)
{
	void *p;
	int rc;

	mutex_lock(&inject_lock);
	badrange_forget(&media, addr, len);
	rc = badrange_add(&media, addr, len);
	media_keep();
	mutex_unlock(&inject_lock);
	if (rc || !scramble)
		return rc;

	p = memremap(addr, len, MEMREMAP_WB);
	if (!p)
		return -ENOMEM;
	memset(p, 0xdb, len);
	memunmap(p);
	return 0;
}

/* The kernel's lists: the bus's own, and through it the region's and pmem's. */
static int tell_kernel(u64 addr, u64 len)
{
	int rc = nvdimm_bus_add_badrange(bus, addr, len);

	nvdimm_region_notify(region, NVDIMM_REVALIDATE_POISON);
	return rc;
}

static int inject(u64 addr, u64 len, const char *mode)
{
	bool mce = !strcmp(mode, "mce");
	u64 pfn;
	int rc;

	if (!in_bed(addr, len) || len > UINT_MAX)
		return -ERANGE;
	if (!strcmp(mode, "heal"))
		return media_heal(addr, len);
	if (*mode && !mce && strcmp(mode, "notify"))
		return -EINVAL;

	rc = media_poison(addr, len);
	if (rc || !*mode)
		return rc;

	/* As an SRAO one: memory_failure() logs by itself what it did. */
	for (pfn = PHYS_PFN(addr); mce && pfn <= PHYS_PFN(addr + len - 1); pfn++)
		memory_failure(pfn, MF_SW_SIMULATED);
	return tell_kernel(addr, len);
}

/* A real machine check (QEMU's monitor can send them), the way nfit hears it. */
static int on_mce(struct notifier_block *nb, unsigned long val, void *data)
{
	struct mce *m = data;
	u64 unit = BIT_ULL(MCI_MISC_ADDR_LSB(m->misc));

	if (mce_is_memory_error(m) && !mce_is_correctable(m) && mce_usable_address(m))
		inject(ALIGN_DOWN(m->addr, unit), unit, "notify");
	return NOTIFY_DONE;
}

static struct notifier_block mce_nb = {
	.notifier_call = on_mce,
	.priority = MCE_PRIO_NFIT,
};

/* ---------------------------------------------------------- scrub and ARS */

static void ars_fill_result(const struct nd_ars_record *records, int n)
{
	struct nd_cmd_ars_status *out = &ars.result;
	u64 end = ars.addr + ars.len;

	memset(ars.result_bytes, 0, sizeof(ars.result_bytes));
	out->address = ars.addr;
	out->length = ars.len;
	out->type = ND_ARS_PERSISTENT;
	if (n > MAX_RECORDS) {
		n = MAX_RECORDS;
		out->status = ARS_STATUS_INTR;
		out->flags = ARS_F_OVERFLOW;
		out->restart_address = records[n - 1].err_address + records[n - 1].length;
		out->restart_length = end - out->restart_address;
	}
	memcpy(out->records, records, n * sizeof(*records));
	out->num_records = n;
	out->out_length = sizeof(*out) + n * sizeof(*records);
}

static void ars_finish(struct work_struct *work)
{
	struct nd_ars_record *records = NULL;
	bool was_scrub = ars.is_scrub;		/* nobody changes it while busy */
	int i, n;

	n = media_records(ars.addr, ars.len, &records);
	if (n < 0)
		n = 0;

	mutex_lock(&ars.lock);
	ars_fill_result(records, n);
	mutex_unlock(&ars.lock);

	/* Not under the lock: it takes device locks that our commands are called with. */
	if (was_scrub) {
		for (i = 0; i < n; i++)
			nvdimm_bus_add_badrange(bus, records[i].err_address, records[i].length);
		nvdimm_region_notify(region, NVDIMM_REVALIDATE_POISON);
	}
	kvfree(records);

	mutex_lock(&ars.lock);
	ars.busy = false;
	ars.is_scrub = false;
	ars.n_scrubs_done += was_scrub;
	mutex_unlock(&ars.lock);
	if (was_scrub)
		sysfs_notify(&to_nvdimm_bus_dev(bus)->kobj, "nfit", "scrub");
}

static DECLARE_DELAYED_WORK(ars_work, ars_finish);

static int ars_begin(u64 addr, u64 len, bool is_scrub)
{
	int rc = -EBUSY;

	mutex_lock(&ars.lock);
	if (!ars.busy && !ars.closing) {
		ars.busy = true;
		ars.is_scrub = is_scrub;
		ars.addr = addr;
		ars.len = len;
		schedule_delayed_work(&ars_work, msecs_to_jiffies(scrub_ms));
		rc = 0;
	}
	mutex_unlock(&ars.lock);
	return rc;
}

/* --------------------------------------------------------------- commands */

static int cmd_ars_cap(struct nd_cmd_ars_cap *cap)
{
	bool ours = in_bed(cap->address, cap->length);

	cap->status = ours ? ND_ARS_PERSISTENT << ARS_EXT_STATUS_SHIFT : ARS_CAP_NONE;
	cap->max_ars_out = ARS_OUT_BYTES;
	cap->clear_err_unit = clear_unit;
	cap->flags = 0;
	return ours ? 0 : -ENOTTY;
}

static int cmd_ars_start(struct nd_cmd_ars_start *s)
{
	int rc = -EINVAL;

	if (in_bed(s->address, s->length))
		rc = ars_begin(s->address, s->length, false);
	s->status = rc == -EBUSY ? ARS_START_BUSY : rc != 0;
	s->scrub_time = DIV_ROUND_UP(scrub_ms, 1000);
	return rc;
}

static int cmd_ars_status(struct nd_cmd_ars_status *out, u32 len)
{
	bool busy;

	if (len < sizeof(*out))
		return -EINVAL;

	memset(out, 0, len);
	mutex_lock(&ars.lock);
	busy = ars.busy;
	if (!busy)
		memcpy(out, ars.result_bytes, min(len, ars.result.out_length));
	mutex_unlock(&ars.lock);
	if (out->out_length)
		return out->flags & ARS_F_OVERFLOW ? -ENOSPC : 0;

	out->status = busy ? ARS_STATUS_BUSY : ARS_STATUS_NONE;
	out->out_length = sizeof(*out);
	return busy ? -EBUSY : -EAGAIN;
}

static int cmd_clear_error(struct nd_cmd_clear_error *c)
{
	u64 len = clear_max ? min_t(u64, c->length, clear_max) : c->length;

	c->status = CLEAR_REFUSED;
	c->cleared = 0;
	if (!in_bed(c->address, len) || len > UINT_MAX ||
	    !IS_ALIGNED(c->address | len, clear_unit))
		return -EINVAL;
	if (clear_fail) {
		clear_fail--;
		return -EIO;
	}

	media_heal(c->address, len);
	c->status = 0;
	c->cleared = len;
	return len < c->length ? len : 0;
}

static int dimm_smart(struct nd_cmd_pkg *pkg)
{
	struct {
		u32 status, flags;
		u8 rsvd[4], health, spares, life_used, alarm_flags;
		u16 media_temp, ctrl_temp;		/* in 1/16 degrees Celsius */
		u8 rest[112];
	} __packed smart = {
		.flags = 0x3f,				/* which of the fields are valid */
		.health = health,
		.spares = spares,
		.life_used = life_used,
		.media_temp = media_temp * 16,
		.ctrl_temp = media_temp * 16 + 32,
	};

	if (pkg->nd_family != NVDIMM_FAMILY_INTEL || pkg->nd_command != INTEL_SMART)
		return -ENOTTY;
	pkg->nd_fw_size = sizeof(smart);
	memcpy(pkg->nd_payload + pkg->nd_size_in, &smart,
	       min_t(size_t, pkg->nd_size_out, sizeof(smart)));
	return 0;
}

static int ndbed_ctl(struct nvdimm_bus_descriptor *desc, struct nvdimm *nvdimm,
		     unsigned int cmd, void *buf, unsigned int len, int *cmd_rc)
{
	*cmd_rc = 0;
	if (nvdimm)
		return cmd == ND_CMD_CALL ? dimm_smart(buf) : -ENOTTY;

	switch (cmd) {
	case ND_CMD_ARS_CAP:
		*cmd_rc = cmd_ars_cap(buf);
		break;
	case ND_CMD_ARS_START:
		*cmd_rc = cmd_ars_start(buf);
		break;
	case ND_CMD_ARS_STATUS:
		*cmd_rc = cmd_ars_status(buf, len);
		break;
	case ND_CMD_CLEAR_ERROR:
		*cmd_rc = cmd_clear_error(buf);
		break;
	default:
		return -ENOTTY;
	}
	n_cmd[cmd]++;
	return 0;
}

/* ------------------------------------------------------------------ sysfs */

static ssize_t scrub_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u%s\n", ars.n_scrubs_done, ars.is_scrub ? "+" : "");
}

static ssize_t scrub_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t n)
{
	int rc;

	if (!sysfs_streq(buf, "1"))
		return -EINVAL;
	rc = ars_begin(start, size, true);
	if (rc)
		return rc;
	n_scrub++;
	return n;
}
static DEVICE_ATTR_RW(scrub);

/* "revision" makes libndctl see an NFIT bus; the others are what it reads then. */
#define CONST_ATTR(_name, _value)						\
static ssize_t _name##_show(struct device *dev,					\
			    struct device_attribute *attr, char *buf)		\
{										\
	return sysfs_emit(buf, "%#x\n", _value);				\
}										\
static DEVICE_ATTR_RO(_name)

CONST_ATTR(revision, 1);
CONST_ATTR(handle, 1);
CONST_ATTR(phys_id, 1);
CONST_ATTR(family, NVDIMM_FAMILY_INTEL);
CONST_ATTR(dsm_mask, 1 << INTEL_SMART);

static struct attribute *bus_attrs[] = {
	&dev_attr_revision.attr,
	&dev_attr_scrub.attr,
	NULL
};

static struct attribute *dimm_attrs[] = {
	&dev_attr_handle.attr,
	&dev_attr_phys_id.attr,
	&dev_attr_family.attr,
	&dev_attr_dsm_mask.attr,
	NULL
};

static const struct attribute_group bus_group = { .name = "nfit", .attrs = bus_attrs };
static const struct attribute_group dimm_group = { .name = "nfit", .attrs = dimm_attrs };
static const struct attribute_group *bus_groups[] = { &bus_group, NULL };
static const struct attribute_group *dimm_groups[] = { &dimm_group, NULL };

static struct nvdimm_bus_descriptor bus_desc = {
	.provider_name = "ndbed",
	.module = THIS_MODULE,
	.ndctl = ndbed_ctl,
	.attr_groups = bus_groups,
	.dimm_family_mask = BIT(NVDIMM_FAMILY_INTEL),
	.cmd_mask = BIT(ND_CMD_ARS_CAP) | BIT(ND_CMD_ARS_START) |
		    BIT(ND_CMD_ARS_STATUS) | BIT(ND_CMD_CLEAR_ERROR),
};

/* ---------------------------------------------------------------- debugfs */

static ssize_t poison_write(struct file *f, const char __user *ubuf, size_t n, loff_t *pos)
{
	char buf[80] = "", mode[8] = "";
	u64 addr, len;
	int rc;

	if (n >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, n))
		return -EFAULT;
	if (sscanf(buf, "%lli %lli %7s", &addr, &len, mode) < 2)
		return -EINVAL;
	rc = inject(addr, len, mode);
	return rc ?: n;
}

static int poison_show(struct seq_file *m, void *v)
{
	struct nd_ars_record *records;
	int i, n;

	n = media_records(start, size, &records);
	if (n < 0)
		return n;
	for (i = 0; i < n; i++)
		seq_printf(m, "%#llx %llu\n", records[i].err_address, records[i].length);
	kvfree(records);
	return 0;
}

static int poison_open(struct inode *inode, struct file *f)
{
	return single_open(f, poison_show, NULL);
}

static const struct file_operations poison_fops = {
	.owner = THIS_MODULE,
	.open = poison_open,
	.release = single_release,
	.read = seq_read,
	.write = poison_write,
	.llseek = seq_lseek,
};

static const struct {
	const char *name;
	u32 *value;
} knobs[] = {
	{ "scramble",		&scramble },
	{ "scrub_ms",		&scrub_ms },
	{ "clear_fail",		&clear_fail },
	{ "clear_max",		&clear_max },
	{ "health",		&health },
	{ "media_temp",		&media_temp },
	{ "spares",		&spares },
	{ "life_used",		&life_used },
	{ "n_scrub",		&n_scrub },
	{ "n_ars_cap",		&n_cmd[ND_CMD_ARS_CAP] },
	{ "n_ars_start",	&n_cmd[ND_CMD_ARS_START] },
	{ "n_ars_status",	&n_cmd[ND_CMD_ARS_STATUS] },
	{ "n_clear_error",	&n_cmd[ND_CMD_CLEAR_ERROR] },
};

static void make_debugfs(void)
{
	int i;

	debugfs_dir = debugfs_create_dir("ndbed", NULL);
	debugfs_create_file("poison", 0600, debugfs_dir, NULL, &poison_fops);
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		debugfs_create_u32(knobs[i].name, 0600, debugfs_dir, knobs[i].value);
}

/* ------------------------------------------------------------ coming, going */

static int make_region(void)
{
	struct nd_mapping_desc mapping = { .size = size };
	struct nd_region_desc ndr = {
		.res = &bed_res,
		.mapping = &mapping,
		.num_mappings = 1,
		.flags = BIT(ND_REGION_PERSIST_MEMCTRL),
	};

	bus = nvdimm_bus_register(&pdev->dev, &bus_desc);
	if (!bus)
		return -ENXIO;
	mapping.nvdimm = nvdimm_create(bus, NULL, dimm_groups, 0, BIT(ND_CMD_CALL), 0, NULL);
	if (!mapping.nvdimm || nvdimm_bus_check_dimm_count(bus, 1))
		return -ENXIO;
	if (bad[1] && (media_poison(bad[0], bad[1]) || nvdimm_bus_add_badrange(bus, bad[0], bad[1])))
		return -ENOMEM;
	region = nvdimm_pmem_region_create(bus, &ndr);
	return region ? 0 : -ENXIO;
}

static void teardown(void)
{
	debugfs_remove_recursive(debugfs_dir);

	mutex_lock(&ars.lock);
	ars.closing = true;
	mutex_unlock(&ars.lock);
	cancel_delayed_work_sync(&ars_work);

	if (bus)
		nvdimm_bus_unregister(bus);
	platform_device_unregister(pdev);
	badrange_forget(&media, start, min_t(u64, size, UINT_MAX));
	if (kept)
		memunmap(kept);
}

static int __init ndbed_init(void)
{
	int rc;

	if (!size || !IS_ALIGNED(start | size, SZ_2M) || !is_power_of_2(clear_unit) ||
	    region_intersects(start, size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("%#llx@%#llx is not reserved RAM, aligned to 2M\n", size, start);
		return -EINVAL;
	}

	bed_res = (struct resource)DEFINE_RES_MEM_NAMED(start, size, "ndbed");
	badrange_init(&media);
	pdev = platform_device_register_simple("ndbed", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);

	rc = media_remember();
	if (!rc)
		rc = make_region();
	if (rc) {
		teardown();
		return rc;
	}
	make_debugfs();
	mce_register_decode_chain(&mce_nb);
	return 0;
}

static void __exit ndbed_exit(void)
{
	mce_unregister_decode_chain(&mce_nb);
	teardown();
}

module_init(ndbed_init);
module_exit(ndbed_exit);
MODULE_DESCRIPTION("Test-only NVDIMM bus over reserved RAM with poison made by software");
MODULE_LICENSE("GPL");
