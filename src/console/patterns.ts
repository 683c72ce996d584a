/** What a report of the kernel is about; decides the reason of its record. */
export type ReportKind = "oops" | "panic";

/** A line that begins a report. Matched behind time stamp, `<prio>` and caller. */
export interface StartPattern {
  readonly kind: ReportKind;
  readonly pattern: RegExp;
  /** File of the kernel that prints it. */
  readonly source: string;
}

/** Beginnings, the more special ones first. Linux 5.10 to 6.12. */
export const START_PATTERNS: readonly StartPattern[] = [
  { kind: "panic", pattern: /^Kernel panic - not syncing/, source: "kernel/panic.c, panic()" },
  {
    kind: "oops",
    pattern: /^BUG: (unable to handle|kernel NULL pointer dereference)/,
    source: "arch/x86/mm/fault.c, show_fault_oops()",
  },
  {
    kind: "oops",
    pattern: /^Unable to handle kernel /,
    source: "arch/arm64/mm/fault.c, die_kernel_fault(); arch/arm/mm/fault.c; arch/riscv/mm/fault.c",
  },
  {
    kind: "oops",
    pattern: /^Internal error: /,
    source: "arch/arm64/kernel/traps.c and arch/arm/kernel/traps.c, __die()",
  },
  { kind: "oops", pattern: /^CPU \d+ Unable to handle kernel /, source: "arch/mips/mm/fault.c" },
  {
    kind: "oops",
    pattern:
      /^(Oops|general protection fault|traps: PANIC|double fault|divide error|invalid opcode|stack segment)\b.*(: [0-9a-f]{4}|\[#\d+\])/,
    source: "arch/x86/kernel/dumpstack.c, __die_header(); arch/powerpc/kernel/traps.c, __die()",
  },
  { kind: "oops", pattern: /^kernel BUG at /, source: "lib/bug.c, __report_bug()" },
  { kind: "oops", pattern: /^Kernel BUG \[#\d+\]/, source: "arch/riscv/kernel/traps.c, die()" },
  {
    kind: "oops",
    pattern: /^BUG: (KASAN|KFENCE|KCSAN|KMSAN|Bad page|scheduling while atomic|sleeping function)/,
    source: "mm/kasan/report.c; mm/page_alloc.c, bad_page(); kernel/sched/core.c",
  },
  {
    kind: "oops",
    pattern: /^(NMI )?watchdog: BUG: soft lockup - /,
    source: "kernel/watchdog.c, watchdog_timer_fn()",
  },
  {
    kind: "oops",
    pattern: /^(NMI )?watchdog: Watchdog detected hard LOCKUP/i,
    source: "kernel/watchdog.c, watchdog_hardlockup_check()",
  },
  {
    kind: "oops",
    pattern: /^rcu: INFO: \w+ (self-)?detected (expedited )?stall/,
    source: "kernel/rcu/tree_stall.h",
  },
  {
    kind: "oops",
    pattern: /^INFO: task .* blocked for more than \d+ seconds/,
    source: "kernel/hung_task.c, check_hung_task()",
  },
];

/** The last line of a report. */
export const END_PATTERNS: readonly { readonly kind: ReportKind; readonly pattern: RegExp }[] = [
  /** kernel/panic.c, panic() */
  { kind: "panic", pattern: /^---\[ end Kernel panic - not syncing/ },
  { kind: "panic", pattern: /^Rebooting in \d+ seconds\.\./ },
  /** kernel/panic.c, print_oops_end_marker() */
  { kind: "oops", pattern: /^---\[ end trace [0-9a-f]{16} \]---/ },
];

/** The first line of a boot (init/main.c, start_kernel()): what came before is of another run of the kernel. */
export const BOOT_PATTERN: RegExp = /^Linux version \S+ \(/;

/** `<6>`, `[    1.234567]`, `[    1.234567][  T123]`, `[   1.2] CPU1:`: what a console may put in front (kernel/printk/printk.c). */
const PREFIX = /^(?:<\d{1,3}>)?(?:\[\s*\d+\.\d{6}\])?(?:\[\s*[TC]\d+\])? ?/;

/** The line's own text. */
export function textOf(line: string): string {
  return line.replace(PREFIX, "");
}
