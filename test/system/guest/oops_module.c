// SPDX-License-Identifier: MIT
/*
 * /proc/oops: "oops TEXT" logs TEXT and dereferences NULL in the writer's context; "panic TEXT" panics; "bug" is a BUG(); "hang"
 * sleeps 5 s without being interruptible; "spin" keeps the CPU for 7 s.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

static void hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(5 * HZ);
}

static void spin(void)
{
	int i;

	preempt_disable();
	for (i = 0; i < 7000; i++)
		mdelay(1);
	preempt_enable();
}

static ssize_t crash_write(struct file *file, const char __user *user, size_t count, loff_t *pos)
{
	char text[256] = "";
	size_t length = min(count, sizeof(text) - 1);

	if (copy_from_user(text, user, length))
		return -EFAULT;
	pr_info("%s", text);
	if (!strncmp(text, "panic", 5))
		panic("%s", text);
	if (!strncmp(text, "bug", 3))
		BUG();
	if (!strncmp(text, "hang", 4))
		hang();
	else if (!strncmp(text, "spin", 4))
		spin();
	else
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
