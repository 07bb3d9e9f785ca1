# bluenet-tools: see README.md. Build variables: CC CFLAGS LDFLAGS BUILD PREFIX
# DESTDIR V. Everything that is made goes into $(BUILD).

VERSION := $(shell sed -n 's/^\#define BNET_VERSION "\(.*\)"/\1/p' \
    proto/bluenet.h)
SOVERSION = 0
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MAKEFLAGS += --no-print-directory

PKGS_LIB = openssl zlib
PKGS_CMD = libpcap
PKGS_PING = liburcu-qsbr liburcu-cds ncursesw
PKGS_RELAY = liburcu-qsbr liburcu-cds libmicrohttpd inih
PKGS_REPLAY = liburcu-qsbr liburcu-cds jansson
PKGS_TEST = check jansson
# readiness, watchdog and socket activation of the relay, where it is there
PKGS_OPTIONAL := $(shell $(PKG_CONFIG) --exists libsystemd && echo libsystemd)

WARN = -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
    -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef
override CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
    $(if $(PKGS_OPTIONAL),-DHAVE_SYSTEMD)
ALL_CFLAGS = -std=c17 $(WARN) -fPIC -fno-semantic-interposition \
    $(shell $(PKG_CONFIG) --cflags $(PKGS_LIB) $(PKGS_CMD)) $(CFLAGS) -pthread
LIBS_LIB = $(shell $(PKG_CONFIG) --libs $(PKGS_LIB)) -lsnappy
LIBS_CMD = $(shell $(PKG_CONFIG) --libs $(PKGS_CMD)) -lm
LIBS_PING = $(shell $(PKG_CONFIG) --libs $(PKGS_PING))
LIBS_RELAY = $(shell $(PKG_CONFIG) --libs $(PKGS_RELAY) $(PKGS_OPTIONAL))
LIBS_REPLAY = $(shell $(PKG_CONFIG) --libs $(PKGS_REPLAY))
LIBS_TEST = $(shell $(PKG_CONFIG) --libs $(PKGS_TEST)) -lm

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
Q = $(if $(V),,@)

