import type { HidTransport, SerialTransport, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { FtdiModel } from "../ftdi/model.js";
import type { ServableModel } from "../serve/model.js";
import type { DeviceTable } from "./descriptors.js";
import { CH341A } from "./devices/ch341.js";
import { CH347F, CH347T } from "./devices/ch347.js";
import { ftdiTable } from "./devices/ftdi.js";
import { MCP2210 } from "./devices/mcp2210.js";
import { SERPROG_BOARD, SERPROG_ENDPOINTS } from "./devices/serprog.js";
import type { UsbFunction } from "./function.js";
import { HidFunction } from "./hid-function.js";
import { LineCoding } from "./line-coding.js";
import type { DeviceRecord } from "./protocol.js";
import { SerialFunction } from "./serial-function.js";
import { claimVendorBulk, ftdiRoute } from "./vendor-bulk.js";

/** A chip model as a USB device: what its descriptors say, and how a client gets hold of it. */
export interface ExportedDevice {
  readonly table: DeviceTable;
  /** @throws TransportError TRANSPORT_BUSY while somebody has it, TRANSPORT_DISCONNECTED while it is unplugged */
  claim(): UsbFunction;
}

/** A device at its place on the exporting bus. */
export interface PlacedDevice {
  readonly record: DeviceRecord;
  readonly device: ExportedDevice;
}

/** An FT232H, FT2232H or FT4232H. */
export function exportFtdi(model: FtdiModel): ExportedDevice {
  const table = ftdiTable(model.device, model.interfaces.length, model.packetSize);
  return { table, claim: () => claimVendorBulk(model, ftdiRoute) };
}

/** What a chip model with one interface of vendor class gives. */
interface OneInterfaceModel {
  transport(interfaceNumber: number): UsbTransport;
}

/** A CH341A; it has no serial number. */
export function exportCh341(model: OneInterfaceModel): ExportedDevice {
  const servable = withInterface(model, 0, [0x02, 0x82]);
  return { table: CH341A, claim: () => claimVendorBulk(servable, () => 0) };
}

/** A CH347T in mode 1 or a CH347F; nothing is wired to its UARTs. */
export function exportCh347(
  model: OneInterfaceModel,
  chip: "ch347t" | "ch347f",
  serialNumber: string = "0123456789",
): ExportedDevice {
  const table = chip === "ch347t" ? CH347T : CH347F;
  const spi = table.interfaces.length - 1;
  const servable = withInterface(model, spi, [0x06, 0x86]);
  return {
    table: { ...table, serialNumber },
    claim: () =>
      claimVendorBulk(
        servable,
        ({ requestType, index }) => (isToInterface(requestType) && index !== spi ? undefined : spi),
        new LineCoding(),
      ),
  };
}

/** An MCP2210. */
export function exportMcp2210(
  model: { transport(): HidTransport },
  clock: Clock,
  serialNumber: string = "0000000001",
): ExportedDevice {
  return {
    table: { ...MCP2210, serialNumber },
    claim: () => new HidFunction(model.transport(), clock),
  };
}

/** A board with serprog firmware behind USB CDC-ACM. */
export function exportSerprog(
  model: { transport(): SerialTransport },
  clock: Clock,
  serialNumber: string = "0000000001",
): ExportedDevice {
  return {
    table: { ...SERPROG_BOARD, serialNumber },
    claim: () => new SerialFunction(model.transport(), SERPROG_ENDPOINTS, clock),
  };
}

function isToInterface(requestType: number): boolean {
  return (requestType & 0x1f) === 1;
}

/** The model numbers its interface as the device does. */
function withInterface(
  model: OneInterfaceModel,
  number: number,
  endpoints: readonly number[],
): ServableModel {
  return {
    interfaces: [{ number, endpoints }],
    transport: (interfaceNumber) => model.transport(interfaceNumber),
  };
}
