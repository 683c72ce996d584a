/** What an operation is about to do with the card, for whoever has to go on if this process dies. */
export interface CardIntent {
  readonly doing: "reading" | "writing" | "erasing";
  readonly lba: number;
  readonly blocks: number;
  /** The longest that an erase may go on by itself, ms. */
  readonly eraseMs?: number;
}

/** Told before an operation and after it; must not throw and not wait. */
export interface IntentSink {
  begin(intent: CardIntent): void;
  end(): void;
}
