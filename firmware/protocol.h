/*
 * Every byte between host and firmware: the single source of opcodes, layouts and codes. docs/SPEC.md, section 4, says it in words;
 * test/bridge/serprog/protocol.test.ts keeps the codec of the host equal to this file.
 *
 * Plain serprog (flashrom's serprog-protocol.rst, version 1, with 0x16..0x18) comes first, then the polled-SD extension ("SDX") in
 * 0xA0..0xA7. Numbers are little-endian, as serprog has them; CRC16s are those of the card (polynomial 0x1021, no reflection), high
 * byte first.
 *
 * Only `#define NAME number` and comments here, so that other languages can read it.
 */
#ifndef MMCPSTORE_PROTOCOL_H
#define MMCPSTORE_PROTOCOL_H

/* ---- serprog ---- */

#define SERPROG_ACK 0x06
#define SERPROG_NAK 0x15

#define SERPROG_NOP 0x00
#define SERPROG_Q_IFACE 0x01
#define SERPROG_Q_CMDMAP 0x02
#define SERPROG_Q_PGMNAME 0x03
#define SERPROG_Q_SERBUF 0x04
#define SERPROG_Q_BUSTYPE 0x05
#define SERPROG_Q_OPBUF 0x07
#define SERPROG_Q_WRNMAXLEN 0x08
#define SERPROG_O_INIT 0x0B
#define SERPROG_O_DELAY 0x0E
#define SERPROG_O_EXEC 0x0F
#define SERPROG_SYNCNOP 0x10
#define SERPROG_Q_RDNMAXLEN 0x11
#define SERPROG_S_BUSTYPE 0x12
#define SERPROG_O_SPIOP 0x13
#define SERPROG_S_SPI_FREQ 0x14
#define SERPROG_S_PIN_STATE 0x15
#define SERPROG_S_SPI_CS 0x16
#define SERPROG_S_SPI_MODE 0x17
#define SERPROG_S_CS_MODE 0x18

#define SERPROG_INTERFACE_VERSION 1
#define SERPROG_BUS_SPI 0x08
#define SERPROG_NAME_BYTES 16

#define SERPROG_SPI_HALF_DUPLEX 0
#define SERPROG_SPI_FULL_DUPLEX 1
#define SERPROG_CS_AUTO 0
#define SERPROG_CS_SELECTED 1
#define SERPROG_CS_DESELECTED 2

/* ---- the extension: opcodes ---- */

/*
 * SDX_INFO has no parameters and no frame: one byte, sent only to a programmer whose command map has 0xA0..0xA7. It begins a session:
 * a new nonce, sequence numbers from 1, nothing remembered of before. Every other opcode is refused with NAK outside a session.
 *
 * In a session the firmware takes no serprog command but NOP (ACK), SYNCNOP and the extension's own: a data byte that is taken for an
 * opcode must not clock anything at a card. SYNCNOP followed by SDX_LEAVE_MS of silence is answered NAK ACK, as serprog wants it, and ends the session; with anything
 * behind it within that time it is damage.
 */
#define SDX_INFO 0xA0
#define SDX_COMMAND 0xA1
#define SDX_READ 0xA2
#define SDX_WRITE 0xA3
#define SDX_ABORT 0xA4
#define SDX_STATS 0xA5
#define SDX_DEADMAN 0xA6
#define SDX_CONTROL 0xA7

#define SDX_VERSION 1
/* "SDX1", first byte first. */
#define SDX_MAGIC 0x31584453
#define SDX_LEAVE_MS 2

/*
 * Reply to SDX_INFO: ACK, then
 *   0 u32 magic           4 u8 version        5 u8 target         6 u16 nonce          8 u16 flags
 *  10 u8 buses           11 u8 window        12 u16 maxPayload   14 u16 silenceMs     16 u32 deadmanBytes
 *  20 u32 minHz          24 u32 maxHz        28 u16 maxBlockLength 30 u16 reserved (0)
 *  32 CRC16 over 0..31, starting from 0
 * window: data parts of SDX_WRITE that may be sent beyond those credited; 0: any number, the link itself holds the host back.
 * maxPayload: longest payload of a frame. silenceMs: see "damage" below.
 */
