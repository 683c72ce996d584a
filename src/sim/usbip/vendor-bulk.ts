import type { UsbControlSetup, UsbTransfer, UsbTransport } from "../../transport/types.js";
import type { Deadline } from "../../util/deadline.js";
import type { ServableModel } from "../serve/model.js";
import { silence, stalled, swallowed, type UsbFunction } from "./function.js";

/** The host keeps the time: a URB has no deadline. */
const NEVER: Deadline = { atUs: Infinity };

/** Which interface of the model a request of class or vendor is for; undefined: none. */
export type ControlRoute = (setup: UsbControlSetup) => number | undefined;

/** Who takes the requests that are for none of them. */
export interface OtherRequests {
  out(setup: UsbControlSetup, data: Uint8Array): unknown;
  in(setup: UsbControlSetup): Uint8Array;
}

const NONE: OtherRequests = {
  out: (setup) => {
    throw stalled(setup);
  },
  in: (setup) => {
    throw stalled(setup);
  },
};

/** Of the requests from here on wIndex is an address of the EEPROM, which all channels share. */
const FIRST_EEPROM_REQUEST = 0x90;

/** Which channel of an FTDI chip a request is for: the low byte of wIndex says it, 1 is A; 0, which Linux's serial driver uses with one channel, is A too. */
export function ftdiRoute({ request, index }: UsbControlSetup): number {
  return request >= FIRST_EEPROM_REQUEST ? 0 : Math.max(0, (index & 0xff) - 1);
}

/**
 * A chip model of vendor class, all of its interfaces claimed. Endpoints of the device's table that the model does not have are silent.
 * @throws TransportError what claiming throws; nothing stays claimed then
 */
export function claimVendorBulk(
  model: ServableModel,
  route: ControlRoute,
  others: OtherRequests = NONE,
): UsbFunction {
  const claimed = new Map<number, UsbTransport>();
  try {
    for (const { number } of model.interfaces) claimed.set(number, model.transport(number));
  } catch (error) {
    for (const transport of claimed.values()) void transport.close();
    throw error;
  }
  return new VendorBulk(model, claimed, route, others);
}

class VendorBulk implements UsbFunction {
  readonly #claimed: ReadonlyMap<number, UsbTransport>;
  readonly #byEndpoint: ReadonlyMap<number, UsbTransport>;
  readonly #route: ControlRoute;
  readonly #others: OtherRequests;

  constructor(
    model: ServableModel,
    claimed: ReadonlyMap<number, UsbTransport>,
    route: ControlRoute,
    others: OtherRequests,
  ) {
    this.#claimed = claimed;
    this.#route = route;
    this.#others = others;
    this.#byEndpoint = new Map(
      model.interfaces.flatMap(({ number, endpoints }) =>
        endpoints.map((endpoint) => [endpoint, claimed.get(number) as UsbTransport] as const),
      ),
    );
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array): Promise<void> {
    const transport = this.#controlled(setup);
    if (transport === undefined) this.#others.out(setup, data);
    else await transport.controlOut(setup, data, NEVER);
  }

  async controlIn(setup: UsbControlSetup, length: number): Promise<Uint8Array> {
    const transport = this.#controlled(setup);
    if (transport === undefined) return this.#others.in(setup);
    return transport.controlIn(setup, length, NEVER);
  }

  send(endpoint: number, data: Uint8Array): UsbTransfer<void> {
    return this.#byEndpoint.get(endpoint)?.bulkOut(endpoint, data, NEVER) ?? swallowed();
  }

  receive(endpoint: number, length: number): UsbTransfer<Uint8Array> {
    return this.#byEndpoint.get(endpoint)?.bulkIn(endpoint, length, NEVER) ?? silence();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#claimed.values()].map((transport) => transport.close()));
  }

  #controlled(setup: UsbControlSetup): UsbTransport | undefined {
    const number = this.#route(setup);
    return number === undefined ? undefined : this.#claimed.get(number);
  }
}
