/** Bytes typed from the protocol document (bridges.md 5): all of a command, and all of its answer. */
export const VECTORS = [
  { what: "NOP", host: "00", answer: "06" },
  { what: "Q_IFACE: version 1", host: "01", answer: "06 01 00" },
  {
    what: "Q_CMDMAP of stock pico-serprog: 00 to 05, 10, 12 to 15",
    host: "02",
    answer:
      "06 3f 00 3d 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  },
  {
    what: "Q_PGMNAME: stm32-vserprog",
    host: "03",
    answer: "06 73 74 6d 33 32 2d 76 73 65 72 70 72 6f 67 00 00",
  },
  { what: "Q_SERBUF: flow control", host: "04", answer: "06 ff ff" },
  { what: "Q_BUSTYPE: SPI", host: "05", answer: "06 08" },
  { what: "Q_WRNMAXLEN: 4096", host: "08", answer: "06 00 10 00" },
  { what: "SYNCNOP", host: "10", answer: "15 06" },
  { what: "Q_RDNMAXLEN: 2^24", host: "11", answer: "06 00 00 00" },
  { what: "S_BUSTYPE SPI", host: "12 08", answer: "06" },
  {
    what: "O_SPIOP: JEDEC id, three bytes back",
    host: "13 01 00 00 03 00 00 9f",
    answer: "06 ef 40 18",
  },
  { what: "S_SPI_FREQ 400 kHz: 375 kHz", host: "14 80 1a 06 00", answer: "06 d8 b8 05 00" },
  { what: "S_PIN_STATE on", host: "15 01", answer: "06" },
  { what: "S_SPI_CS 2, which it has not", host: "16 02", answer: "15" },
  { what: "S_SPI_MODE full duplex", host: "17 01", answer: "06" },
  { what: "S_CS_MODE selected", host: "18 01", answer: "06" },
  { what: "S_CS_MODE deselected", host: "18 02", answer: "06" },
] as const;