#define SDX_INFO_BYTES 32

#define SDX_TARGET_NATIVE 0
#define SDX_TARGET_RP2040 1
#define SDX_TARGET_LM3S6965 2
#define SDX_TARGET_ATMEGA328P 3

#define SDX_FLAG_POWER_SWITCH 0x0001
#define SDX_FLAG_DEADMAN 0x0002

/* Bits of `buses`, and the values of the bus field of SDX_COMMAND, SDX_READ and SDX_WRITE. The native 1-bit bus is reserved. */
#define SDX_BUS_BIT_SPI 0x01
#define SDX_BUS_BIT_NATIVE_1BIT 0x02
#define SDX_BUS_SPI 0
#define SDX_BUS_NATIVE_1BIT 1

/* ---- frames ---- */

/*
 * Request: 0 u8 opcode, 1 u8 sequence, 2 u16 length, 4 payload, then CRC16 over all before it, starting from the session's nonce.
 * Reply:   0 u8 ACK, 1 u8 sequence, 2 u8 status, 3 u16 length, 5 payload, then CRC16 likewise.
 *
 * Sequence numbers go up by one a request, 255 then 0; SDX_ABORT and SDX_STATS carry any number, count nothing and are always carried
 * out. A request whose number is that of the last one is not carried out again: it gets the same reply (SDX_READ: is carried out again,
 * as it changes nothing; SDX_WRITE: the data parts that follow are dropped). Any other number: SDX_BAD_SEQUENCE.
 *
 * Damage (a wrong CRC16, a length over maxPayload, an unknown opcode, a pause of silenceMs inside a frame or a data part): nothing is carried out, CS goes high (a transfer
 * that is open is ended first), the firmware reads and drops until nothing has come for silenceMs, then says NAK.
 * A host that is not understood is silent for longer than that, drops what has come, and sends the same frame again.
 */
#define SDX_REQUEST_HEAD_BYTES 4
#define SDX_REPLY_HEAD_BYTES 5
#define SDX_CRC_BYTES 2

#define SDX_OK 0
/* No R1 within 16 bytes. */
#define SDX_NO_RESPONSE 1
/* R1 with bits that stop a transfer. */
#define SDX_REFUSED 2
/* No start token in time. */
#define SDX_NO_TOKEN 3
/* An error token (SD Physical Layer 7.3.3.3) in its place; in `detail`. */
#define SDX_ERROR_TOKEN 4
/* Neither token nor FF; in `detail`. For SDX_WRITE: no data response. */
#define SDX_GARBAGE 5
/* Data response 0B: the card found the CRC16 wrong. */
#define SDX_CRC_REJECTED 6
/* Data response 0D. */
#define SDX_WRITE_REJECTED 7
/* Still busy at the deadline. */
#define SDX_BUSY 8
/* Stopped by what the host sent meanwhile. */
#define SDX_ABORTED 9
/* The stream of data parts was damaged or stopped. */
#define SDX_DATA_LOST 10
/* A parameter that makes no sense, or is out of range. */
#define SDX_BAD_REQUEST 11
/* A bus, or a thing, that this firmware does not have. */
#define SDX_UNSUPPORTED 12
#define SDX_BAD_SEQUENCE 13
/* No deadman record is loaded, or it does not have the CRC it was armed with. */
#define SDX_NOT_LOADED 14

/*
 * Payload of SDX_COMMAND (10 bytes), and the beginning of SDX_READ's and SDX_WRITE's:
 *   0 u8 command index, bit 7: CMD55 first      1 u32 argument      5 u8 response kind, bits 4..5: bus      6 u8 flags      7 u24 deadline in ms
 * SDX_READ and SDX_WRITE go on with
 *  10 u16 block length     12 u32 blocks      16 u16 ms to wait for a token at most (SDX_READ) or 0
 */
#define SDX_COMMAND_BYTES 10
#define SDX_TRANSFER_BYTES 18

#define SDX_APP_COMMAND 0x80
#define SDX_BUS_SHIFT 4

#define SDX_R1 0
#define SDX_R1B 1
#define SDX_R2 2
#define SDX_R3 3
#define SDX_R7 4

