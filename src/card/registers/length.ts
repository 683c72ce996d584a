import { UsageError } from "../../util/errors.js";

/** @throws UsageError if a register has another length than it must have */
export function checkLength(name: string, register: Uint8Array, bytes: number): void {
  if (register.length === bytes) return;
  throw new UsageError(`${name} has ${bytes} bytes, not ${register.length}`, {
    details: { register: name, expected: bytes, received: register.length },
  });
}
