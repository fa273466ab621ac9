// SPDX-License-Identifier: GPL-2.0-only
/*
 * edacbed: a test-only source of the corrected errors that an EDAC driver would report.
 *
 * It calls the tracepoint ras:mc_event, as drivers/edac does, and nothing else. Whoever listens there
 * can't tell the difference.
 *
 * debugfs edacbed/
 *   fire    write: "COUNT [N_PAGES [LABEL]]": so many errors of one each, in so many pages in turn
 *           (1) and under that label ("edacbed"); returns when all are reported
 *   first   physical address of the first of these pages
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/edac.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <ras/ras_event.h>

static u64 first = 0x10000000;
static struct dentry *debugfs_dir;

static ssize_t fire_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
	unsigned long count, n_pages = 1, i;
	char line[96], label[32] = "edacbed";

	if (n >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, n))
		return -EFAULT;
	line[n] = '\0';
	if (sscanf(line, "%lu %lu %31s", &count, &n_pages, label) < 1 || !n_pages)
		return -EINVAL;

	for (i = 0; i < count; i++) {
		trace_mc_event(HW_EVENT_ERR_CORRECTED, "memory read error", label, 1, 0, 0, -1, -1,
			       first + (i % n_pages) * PAGE_SIZE, 0, 0, "");
		cond_resched();
	}
	return n;
}

static const struct file_operations fire_fops = {
	.owner = THIS_MODULE,
	.write = fire_write,
};

static int __init edacbed_init(void)
{
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("fire", 0200, debugfs_dir, NULL, &fire_fops);
	debugfs_create_x64("first", 0600, debugfs_dir, &first);
	return PTR_ERR_OR_ZERO(debugfs_dir);
}

static void __exit edacbed_exit(void)
{
	debugfs_remove(debugfs_dir);
}

module_init(edacbed_init);
module_exit(edacbed_exit);
MODULE_DESCRIPTION("A test-only source of corrected memory errors");
MODULE_LICENSE("GPL");
