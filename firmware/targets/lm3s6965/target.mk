# TI EK-LM3S6965 and QEMU's lm3s6965evb. LM3S_BAUD: of UART0, 115200.
LM3S_BAUD ?= 115200
LM3S_CC := arm-none-eabi-gcc
LM3S_SOURCES := $(CORE_SOURCES) $(sort $(wildcard targets/lm3s6965/*.c))
LM3S_FLAGS := -mcpu=cortex-m3 -mthumb -Os -nostdlib -fno-tree-loop-distribute-patterns $(COMMON_CFLAGS) -Itargets/lm3s6965 -DLM3S_BAUD=$(LM3S_BAUD)

build/mmcpstore-lm3s6965.elf: $(LM3S_SOURCES) $(HEADERS) $(wildcard targets/lm3s6965/*.h) targets/lm3s6965/lm3s6965.ld
	@mkdir -p $(@D)
	$(LM3S_CC) $(LM3S_FLAGS) -Wl,-T,targets/lm3s6965/lm3s6965.ld -Wl,--build-id=none -o $@ $(LM3S_SOURCES) -lgcc

build/mmcpstore-lm3s6965.bin: build/mmcpstore-lm3s6965.elf
	arm-none-eabi-objcopy -O binary $< $@

.PHONY: lm3s6965
lm3s6965: build/mmcpstore-lm3s6965.elf build/mmcpstore-lm3s6965.bin
