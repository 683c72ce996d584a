import type { CardCommand } from "./card-bus.js";

/** `CMD18 0x800`, `ACMD41 0x40000000`: for labels and messages. */
export function commandName(command: Pick<CardCommand, "index" | "argument" | "app">): string {
  const name = `${command.app ? "A" : ""}CMD${command.index}`;
  return command.argument === 0 ? name : `${name} 0x${command.argument.toString(16)}`;
}
