/* Commands and responses in SPI mode (SD Physical Layer 7.3.1, 7.3.2). */
#ifndef MMCPSTORE_CARD_H
#define MMCPSTORE_CARD_H

#include "spi.h"

#define R1_IDLE 0x01
#define R1_ERASE_RESET 0x02
#define R1_ILLEGAL 0x04
#define R1_CRC_ERROR 0x08
#define R1_ADDRESS_ERROR 0x20
#define R1_PARAMETER_ERROR 0x40
/* The command was not carried out. */
#define R1_ERRORS 0x7C
/* A transfer does not go on with these. */
#define R1_REFUSED (R1_ERRORS | R1_IDLE)

#define TOKEN_SINGLE 0xFE
#define TOKEN_MULTI_WRITE 0xFC
#define TOKEN_STOP 0xFD

#define CMD_GO_IDLE 0
#define CMD_SEND_OP_COND 1
#define CMD_SEND_IF_COND 8
#define CMD_SEND_CID 10
#define CMD_STOP_TRANSMISSION 12
#define CMD_SEND_STATUS 13
#define CMD_SET_BLOCKLEN 16
#define CMD_READ_SINGLE 17
#define CMD_READ_MULTIPLE 18
#define CMD_WRITE_SINGLE 24
#define CMD_WRITE_MULTIPLE 25
#define CMD_APP 55
#define CMD_READ_OCR 58
#define CMD_CRC_ON_OFF 59
#define ACMD_SEND_OP_COND 41

struct command {
    uint8_t index;
    bool app;
    bool wrong_crc;
    uint8_t kind; /* SDX_R1... */
    uint32_t argument;
};

struct response {
    uint8_t r1; /* SDX_NO_R1: none within 16 bytes */
    uint8_t extra[4];
    uint8_t before; /* bytes before R1 */
};

/* What a card that has been left alone may be in the middle of. */
enum doing { DOING_NOTHING, DOING_READ, DOING_WRITE, DOING_UNKNOWN };
extern enum doing card_doing;

/* Frame and response, in a CS frame that goes on; CMD55 before an ACMD. Response of the CMD55 if that was refused. */
struct response card_command(const struct command *command);

/* CMD12 within the CS frame of the transfer that it ends. R1, or SDX_NO_R1; false if it is still busy at the deadline. */
bool card_stop(const struct timer *deadline, uint8_t *r1);

/* FF and frame; 7 bytes. */
void card_frame(uint8_t *into, uint8_t index, uint32_t argument);

/* R1 and what follows it. `skip`: bytes that are none. */
struct response card_response(uint8_t kind, uint8_t skip);

/* CMD13 in a CS frame of its own; false if nothing answers. */
bool card_status(uint8_t status[2]);

#endif
