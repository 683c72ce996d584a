import { Misunderstood } from "./misunderstood.js";

/** Which data parts of a write may go out: a window beyond those that the device says it has taken. */
export class CreditFlow {
  /** All was handed to the transport. */
  finished = false;
  readonly #window: number;
  readonly #onWait: () => void;
  #credited = 0;
  #over = false;
  #wake: (() => void) | undefined;

  /**
   * @param window 0: any number
   * @param onWait told of each wait
   */
  constructor(window: number, onWait: () => void) {
    this.#window = window;
    this.#onWait = onWait;
  }

  /** The reply has come, or the exchange was ended: nothing more goes out. */
  get over(): boolean {
    return this.#over;
  }

  may(index: number): boolean {
    return this.#window === 0 || index < this.#credited + this.#window;
  }

  /** Resolves when part `index` may go out, or nothing may any more. */
  async until(index: number): Promise<void> {
    while (!this.#over && !this.may(index)) {
      this.#onWait();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /**
   * @param parts taken so far, modulo 256
   * @throws Misunderstood for more than can have been sent
   */
  credit(parts: number): void {
    const more = (parts - this.#credited) & 0xff;
    if (more > this.#window) throw new Misunderstood("it takes more than it was sent");
    this.#credited += more;
    this.#wakeUp();
  }

  stop(): void {
    this.#over = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