/* Spoil the lowest bit of CRC7. */
#define SDX_WRONG_CRC 0x01
/* SDX_READ: CMD12 at the end. SDX_WRITE: token FC, stop token at the end. */
#define SDX_OPEN_ENDED 0x02

/*
 * Payload of the reply to SDX_COMMAND, SDX_READ and SDX_WRITE:
 *   0 u8 R1 (FF: none)   1 u8 x 4 what follows R1     5 u8 detail: the token or data response that ended it     6 u8 card flags
 *   7 u8 bytes before R1     8 u32 blocks done    12 u32 bytes clocked    16 u32 bytes clocked while waiting (access time and busy)
 * Of a SDX_WRITE that the card did not take: at 1 and 2 R1 and R2 of the first CMD13 behind it, which says why; FF FF: none.
 */
#define SDX_RESULT_BYTES 20
#define SDX_NO_R1 0xFF
/* The card's transfer was ended and its busy awaited. Without it the host has to recover the card. */
#define SDX_CARD_KNOWN 0x01

/*
 * Data part of SDX_READ (to the host, before the reply) and of SDX_WRITE (from the host, right behind the request): 0 u8 SDX_DATA, 1 u8 number of the
 * block, from 0, modulo 256, 2 the block, then its CRC16 as the card gave it or gets it (starting from 0), unchanged on its way. In
 * SDX_WRITE a part with a wrong CRC16 is damage: it never reaches the card.
 *
 * A reply may come before all data parts of SDX_WRITE were sent; then the host stops sending and is silent for longer than silenceMs. While blocks of
 * SDX_READ come or SDX_COMMAND waits, anything that the host sends stops it (SDX_ABORTED), the byte is then taken as the next opcode.
 *
 * Credit, where window is not 0: 0 u8 SDX_CREDIT, 1 u8 parts taken so far, modulo 256, 2 u8 the same with all bits inverted.
 */
#define SDX_DATA 0xDA
#define SDX_CREDIT 0xCE
#define SDX_DATA_HEAD_BYTES 2
#define SDX_CREDIT_BYTES 3

/*
 * SDX_ABORT: 0 u8 flags, 1 u24 deadline in ms. Whatever runs was stopped when it came; with SDX_RECOVER the card is brought back to answering
 * CMD13 in transfer state, without CMD0.
 * Reply: 0 u8 sequence of the last request, 1 u8 its opcode (0: none), 2 u8 its status, 3 u8 card flags, 4 u32 its blocks done,
 *   8 u8 outcome, 9 u8 R1 and 10 u8 R2 of the last probe (FF FF: none), 11 u8 number of steps, 12 u8 x 16 the steps,
 *  28 u32 bytes clocked but those waiting, 32 u32 bytes clocked while waiting
 */
#define SDX_ABORT_BYTES 4
#define SDX_ABORT_REPLY_BYTES 36
#define SDX_RECOVER 0x01
/* CRC checking was proved on: a block with a wrong CRC16 does no harm. */
#define SDX_CRC_PROVED 0x02
/* A read may be open whose block has not come. */
#define SDX_MAY_BE_READING 0x04
/* The firmware itself knows what it did last; with this the host knows better (SDX_MAY_BE_READING counts). */
#define SDX_HOST_KNOWS 0x08

#define SDX_NOT_RECOVERED 0
#define SDX_READY 1
#define SDX_REINITIALISE 2
#define SDX_SILENT 3
#define SDX_STAYS_BUSY 4

#define SDX_STEP_BRIDGE 1
#define SDX_STEP_DRAIN 2
#define SDX_STEP_BUSY 3
#define SDX_STEP_ACCESS 4
#define SDX_STEP_CMD12 5
#define SDX_STEP_STOP_TOKEN 6
#define SDX_STEP_PROBE 7
#define SDX_STEP_POISON 8
#define SDX_MAX_STEPS 16

/*
 * SDX_STATS: no payload. Reply, u32 each: 0 ms since start, 4 frames carried out, 8 frames damaged, 12 replies repeated, 16 bytes from
 * the host, 20 bytes to the host, 24 SPI bytes, 28 of those polling, 32 blocks read, 36 blocks written, 40 bytes lost before they were read
 */
