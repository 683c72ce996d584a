# Arduino Uno, Nano (16 MHz), at 500 kbaud and 1 Mbaud; AVR_F_CPU=8000000 for a Pro Mini (500 kbaud and 1 Mbaud as well).
AVR_F_CPU ?= 16000000
AVR_CC := avr-gcc
AVR_SOURCES := $(CORE_SOURCES) $(sort $(wildcard targets/atmega328p/*.c))
AVR_FLAGS := -mmcu=atmega328p -Os -flto -fwhole-program -mcall-prologues $(COMMON_CFLAGS) -Itargets/atmega328p -DF_CPU=$(AVR_F_CPU)UL
AVR_DEPENDS := $(AVR_SOURCES) $(HEADERS) $(wildcard targets/atmega328p/*.h)

build/mmcpstore-atmega328p-500k.elf: $(AVR_DEPENDS)
	@mkdir -p $(@D)
	$(AVR_CC) $(AVR_FLAGS) -DAVR_BAUD=500000UL -o $@ $(AVR_SOURCES)

build/mmcpstore-atmega328p-1m.elf: $(AVR_DEPENDS)
	@mkdir -p $(@D)
	$(AVR_CC) $(AVR_FLAGS) -DAVR_BAUD=1000000UL -o $@ $(AVR_SOURCES)

build/mmcpstore-atmega328p-%.hex: build/mmcpstore-atmega328p-%.elf
	avr-objcopy -O ihex -R .eeprom $< $@

.PHONY: atmega328p
atmega328p: build/mmcpstore-atmega328p-500k.hex build/mmcpstore-atmega328p-1m.hex
.PRECIOUS: build/mmcpstore-atmega328p-%.elf
