#include "buffer.h"

uint8_t buffer[BUFFER_BYTES];