#define SDX_STATS_BYTES 44

/*
 * SDX_CONTROL: 0 u8 what, 1 u32 value. Reply: 0 u32 what was really set, or 0.
 */
#define SDX_CONTROL_BYTES 5
#define SDX_CONTROL_REPLY_BYTES 4
/* Hz, rounded down to what the clock can do, or its lowest. */
#define SDX_SET_FREQUENCY 1
/* Bytes of clocks with CS and MOSI high, 1..1000. */
#define SDX_START_UP 2
/* CS high and 8 clocks. */
#define SDX_RELEASE 3
/* Deadline in ms: until the card is not busy. Status SDX_BUSY at its end. */
#define SDX_WAIT_READY 4
/* 1: card power on, 0: off. Only with SDX_FLAG_POWER_SWITCH. Off lets all pins go. */
#define SDX_SET_POWER 5
/* 5..5000 ms; until the next SDX_INFO. */
#define SDX_SET_SILENCE 6
/* 1: pins driven, 0: let go. */
#define SDX_SET_PINS 7

/*
 * SDX_DEADMAN: 0 u8 what, then
 *   SDX_DEADMAN_CLEAR: nothing. Disarms and forgets.
 *   SDX_DEADMAN_LOAD:  1 u32 offset, 5 bytes of the store (deadmanBytes long)
 *   SDX_DEADMAN_ARM:   1 u32 heartbeat in ms, 5 u32 deadline of the write in ms, 9 u32 length of the store used, 13 u32 its CRC32, 17 u32 offset of the plan in it
 *   SDX_DEADMAN_BEAT:  nothing
 *   SDX_DEADMAN_STATE: nothing
 * Any byte of the host is a sign of life. SDX_INFO while it is armed means that whoever armed it has gone: it fires before the answer.
 * While it fires nothing else is done.
 *
 * Reply to each: 0 u8 state, 1 u8 outcome, 2 u8 steps done, 3 u8 writes done, 4 u32 ms left until it fires, or that the write took
 *
 * The plan, in the store: 0 u8 x 16 CID, 16 u8 flags, 17 u8 writes, 18 u8 compares, 19 u8 0, 20 u32 LBA and 24 u32 offset of a sector that must be as it was (offset FFFFFFFF: none),
 * 28 u32 Hz, then the writes, then the compares: each 0 u8 step, 1 u8 0, 2 u16 blocks, 4 u32 LBA, 8 u32 offset of the data.
 * Every write is accepted, its status read and its busy over before the next begins: the list of steps of the host's PanicPort.
 */
#define SDX_DEADMAN_CLEAR 0
#define SDX_DEADMAN_LOAD 1
#define SDX_DEADMAN_ARM 2
#define SDX_DEADMAN_BEAT 3
#define SDX_DEADMAN_STATE 4
#define SDX_DEADMAN_LOAD_HEAD_BYTES 5
#define SDX_DEADMAN_ARM_BYTES 21
#define SDX_DEADMAN_REPLY_BYTES 8
#define SDX_PLAN_HEAD_BYTES 32
#define SDX_PLAN_ENTRY_BYTES 12
#define SDX_PLAN_NO_MARK 0xFFFFFFFF

/* Plan flags. */
#define SDX_PLAN_BYTE_ADDRESSES 0x01
#define SDX_PLAN_CRC_ON 0x02
#define SDX_PLAN_MMC 0x04

#define SDX_DEADMAN_OFF 0
#define SDX_DEADMAN_ARMED 1
#define SDX_DEADMAN_FIRED 2

/* Outcomes, as the host's verdicts have them. */
#define SDX_OUTCOME_NONE 0
#define SDX_OUTCOME_COMMITTED 1
#define SDX_OUTCOME_COMMITTED_UNVERIFIED 2
#define SDX_OUTCOME_CARD_BUSY 3
#define SDX_OUTCOME_DEADLINE 4
#define SDX_OUTCOME_CARD_GONE 5
#define SDX_OUTCOME_WRONG_CARD 6
#define SDX_OUTCOME_WRITE_FAILED 7
#define SDX_OUTCOME_NEEDS_POWER_CYCLE 8

#endif
