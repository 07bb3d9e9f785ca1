# bluenet-tools: see README.md. Build variables: CC CFLAGS LDFLAGS BUILD PREFIX
# DESTDIR V. Everything that is made goes into $(BUILD).

VERSION = 0.1.0
SOVERSION = 0
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g

PKGS_LIB = openssl zlib
PKGS_CMD = libpcap
PKGS_TEST = check jansson

WARN = -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
    -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef
override CPPFLAGS += -I. -D_GNU_SOURCE
ALL_CFLAGS = -std=c17 $(WARN) -fPIC -fno-semantic-interposition \
    $(shell $(PKG_CONFIG) --cflags $(PKGS_LIB) $(PKGS_CMD)) $(CFLAGS)
LIBS_LIB = $(shell $(PKG_CONFIG) --libs $(PKGS_LIB)) -lsnappy
LIBS_CMD = $(shell $(PKG_CONFIG) --libs $(PKGS_CMD)) -lm
LIBS_TEST = $(shell $(PKG_CONFIG) --libs $(PKGS_TEST)) -lm

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
Q = $(if $(V),,@)

PROTO_SRC = $(wildcard proto/*.c)
SHARED_SRC = $(wildcard cmd/common/*.c cmd/stats/*.c cmd/capture/*.c)
DECODE_SRC = $(wildcard cmd/decode/*.c)
UNIT_SRC = $(wildcard tests/unit/test_*.c)
TOOL_SRC = $(wildcard tests/tools/*.c)

LIB_A = $(BUILD)/libbluenet.a
LIB_SO = $(BUILD)/libbluenet.so.$(SOVERSION)
SHARED_A = $(BUILD)/libcmd.a
DECODE_A = $(BUILD)/libdecode.a
PROGRAMS = $(BUILD)/bluenet-decode

.PHONY: all
all: $(LIB_A) $(LIB_SO) $(PROGRAMS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(call obj,$(PROTO_SRC))
$(SHARED_A): $(call obj,$(SHARED_SRC))
$(DECODE_A): $(call obj,$(filter-out %/main.c,$(DECODE_SRC)))
%.a:
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LIB_SO): $(call obj,$(PROTO_SRC)) proto/bluenet.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) \
	    -Wl,--version-script=proto/bluenet.map -o $@ \
	    $(filter %.o,$^) $(LIBS_LIB)

$(BUILD)/bluenet-decode: $(call obj,cmd/decode/main.c) $(DECODE_A) \
    $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_CMD) $(LIBS_LIB)

# ---- tests ------------------------------------------------------------------

UNIT_BIN = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
TOOL_BIN = $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(TOOL_SRC))

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(DECODE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(UNIT_LDFLAGS) $(LIBS_TEST) \
	    $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_TEST) $(LIBS_CMD) \
	    $(LIBS_LIB)

.PHONY: unit
unit: $(UNIT_BIN)
	@set -e; for t in $^; do $$t; done

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PRECIOUS: $(BUILD)/%.o
.SECONDARY:
-include $(patsubst %.o,%.d,$(call obj,$(PROTO_SRC) $(SHARED_SRC) \
    $(DECODE_SRC) $(UNIT_SRC) $(TOOL_SRC)))
