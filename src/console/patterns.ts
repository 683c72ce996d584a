/** What a report of the kernel is about; decides the reason of its record. */
export type ReportKind = "oops" | "panic";

/** A line that begins a report. Matched behind whatever stands in front of the kernel's own text: {@link textOf}. */
export interface StartPattern {
  readonly kind: ReportKind;
  /** What has happened, in a few words. */
  readonly what: string;
  readonly pattern: RegExp;
  /** Who of the kernel prints it: file, function. */
  readonly source: string;
}

/** Beginnings, the worse ones first. Linux 4.9 to 6.14. `docs/WATCH.md` shows this table. */
export const START_PATTERNS: readonly StartPattern[] = [
  {
    kind: "panic",
    what: "panic",
    pattern: /^Kernel panic - not syncing/,
    source: "kernel/panic.c, panic()",
  },
  {
    kind: "oops",
    what: "bad access, x86",
    pattern: /^BUG: (?:unable to handle|kernel NULL pointer dereference)/,
    source: "arch/x86/mm/fault.c, show_fault_oops()",
  },
  {
    kind: "oops",
    what: "bad access, powerpc",
    pattern: /^BUG: (?:Kernel NULL pointer dereference|Unable to handle kernel) /,
    source: "arch/powerpc/mm/fault.c, __bad_page_fault()",
  },
  {
    kind: "oops",
    what: "bad access, arm, arm64, riscv, s390",
    pattern: /^Unable to handle kernel /,
    source:
      "arch/arm/mm/fault.c, die_kernel_fault(); arch/arm64/mm/fault.c, die_kernel_fault(); arch/riscv/mm/fault.c, die_kernel_fault(); arch/s390/mm/fault.c",
  },
  {
    kind: "oops",
    what: "bad access, mips",
    pattern: /^CPU \d+ Unable to handle kernel /,
    source: "arch/mips/mm/fault.c, __do_page_fault()",
  },
  {
    kind: "oops",
    what: "stack overflow, x86",
    pattern: /^BUG: (?:\w+ )?stack guard page was hit at /,
    source: "arch/x86/kernel/traps.c, handle_stack_overflow()",
  },
  {
    kind: "oops",
    what: "stack overflow, arm64, riscv",
    pattern: /^Insufficient stack space to handle exception!/,
    source:
      "arch/arm64/kernel/traps.c, panic_bad_stack(); arch/riscv/kernel/traps.c, handle_bad_stack()",
  },
  {
    kind: "oops",
    what: "SError interrupt, arm64",
    pattern: /^SError Interrupt on CPU\d+, code /,
    source: "arch/arm64/kernel/traps.c, arm64_serror_panic()",
  },
  {
    kind: "oops",
    what: "die(), arm, arm64",
    pattern: /^Internal error: .*\[#\d+\]/,
    source: "arch/arm/kernel/traps.c, __die(); arch/arm64/kernel/traps.c, __die()",
  },
  {
    kind: "oops",
    what: "die(), x86, riscv, powerpc, mips, s390",
    pattern:
      /^(?:Oops|Kernel BUG|Kernel bug detected|Reserved instruction in kernel code|Unhandled kernel unaligned access)\b.*\[#\d+\]/,
    source:
      "arch/x86/kernel/dumpstack.c, __die_header(); arch/riscv/kernel/traps.c, die(); arch/powerpc/kernel/traps.c, __die(); arch/mips/kernel/traps.c, die(); arch/s390/kernel/dumpstack.c, die()",
  },
  {
    kind: "oops",
    what: "trap that dies, x86",
    pattern:
      /^(?:general protection fault|invalid opcode|divide error|int3|overflow|bounds|stack segment|segment not present|alignment check|coprocessor segment overrun|double fault|invalid TSS|fpu exception|simd exception|iret exception)\b.*: [0-9a-f]{4} \[#\d+\]/,
    source:
      "arch/x86/kernel/traps.c, do_error_trap() and its kin; arch/x86/kernel/dumpstack.c, __die_header()",
  },
  {
    kind: "oops",
    what: "BUG()",
    pattern: /^kernel BUG at /,
    source: "lib/bug.c, report_bug()",
  },
  {
    kind: "oops",
    what: "scheduler's BUG",
    pattern: /^BUG: (?:scheduling while atomic|sleeping function called from invalid context)/,
    source: "kernel/sched/core.c, __schedule_bug(), __might_resched()",
  },
  {
    kind: "oops",
    what: "memory's BUG",
    pattern: /^BUG: (?:Bad page (?:state|map|cache)|Bad rss-counter state|non-zero pgtables_bytes)/,
    source:
      "mm/page_alloc.c, bad_page(); mm/memory.c, print_bad_pte(); mm/filemap.c; kernel/fork.c, check_mm()",
  },
  {
    kind: "oops",
    what: "lock's BUG",
    pattern: /^BUG: (?:spinlock|rwlock) /,
    source: "kernel/locking/spinlock_debug.c, spin_dump(), rwlock_bug()",
  },
  {
    kind: "oops",
    what: "sanitizer",
    pattern: /^BUG: (?:KASAN|KFENCE|KCSAN|KMSAN): /,
    source:
      "mm/kasan/report.c, print_error_description(); mm/kfence/report.c; kernel/kcsan/report.c; mm/kmsan/report.c",
  },
  {
    kind: "oops",
    what: "soft lockup",
    pattern: /^(?:(?:NMI )?watchdog: )?BUG: soft lockup - CPU#\d+ stuck for /,
    source: "kernel/watchdog.c, watchdog_timer_fn()",
  },
  {
    kind: "oops",
    what: "hard lockup",
    pattern: /^(?:NMI )?watchdog: (?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu/i,
    source: "kernel/watchdog.c, watchdog_hardlockup_check()",
  },
  {
    kind: "oops",
    what: "workqueue lockup",
    pattern: /^BUG: workqueue lockup - pool/,
    source: "kernel/workqueue.c, wq_watchdog_timer_fn()",
  },
  {
    kind: "oops",
    what: "RCU stall",
    pattern: /^(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on /,
    source:
      "kernel/rcu/tree_stall.h, print_cpu_stall(), print_other_cpu_stall(); kernel/rcu/tree_exp.h; kernel/rcu/tasks.h",
  },
  {
    kind: "oops",
    what: "hung task",
    pattern: /^INFO: task .* blocked (?:in I\/O wait )?for more than \d+ seconds/,
    source: "kernel/hung_task.c, check_hung_task()",
  },
];

/** A line that ends a report. */
export interface EndPattern {
  /** The kind of report that it ends. */
  readonly kind: ReportKind;
  readonly pattern: RegExp;
  readonly source: string;
}

/** The last line of a report; lockups, stalls and hung tasks have none: a quiet period ends those. */
export const END_PATTERNS: readonly EndPattern[] = [
  {
    kind: "panic",
    pattern: /^---\[ end Kernel panic - not syncing/,
    source: "kernel/panic.c, panic()",
  },
  {
    kind: "panic",
    pattern: /^Rebooting in \d+ seconds\.\./,
    source: "kernel/panic.c, panic(), with panic=N",
  },
  {
    kind: "oops",
    pattern: /^---\[ end trace [0-9a-f]{16} \]---/,
    source: "kernel/panic.c, print_oops_end_marker()",
  },
];

/** The first line of a boot (init/main.c, start_kernel()): what came before is of another run of the kernel. */
export const BOOT_PATTERN: RegExp = /^Linux version \S+ \(/;

/** `<6>`, and the caller's task or CPU behind the time (CONFIG_PRINTK_CALLER): kernel/printk/printk.c, info_print_prefix(). */
const MARKS = /^(?:<\d{1,3}>)?(?:\[\s*\d+\.\d{6}\])?(?:\[\s*[TC]\d+\])? ?/;
/** The time in the middle of a line: a prompt without newline, or the time stamp of a terminal program, stands in front. */
const LATE_TIME = /\[\s*\d+\.\d{6}\](?:\[\s*[TC]\d+\])? /;

/** What the kernel itself says in a line: without priority, time stamp and caller, and without what another one has put in front. */
export function textOf(line: string): string {
  const late = LATE_TIME.exec(line);
  if (late !== null && late.index > 0) return line.slice(late.index + late[0].length);
  return line.replace(MARKS, "");
}
