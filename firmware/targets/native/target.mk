# A Linux process; make CC=... CFLAGS=... as usual.
NATIVE_SOURCES := $(CORE_SOURCES) $(wildcard targets/native/*.c)

build/mmcpstore-native: $(NATIVE_SOURCES) $(HEADERS) $(wildcard targets/native/*.h)
	@mkdir -p $(@D)
	$(CC) -O2 $(COMMON_CFLAGS) -Itargets/native $(CFLAGS) -o $@ $(NATIVE_SOURCES)

.PHONY: native
native: build/mmcpstore-native
