// SPDX-License-Identifier: MIT
/* /proc/oops: "oops TEXT" logs TEXT and dereferences NULL in the writer's context; "panic TEXT" panics. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

static ssize_t crash_write(struct file *file, const char __user *user, size_t count, loff_t *pos)
{
	char text[256] = "";
	size_t length = min(count, sizeof(text) - 1);

	if (copy_from_user(text, user, length))
		return -EFAULT;
	pr_info("%s", text);
	if (!strncmp(text, "panic", 5))
		panic("%s", text);
	WRITE_ONCE(*(int *)NULL, 1);
	return count;
}

static const struct proc_ops crash_ops = { .proc_write = crash_write };

static int __init crash_init(void)
{
	return proc_create("oops", 0200, NULL, &crash_ops) ? 0 : -ENOMEM;
}

static void __exit crash_exit(void)
{
	remove_proc_entry("oops", NULL);
}

module_init(crash_init);
module_exit(crash_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Makes a kernel oops or panic on request");
