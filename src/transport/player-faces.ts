import type { CassettePlayer } from "./player.js";
import type {
  HidDeviceInfo,
  HidTransport,
  SerialPortInfo,
  SerialTransport,
  TransportError,
} from "./types.js";

/** A cassette of a HID device as a transport. */
export class HidPlayer implements HidTransport {
  readonly device: HidDeviceInfo;
  readonly #player: CassettePlayer;

  constructor(player: CassettePlayer, device: HidDeviceInfo) {
    this.#player = player;
    this.device = device;
  }

  async writeReport(report: Uint8Array): Promise<void> {
    await this.#player.play({ type: "hidWrite", data: report }).done;
  }

  readReport(): Promise<Uint8Array> {
    return this.#player.play({ type: "hidRead" }).done;
  }

  close(): Promise<void> {
    return this.#player.close();
  }
}

/** A cassette of a serial port as a transport. */
export class SerialPlayer implements SerialTransport {
  readonly port: SerialPortInfo;
  readonly closed: Promise<TransportError | undefined>;
  readonly #player: CassettePlayer;
  #end: () => void = () => undefined;

  constructor(player: CassettePlayer, port: SerialPortInfo) {
    this.#player = player;
    this.port = port;
    this.closed = new Promise((resolve) => {
      this.#end = () => resolve(undefined);
    });
  }

  async write(data: Uint8Array): Promise<void> {
    await this.#player.play({ type: "serialWrite", data }).done;
  }

  read(length: number): Promise<Uint8Array> {
    return this.#player.play({ type: "serialRead", length }).done;
  }

  readSome(most: number): Promise<Uint8Array> {
    return this.#player.play({ type: "serialReadSome", length: most }).done;
  }

  async setBaudRate(baudRate: number): Promise<void> {
    await this.#player.play({ type: "serialBaud", baudRate }).done;
  }

  async drain(): Promise<void> {
    await this.#player.play({ type: "serialDrain" }).done;
  }

  close(): Promise<void> {
    this.#end();
    return this.#player.close();
  }
}