PROTO_SRC = $(wildcard proto/*.c)
SHARED_SRC = $(wildcard cmd/common/*.c cmd/stats/*.c cmd/capture/*.c)
ENGINE_SRC = $(wildcard cmd/engine/*.c)
DECODE_SRC = $(wildcard cmd/decode/*.c)
PING_SRC = $(wildcard cmd/ping/*.c)
RELAY_SRC = $(wildcard cmd/relay/*.c)
REPLAY_SRC = $(wildcard cmd/replay/*.c)
NODE_SRC = $(wildcard fixtures/node/*.c)
UNIT_SRC = $(wildcard tests/unit/test_*.c)
TOOL_SRC = $(wildcard tests/tools/*.c)

LIB_A = $(BUILD)/libbluenet.a
LIB_SO = $(BUILD)/libbluenet.so.$(SOVERSION)
SHARED_A = $(BUILD)/libcmd.a
ENGINE_A = $(BUILD)/libengine.a
DECODE_A = $(BUILD)/libdecode.a
PING_A = $(BUILD)/libping.a
RELAY_A = $(BUILD)/librelay.a
REPLAY_A = $(BUILD)/libreplay.a
NODE_A = $(BUILD)/libnode.a
PROGRAMS = $(BUILD)/bluenet-decode $(BUILD)/bluenet-relay \
    $(BUILD)/bluenet-ping $(BUILD)/bluenet-node $(BUILD)/bluenet-replay

# The shared library needs the linker of GNU; the rest builds elsewhere too.
ifeq ($(shell uname -s),Linux)
LIBRARIES = $(LIB_A) $(LIB_SO)
else
LIBRARIES = $(LIB_A)
endif

.PHONY: all
all: $(LIBRARIES) $(PROGRAMS)

# deps comes before what needs it, also under -j
ifneq ($(filter deps,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(call obj,$(PROTO_SRC))
$(SHARED_A): $(call obj,$(SHARED_SRC))
$(ENGINE_A): $(call obj,$(ENGINE_SRC))
$(DECODE_A): $(call obj,$(filter-out %/main.c,$(DECODE_SRC)))
$(PING_A): $(call obj,$(filter-out %/main.c,$(PING_SRC)))
$(RELAY_A): $(call obj,$(filter-out %/main.c,$(RELAY_SRC)))
$(REPLAY_A): $(call obj,$(filter-out %/main.c,$(REPLAY_SRC)))
$(NODE_A): $(call obj,$(filter-out %/main.c,$(NODE_SRC)))
%.a:
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LIB_SO): $(call obj,$(PROTO_SRC)) proto/bluenet.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) \
	    -Wl,--version-script=proto/bluenet.map -o $@ \
	    $(filter %.o,$^) $(LIBS_LIB)

$(BUILD)/bluenet-decode: $(call obj,cmd/decode/main.c) $(DECODE_A) \
    $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/bluenet-relay: $(call obj,cmd/relay/main.c) $(RELAY_A) $(ENGINE_A) \
    $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_RELAY) \
	    $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/bluenet-ping: $(call obj,cmd/ping/main.c) $(PING_A) $(ENGINE_A) \
    $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_PING) \
	    $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/bluenet-replay: $(call obj,cmd/replay/main.c) $(REPLAY_A) \
    $(ENGINE_A) $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_REPLAY) \
	    $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/bluenet-node: $(call obj,fixtures/node/main.c) $(NODE_A) \
    $(ENGINE_A) $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_RELAY) \
	    $(LIBS_CMD) $(LIBS_LIB)

# ---- what a user asks for ---------------------------------------------------

# Installs what is missing; nothing to do, and no network, when all is there.
.PHONY: deps
deps:
	@sh tests/tools/deps.sh

# A relay, twelve nodes, traffic, and what a recording of it shows.
.PHONY: demo
demo:
	@$(MAKE) -j$(JOBS) $(BUILD)/bluenet-decode $(BUILD)/bluenet-relay \
	    $(BUILD)/bluenet-node $(BUILD)/bluenet-ping \
	    $(BUILD)/bluenet-replay $(BUILD)/tools/peer
	@BUILD=$(BUILD) sh tests/tools/demo.sh

# The article's experiment: one lock for network and application, or not.
.PHONY: tables
tables:
	@$(MAKE) -j$(JOBS) $(BUILD)/bluenet-relay $(BUILD)/bluenet-node \
	    $(BUILD)/bluenet-ping
	@BUILD=$(BUILD) sh tests/tools/tables.sh

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBDIR = $(DESTDIR)$(PREFIX)/lib
INCDIR = $(DESTDIR)$(PREFIX)/include/bluenet
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
HEADERS = $(filter-out %_impl.h,$(wildcard proto/*.h))
COMPLETION = $(wildcard cmd/*/completion/*.bash)
COMPLETION_ZSH = $(wildcard cmd/*/completion/_*)
UNITS = $(wildcard cmd/relay/systemd/*)
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system

.PHONY: install
install: all
	install -d $(BINDIR) $(LIBDIR)/pkgconfig $(INCDIR) $(MANDIR)/man1 \
	    $(MANDIR)/man3 $(MANDIR)/man5 $(BASHDIR) $(ZSHDIR) $(UNITDIR)
	install -m 755 $(PROGRAMS) $(BINDIR)
	install -m 644 $(LIB_A) $(LIBDIR)
	$(if $(filter %.so.$(SOVERSION),$(LIBRARIES)),install -m 755 \
	    $(LIB_SO) $(LIBDIR) && \
	    ln -sf $(notdir $(LIB_SO)) $(LIBDIR)/libbluenet.so)
	install -m 644 $(HEADERS) $(INCDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
	    proto/bluenet.pc.in > $(LIBDIR)/pkgconfig/bluenet.pc
	install -m 644 $(wildcard man/*.1) $(MANDIR)/man1
	install -m 644 $(wildcard man/*.3) $(MANDIR)/man3
	install -m 644 $(wildcard man/*.5) $(MANDIR)/man5
	for f in $(COMPLETION); do \
		install -m 644 $$f $(BASHDIR)/$$(basename $$f .bash); done
	install -m 644 $(COMPLETION_ZSH) $(ZSHDIR)
	for f in $(UNITS); do sed 's|/usr/local/|$(PREFIX)/|' $$f \
		> $(UNITDIR)/$$(basename $$f); done

.PHONY: uninstall
uninstall:
	rm -f $(patsubst $(BUILD)/%,$(BINDIR)/%,$(PROGRAMS))
	rm -f $(LIBDIR)/libbluenet.a $(LIBDIR)/libbluenet.so* \
	    $(LIBDIR)/pkgconfig/bluenet.pc
	rm -rf $(INCDIR)
	rm -f $(patsubst man/%,$(MANDIR)/man1/%,$(wildcard man/*.1)) \
	    $(patsubst man/%,$(MANDIR)/man3/%,$(wildcard man/*.3)) \
	    $(patsubst man/%,$(MANDIR)/man5/%,$(wildcard man/*.5))
	rm -f $(patsubst %.bash,$(BASHDIR)/%,$(notdir $(COMPLETION))) \
	    $(patsubst %,$(ZSHDIR)/%,$(notdir $(COMPLETION_ZSH))) \
	    $(patsubst %,$(UNITDIR)/%,$(notdir $(UNITS)))

.PHONY: clean
clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-gcc $(BUILD)-clang

# ---- tests ------------------------------------------------------------------

UNIT_BIN = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
UNIT_HELP = $(call obj,$(filter-out tests/unit/test_%,$(wildcard \
    tests/unit/*.c)))
BENCH_BIN = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard \
    tests/bench/*.c))
TOOL_BIN = $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(TOOL_SRC))
WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

# captures made harder, and the judge of what was decoded of them
CAPTURES_A = $(BUILD)/libcaptures.a
$(CAPTURES_A): $(call obj,$(wildcard tests/captures/*.c))

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(UNIT_HELP) $(CAPTURES_A) \
    $(DECODE_A) $(PING_A) $(RELAY_A) $(REPLAY_A) $(NODE_A) $(ENGINE_A) \
    $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(WRAP) -o $@ $^ $(LIBS_TEST) \
	    $(LIBS_RELAY) $(LIBS_PING) $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(CAPTURES_A) $(PING_A) \
    $(REPLAY_A) $(ENGINE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_TEST) \
	    $(LIBS_PING) $(LIBS_CMD) $(LIBS_LIB)

# ZeroMQ is only for a peer of the benchmarks.
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_LIB) \
	    $(if $(findstring zmq,$@),-lzmq) $(if $(findstring late,$@),-lpcap)

# The unit tests and the tools' tests of one build; the last lines count.
.PHONY: test
test:
	@$(MAKE) -j$(JOBS) tested
	@BUILD=$(BUILD) sh tests/tools/run-tests.sh

.PHONY: tested
tested: $(PROGRAMS) $(UNIT_BIN) $(TOOL_BIN)

SAN = -O1 -g -fno-omit-frame-pointer
.PHONY: test-asan
test-asan:
	@echo '== ASan and UBSan =='
	@$(MAKE) BUILD=$(BUILD)-asan LDFLAGS='$(LDFLAGS)' CFLAGS='$(SAN) \
	    -fsanitize=address,undefined -fno-sanitize-recover=undefined' test

# Threads: what has them. liburcu is not instrumented, so what it does inside
# itself is left out; what it orders for us is told in cmd/engine/rcu.h.
TSAN_ONLY = engine handover limits credentials test_log keylog_file record \
    http routes relay replay node ping
.PHONY: test-tsan
test-tsan:
	@echo '== TSan =='
	@TSAN_OPTIONS='suppressions=$(CURDIR)/tests/tsan.supp' \
	    TEST_ONLY='$(TSAN_ONLY)' $(MAKE) BUILD=$(BUILD)-tsan \
	    LDFLAGS='$(LDFLAGS)' CFLAGS='$(SAN) -fsanitize=thread' test

# Fuzzers: clang, every source instrumented, one program a parser.
FUZZ_BUILD = $(BUILD)-fuzz
FUZZ_SECONDS ?= 20
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN = $(patsubst tests/fuzz/%.c,$(FUZZ_BUILD)/fuzz/%,$(FUZZ_SRC))
FUZZ_SAN = address,undefined

.PHONY: fuzz-build
fuzz-build:
	@$(MAKE) -j$(JOBS) BUILD=$(FUZZ_BUILD) CC=clang CFLAGS='-O1 -g \
	    -fsanitize=fuzzer-no-link,$(FUZZ_SAN) \
	    -fno-sanitize-recover=undefined' $(FUZZ_BIN)

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(DECODE_A) $(REPLAY_A) \
    $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ \
	    -ljansson $(LIBS_CMD) $(LIBS_LIB)

# Each over its seeds, then FUZZ_SECONDS of its own ideas.
.PHONY: test-fuzz
test-fuzz: fuzz-build $(BUILD)/tools/seeds
	@echo '== fuzzers, $(FUZZ_SECONDS) s each =='
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/fuzz/run.sh \
	    $(FUZZ_BIN)

# The long run: an hour each, or FUZZ_SECONDS.
.PHONY: fuzz
fuzz:
	@$(MAKE) FUZZ_SECONDS=$(if $(filter command line environment,$(origin \
	    FUZZ_SECONDS)),$(FUZZ_SECONDS),3600) test-fuzz

.PHONY: bench bench-decode bench-relay bench-ping bench-replay
bench: bench-decode bench-relay bench-ping bench-replay

bench-decode: $(PROGRAMS) $(TOOL_BIN)
	@BUILD=$(BUILD) sh tests/bench/decode.sh

bench-relay: $(PROGRAMS) $(BENCH_BIN)
	@BUILD=$(BUILD) sh tests/bench/relay.sh

bench-ping: $(PROGRAMS)
	@BUILD=$(BUILD) sh tests/bench/ping.sh

bench-replay: $(PROGRAMS) $(BENCH_BIN)
	@BUILD=$(BUILD) sh tests/bench/replay.sh

.PHONY: check
check:
	@$(MAKE) -j$(JOBS) all
	@$(MAKE) lint
	@$(MAKE) test-fuzz
	@$(MAKE) test-asan
	@$(MAKE) test-tsan
	@echo '== tests =='
	@$(MAKE) test

# ---- lint -------------------------------------------------------------------

C_FILES = $(shell find proto cmd tests fixtures -name '*.[ch]')
SH_FILES = .ci/run $(wildcard tests/*/*.sh fixtures/*/*.sh)
BANNED = sprintf|vsprintf|strcpy|strcat|gets|atoi|atol|strtok

.PHONY: lint
lint: lint-cc lint-text lint-proto

.PHONY: lint-cc
lint-cc:
	@echo '== warnings as errors: gcc, clang =='
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-gcc CC=gcc CFLAGS='-O2 -Werror' objects
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-clang CC=clang CFLAGS='-O2 -Werror' objects
	@echo '== cppcheck =='
	@cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability -j 2 -I. \
	    --suppress=missingIncludeSystem proto cmd

.PHONY: objects
objects: $(call obj,$(PROTO_SRC) $(SHARED_SRC) $(ENGINE_SRC) $(DECODE_SRC) \
    $(PING_SRC) $(RELAY_SRC) $(REPLAY_SRC) $(NODE_SRC) $(UNIT_SRC) \
    $(TOOL_SRC) $(wildcard tests/captures/*.c) \
    $(wildcard tests/fuzz/fuzz_*.c))

.PHONY: lint-text
lint-text:
	@echo '== clang-format, shellcheck, mandoc =='
	@clang-format --dry-run --Werror $(C_FILES)
	@shellcheck $(SH_FILES) $(wildcard tests/cli/*.ba*)
	@shellcheck -s bash $(COMPLETION)
	@mandoc -Tlint -W warning man/*.[135]
	@! grep -nE '\<($(BANNED))\(' $(filter proto/% cmd/% fixtures/%,$(C_FILES))

# proto/ is memory in, memory out: it may call these and nothing else.
.PHONY: lint-proto
lint-proto: $(LIB_A)
	@echo '== proto/ free of I/O =='
	@nm -u $< | awk '$$1 == "U" && $$2 !~ /^bnet_/ { print $$2 }' | \
	    LC_ALL=C sort -u | LC_ALL=C comm -13 proto/externals.ok - | \
	    (! grep .)

.PHONY: format
format:
	clang-format -i $(C_FILES)

.PRECIOUS: $(BUILD)/%.o
.SECONDARY:
-include $(patsubst %.o,%.d,$(call obj,$(PROTO_SRC) $(SHARED_SRC) \
    $(ENGINE_SRC) $(DECODE_SRC) $(PING_SRC) $(RELAY_SRC) $(REPLAY_SRC) \
    $(NODE_SRC) \
    $(wildcard tests/unit/*.c tests/captures/*.c tests/bench/*.c) $(TOOL_SRC) $(wildcard tests/fuzz/*.c)))
