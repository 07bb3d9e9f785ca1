# bluenet-tools: see README.md. Build variables: CC CFLAGS LDFLAGS BUILD PREFIX
# LIBDIR SYSCONFDIR DESTDIR V. Everything that is made goes into $(BUILD).

VERSION := $(shell sh tests/tools/version.sh)
SOVERSION = 0
BUILD ?= build
PREFIX ?= /usr/local
# /usr/lib/TRIPLET where the system has such folders, as Debian has
LIBDIR ?= $(PREFIX)/lib$(if $(filter /usr,$(PREFIX)),$(addprefix /,$(shell \
    $(CC) -print-multiarch 2>/dev/null)))
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),,$(PREFIX))/etc
DESTDIR ?=
CC ?= cc
PKG_CONFIG ?= pkg-config
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
WERROR ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MAKEFLAGS += --no-print-directory

PKGS_LIB = openssl zlib
PKGS_CMD = libpcap libpcre2-8
PKGS_EMBED = liburcu-qsbr liburcu-cds
PKGS_DECODE = jansson
PKGS_PING = liburcu-qsbr liburcu-cds ncursesw
PKGS_RELAY = liburcu-qsbr liburcu-cds libmicrohttpd inih
PKGS_NODE = liburcu-qsbr liburcu-cds jansson
PKGS_REPLAY = liburcu-qsbr liburcu-cds jansson
PKGS_TEST = check jansson
# readiness, watchdog and socket activation of the relay, where it is there
PKGS_OPTIONAL := $(shell $(PKG_CONFIG) --exists libsystemd && echo libsystemd)
# captures compressed with them, where they are there
PKGS_CODEC := $(foreach p,libzstd liblz4,$(shell $(PKG_CONFIG) --exists $(p) \
    && echo $(p)))

WARN = -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
    -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef
override CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
    $(if $(PKGS_OPTIONAL),-DHAVE_SYSTEMD) \
    $(if $(filter libzstd,$(PKGS_CODEC)),-DHAVE_ZSTD) \
    $(if $(filter liblz4,$(PKGS_CODEC)),-DHAVE_LZ4)
ALL_CFLAGS = -std=c17 $(WARN) $(WERROR) -fPIC -fno-semantic-interposition \
    $(shell $(PKG_CONFIG) --cflags $(PKGS_LIB) $(PKGS_CMD)) $(CFLAGS) -pthread
LIBS_LIB = $(shell $(PKG_CONFIG) --libs $(PKGS_LIB)) -lsnappy
LIBS_CMD = $(shell $(PKG_CONFIG) --libs $(PKGS_CMD) $(PKGS_CODEC)) -lm
LIBS_EMBED = $(shell $(PKG_CONFIG) --libs $(PKGS_EMBED))
LIBS_DECODE = $(shell $(PKG_CONFIG) --libs $(PKGS_DECODE))
LIBS_PING = $(shell $(PKG_CONFIG) --libs $(PKGS_PING))
LIBS_RELAY = $(shell $(PKG_CONFIG) --libs $(PKGS_RELAY) $(PKGS_OPTIONAL))
LIBS_NODE = $(shell $(PKG_CONFIG) --libs $(PKGS_NODE))
LIBS_REPLAY = $(shell $(PKG_CONFIG) --libs $(PKGS_REPLAY))
LIBS_TEST = $(shell $(PKG_CONFIG) --libs $(PKGS_TEST)) -lm
LIBS_TOOL = $(shell $(PKG_CONFIG) --libs jansson) -lm

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
Q = $(if $(V),,@)

PROTO_SRC = $(wildcard proto/*.c)
SHARED_SRC = $(wildcard cmd/common/*.c cmd/stats/*.c cmd/capture/*.c \
    cmd/filter/*.c)
ENGINE_SRC = $(wildcard cmd/engine/*.c cmd/session/*.c)
EMBED_SRC = $(wildcard cmd/embed/*.c)
DECODE_SRC = $(wildcard cmd/decode/*.c)
PING_SRC = $(wildcard cmd/ping/*.c)
RELAY_SRC = $(wildcard cmd/relay/*.c)
REPLAY_SRC = $(wildcard cmd/replay/*.c cmd/replay/*/*.c)
NODE_SRC = $(wildcard cmd/node/*.c)
COMPLETION_SRC = $(wildcard cmd/completion/*.c)
UNIT_SRC = $(wildcard tests/unit/test_*.c)
TOOL_SRC = $(wildcard tests/tools/*.c)

LIB_A = $(BUILD)/libbluenet.a
LIB_SO = $(BUILD)/libbluenet.so.$(SOVERSION)
EMBED_A = $(BUILD)/libbluenet-engine.a
EMBED_SO = $(BUILD)/libbluenet-engine.so.$(SOVERSION)
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
LIBRARIES = $(LIB_A) $(LIB_SO) $(EMBED_A) $(EMBED_SO)
else
LIBRARIES = $(LIB_A)
endif

.PHONY: all
all: $(LIBRARIES) $(PROGRAMS)

# where the programs find what is installed in share/bluenet (data_files.h)
$(PROGRAMS): | $(BUILD)/fixtures
$(BUILD)/fixtures:
	@mkdir -p $(@D)
	$(Q)ln -sfn '$(CURDIR)/fixtures' $@

# what is needed comes before what needs it, also under -j
ifneq ($(filter deps deps-check,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# made again where the version is another
$(BUILD)/version: ALWAYS
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: ALWAYS
ALWAYS:
$(BUILD)/cmd/common/version.o: $(BUILD)/version
$(BUILD)/cmd/common/version.o: override CPPFLAGS += \
    -DTREE_VERSION='"$(VERSION)"'

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

# What it has of the programs' rooms is not to be seen: the static one is one
# object with what begins with bnet_ in it.
$(EMBED_A): $(call obj,$(EMBED_SRC)) $(ENGINE_A) $(SHARED_A)
	$(Q)$(LD) -r -o $@.o $^ && $(OBJCOPY) --wildcard \
	    --keep-global-symbol='bnet_*' $@.o && rm -f $@ && \
	    $(AR) rcs $@ $@.o && rm -f $@.o

$(EMBED_SO): $(call obj,$(EMBED_SRC)) $(ENGINE_A) $(SHARED_A) $(LIB_SO) \
    cmd/embed/engine.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -shared -Wl,-soname,$(@F) \
	    -Wl,--version-script=cmd/embed/engine.map -o $@ \
	    $(filter %.o %.a %.so.$(SOVERSION),$^) $(LIBS_EMBED)

$(BUILD)/bluenet-decode: $(call obj,cmd/decode/main.c) $(DECODE_A) \
    $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_DECODE) $(LIBS_CMD) \
	    $(LIBS_LIB)

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

$(BUILD)/bluenet-node: $(call obj,cmd/node/main.c) $(NODE_A) \
    $(ENGINE_A) $(SHARED_A) $(LIB_A)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_NODE) \
	    $(LIBS_CMD) $(LIBS_LIB)

# The completions, from the tables of options.
$(BUILD)/completion/completion: $(call obj,cmd/completion/main.c) \
    $(DECODE_A) $(PING_A) $(RELAY_A) $(REPLAY_A) $(NODE_A) $(ENGINE_A) \
    $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_RELAY) \
	    $(LIBS_PING) $(LIBS_REPLAY) $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/completion/%.bash: $(BUILD)/completion/completion
	$(Q)$< $* bash > $@.part && mv $@.part $@

$(BUILD)/completion/_%: $(BUILD)/completion/completion
	$(Q)$< $* zsh > $@.part && mv $@.part $@

$(BUILD)/completion/relay.conf: $(BUILD)/completion/completion
	$(Q)$< bluenet-relay conf > $@.part && mv $@.part $@

$(BUILD)/completion/embed.c: man/bluenet.3
$(BUILD)/completion/client.c $(BUILD)/completion/server.c: man/bluenet-engine.3
$(BUILD)/completion/%.c:
	@mkdir -p $(@D)
	$(Q)sh tests/tools/extract-example.sh $< $(@F) > $@.part && \
	    mv $@.part $@

# ---- what a user asks for ---------------------------------------------------

# The targets, from the lines "#: name - what it does" of this file.
.PHONY: help
help:
	@sed -n 's/^#: //p' Makefile | awk -F ' - ' \
	    '{ printf "%-16s %s\n", $$1, $$2 }'

#: all - build everything into $(BUILD) (the default)
#: help - show this list

# Nothing to do, and no network, when all is there.
#: deps - install what building and the demo need
.PHONY: deps
deps:
	@sh tests/tools/deps.sh

#: deps-check - install what the tests need beyond that
.PHONY: deps-check
deps-check:
	@sh tests/tools/deps.sh check

#: demo - a relay, twelve nodes, some traffic, and what a recording of it shows
.PHONY: demo
demo:
	@$(MAKE) -j$(JOBS) $(BUILD)/bluenet-decode $(BUILD)/bluenet-relay \
	    $(BUILD)/bluenet-node $(BUILD)/bluenet-ping \
	    $(BUILD)/bluenet-replay $(BUILD)/tools/peer
	@BUILD=$(BUILD) sh tests/tools/demo.sh

#: tables - ping a cluster with and without one lock for network and application
.PHONY: tables
tables:
	@$(MAKE) -j$(JOBS) $(BUILD)/bluenet-relay $(BUILD)/bluenet-node \
	    $(BUILD)/bluenet-ping
	@BUILD=$(BUILD) sh tests/tools/tables.sh

#: check-scale - fixtures/scale/slurm.sh on a real Slurm, as root (not part of check)
.PHONY: check-scale
check-scale:
	@$(MAKE) -j$(JOBS) $(BUILD)/bluenet-relay $(BUILD)/bluenet-node \
	    $(BUILD)/bluenet-replay $(BUILD)/bluenet-decode
	@BUILD=$(BUILD) sh tests/tools/scale.sh

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBTO = $(DESTDIR)$(LIBDIR)
INCDIR = $(DESTDIR)$(PREFIX)/include/bluenet
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
HEADERS = $(filter-out %_impl.h,$(wildcard proto/*.h))
COMPLETION_BASH = $(patsubst $(BUILD)/%,$(BUILD)/completion/%.bash, \
    $(PROGRAMS))
COMPLETION_ZSH = $(patsubst $(BUILD)/%,$(BUILD)/completion/_%,$(PROGRAMS))
UNITS = $(wildcard cmd/relay/systemd/*)
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
UNITDIR = $(DESTDIR)$(SYSTEMDDIR)
CONFDIR = $(DESTDIR)$(SYSCONFDIR)/bluenet
# what the programs, or people, read
SHAREDIR = $(DESTDIR)$(PREFIX)/share/bluenet
SHARED = fixtures/decode.schema.json fixtures/keys.txt
RELAY_CONF = $(BUILD)/completion/relay.conf
EXAMPLES = $(addprefix $(BUILD)/completion/,embed.c client.c server.c)
PC = $(patsubst %,$(LIBTO)/pkgconfig/%.pc,bluenet \
    $(if $(filter $(EMBED_A),$(LIBRARIES)),bluenet-engine))

#: install - install programs, library, manuals and units (PREFIX, DESTDIR)
.PHONY: install
install: all $(COMPLETION_BASH) $(COMPLETION_ZSH) $(RELAY_CONF) $(EXAMPLES)
	install -d $(BINDIR) $(LIBTO)/pkgconfig $(INCDIR) $(MANDIR)/man1 \
	    $(MANDIR)/man3 $(MANDIR)/man5 $(BASHDIR) $(ZSHDIR) $(UNITDIR) \
	    $(CONFDIR) $(SHAREDIR)/scenarios/macho $(SHAREDIR)/grafana \
	    $(SHAREDIR)/examples $(SHAREDIR)/wireshark
	install -m 755 $(PROGRAMS) $(BINDIR)
	install -m 644 $(filter %.a,$(LIBRARIES)) $(LIBTO)
	for so in $(filter %.so.$(SOVERSION),$(LIBRARIES)); do \
		install -m 755 $$so $(LIBTO) && ln -sf $$(basename $$so) \
		    $(LIBTO)/$$(basename $${so%.$(SOVERSION)}); done
	install -m 644 $(HEADERS) $(INCDIR)
	$(if $(filter $(EMBED_A),$(LIBRARIES)),sed 's|"proto/|"|' \
	    cmd/embed/engine.h > $(INCDIR)/engine.h)
	for pc in $(PC); do sed -e 's|@PREFIX@|$(PREFIX)|' \
	    -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	    $$(ls proto/$${pc##*/}.in cmd/embed/$${pc##*/}.in 2>/dev/null) \
		> $$pc; done
	for f in $(wildcard man/*.[135]); do sed \
	    -e 's|/usr/local/share|$(PREFIX)/share|' \
	    -e 's|/etc/bluenet|$(SYSCONFDIR)/bluenet|' $$f \
		> $(MANDIR)/man$${f##*.}/$${f##*/}; done
	for f in $(COMPLETION_BASH); do \
		install -m 644 $$f $(BASHDIR)/$$(basename $$f .bash); done
	install -m 644 $(COMPLETION_ZSH) $(ZSHDIR)
	install -m 644 $(SHARED) $(SHAREDIR)
	install -m 644 $(wildcard fixtures/scenarios/*.bns) \
	    $(SHAREDIR)/scenarios
	install -m 644 $(wildcard fixtures/scenarios/macho/*) \
	    $(SHAREDIR)/scenarios/macho
	install -m 644 $(wildcard fixtures/grafana/*.json) $(SHAREDIR)/grafana
	install -m 644 fixtures/wireshark/bluenet.lua $(SHAREDIR)/wireshark
	install -m 644 $(EXAMPLES) $(SHAREDIR)/examples
	[ -e $(CONFDIR)/relay.conf ] || \
	    install -m 644 $(RELAY_CONF) $(CONFDIR)
	for f in $(UNITS); do sed -e 's|/usr/local/|$(PREFIX)/|' \
	    -e 's|/etc/bluenet/|$(SYSCONFDIR)/bluenet/|' $$f \
		> $(UNITDIR)/$$(basename $$f); done

# Where Wireshark looks: for one user, or (WIRESHARK=system) for all.
WIRESHARK_NAME = $(if $(filter system,$(WIRESHARK)),Global,Personal)
WIRESHARK_DIR = $(or $(shell tshark -G folders 2>/dev/null | \
    sed -n 's/^$(WIRESHARK_NAME) Lua Plugins:[[:space:]]*//p'), \
    $(HOME)/.local/lib/wireshark/plugins)

#: install-wireshark - the dissector, for you (WIRESHARK=system: for all)
.PHONY: install-wireshark
install-wireshark:
	install -d '$(DESTDIR)$(strip $(WIRESHARK_DIR))'
	install -m 644 fixtures/wireshark/bluenet.lua \
	    '$(DESTDIR)$(strip $(WIRESHARK_DIR))'

#: wireshark-tables - the tables of the dissector, from those of the library
.PHONY: wireshark-tables
wireshark-tables: $(BUILD)/tools/wireshark_tables
	{ sed '/^-- ---- generated by/q' fixtures/wireshark/bluenet.lua && \
	    echo && $(BUILD)/tools/wireshark_tables fixtures/keys.txt && \
	    echo && sed -n '/^-- ---- end of what/,$$p' \
	    fixtures/wireshark/bluenet.lua; } > $(BUILD)/bluenet.lua
	mv $(BUILD)/bluenet.lua fixtures/wireshark/bluenet.lua

# A configuration that somebody changed stays, as it does at the next install.
#: uninstall - remove what install put there
.PHONY: uninstall
uninstall: $(RELAY_CONF)
	if cmp -s $(RELAY_CONF) $(CONFDIR)/relay.conf; then \
		rm -f $(CONFDIR)/relay.conf; fi
	rm -rf $(SHAREDIR)
	rm -f $(patsubst $(BUILD)/%,$(BINDIR)/%,$(PROGRAMS))
	rm -f $(LIBTO)/libbluenet.a $(LIBTO)/libbluenet.so* \
	    $(LIBTO)/libbluenet-engine.a $(LIBTO)/libbluenet-engine.so* $(PC)
	rm -rf $(INCDIR)
	rm -f $(patsubst man/%,$(MANDIR)/man1/%,$(wildcard man/*.1)) \
	    $(patsubst man/%,$(MANDIR)/man3/%,$(wildcard man/*.3)) \
	    $(patsubst man/%,$(MANDIR)/man5/%,$(wildcard man/*.5))
	rm -f $(patsubst %.bash,$(BASHDIR)/%,$(notdir $(COMPLETION_BASH))) \
	    $(patsubst %,$(ZSHDIR)/%,$(notdir $(COMPLETION_ZSH))) \
	    $(patsubst %,$(UNITDIR)/%,$(notdir $(UNITS)))

#: dist - the last commit as a tarball in $(BUILD), the same bytes anywhere
.PHONY: dist
dist:
	@mkdir -p $(BUILD)
	@sh tests/tools/dist.sh $(BUILD)

#: deb - Debian packages of the last commit, in $(BUILD)/deb
.PHONY: deb
deb:
	@sh fixtures/packaging/deb.sh $(abspath $(BUILD))/deb

#: image - an OCI image layout of relay and tools, in $(BUILD)/image/oci
.PHONY: image
image: all
	@BUILD=$(BUILD) sh fixtures/packaging/image.sh $(abspath $(BUILD))/image

#: clean - remove all builds
.PHONY: clean
clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz \
	    $(BUILD)-fuzzcov

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
# trial.c judges in a unit program: tools do without check
TRIAL_O = $(call obj,tests/captures/trial.c)
$(CAPTURES_A): $(filter-out $(TRIAL_O),$(call obj,$(wildcard \
    tests/captures/*.c)))

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(UNIT_HELP) $(TRIAL_O) $(CAPTURES_A) \
    $(DECODE_A) $(PING_A) $(RELAY_A) $(REPLAY_A) $(NODE_A) \
    $(call obj,$(EMBED_SRC)) $(ENGINE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(WRAP) -o $@ $^ $(LIBS_TEST) \
	    $(LIBS_RELAY) $(LIBS_PING) $(LIBS_CMD) $(LIBS_LIB)

$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(CAPTURES_A) $(DECODE_A) \
    $(PING_A) $(REPLAY_A) $(ENGINE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_TOOL) \
	    $(LIBS_PING) $(LIBS_CMD) $(LIBS_LIB)

# ZeroMQ is only for a peer of the benchmarks.
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_LIB) -lm \
	    $(if $(findstring zmq,$@),-lzmq) $(if $(findstring late,$@),-lpcap)

#: test - all unit programs and bats files on $(BUILD) (TEST_ONLY: words)
.PHONY: test
test:
	@$(MAKE) -j$(JOBS) tested
	@BUILD=$(BUILD) sh tests/tools/run-tests.sh all

.PHONY: tested
tested: programs $(UNIT_BIN)

# A build with a sanitizer: $(call sanitized,NAME,FLAGS,TARGET)
SAN = -O1 -g -fno-omit-frame-pointer
sanitized = $(MAKE) -j$(JOBS) BUILD=$(BUILD)-$(1) CFLAGS='$(SAN) $(2)' $(3)
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN = -fsanitize=thread

#: test-asan - the same under AddressSanitizer and UndefinedBehaviorSanitizer
.PHONY: test-asan
test-asan:
	@$(call sanitized,asan,$(ASAN),test)

# liburcu is not instrumented, so what it does inside itself is left out; what
# it orders for us is told in cmd/engine/rcu.h.
#: test-tsan - the same under ThreadSanitizer
.PHONY: test-tsan
test-tsan:
	@$(call sanitized,tsan,$(TSAN),test)

# The builds that the gate tests. gcc's and clang's warnings are errors here.
units = $$(BUILD=$(BUILD) sh tests/tools/run-tests.sh units $(1))
.PHONY: check-builds
check-builds: lint-cc
	@$(MAKE) -j$(JOBS) WERROR=-Werror all $(TOOL_BIN)
	@$(call sanitized,asan,$(ASAN),programs $(call units,asan))
	@$(call sanitized,tsan,$(TSAN),programs $(call units,tsan))

.PHONY: programs
programs: $(PROGRAMS) $(TOOL_BIN)

# Each test once, where it finds most: tests/tools/tests.txt.
.PHONY: check-tests
check-tests:
	@BUILD=$(BUILD) sh tests/tools/run-tests.sh gate

#: check - everything: lint, fuzzers, each test where it finds most
.PHONY: check
check:
	@BUILD=$(BUILD) MAKE='$(MAKE)' sh tests/tools/check.sh

#: check-fresh - the README's commands on a bare Debian 12 of its own (as root)
.PHONY: check-fresh
check-fresh:
	@sh tests/tools/check-fresh.sh

#: check-packages - what deb and image make, in roots of their own (as root)
.PHONY: check-packages
check-packages:
	@sh tests/tools/check-packages.sh

#: soak-tests - all tests N times (5), the last ones on a busy machine
.PHONY: soak-tests
soak-tests: check-builds
	@BUILD=$(BUILD) N='$(or $(N),5)' sh tests/tools/soak-tests.sh

# Fuzzers: clang, every source instrumented, one program a parser. The gate
# runs what is committed and a fixed number of inputs more, the same each time;
# what it takes to find something new is `make fuzz`.
FUZZ_BUILD = $(BUILD)-fuzz
FUZZ_COV = $(BUILD)-fuzzcov
FUZZ_SECONDS ?= 3600
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_NAMES = $(if $(FUZZ_ONLY),$(FUZZ_ONLY),$(basename $(notdir $(FUZZ_SRC))))
# the depth of the stack differs with the addresses of a run
FUZZ_COUNT = -fsanitize=fuzzer-no-link -fno-sanitize-coverage=stack-depth
FUZZ_SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_RUN = BUILD=$(BUILD) FUZZ_BUILD=$(FUZZ_BUILD) JOBS=$(JOBS) \
    sh tests/fuzz/run.sh

.PHONY: fuzz-build
fuzz-build:
	@$(MAKE) -j$(JOBS) BUILD=$(FUZZ_BUILD) CC='$(FUZZ_CC)' \
	    WERROR=-Werror CFLAGS='-O1 -g $(FUZZ_COUNT) $(FUZZ_SAN)' \
	    objects $(addprefix $(FUZZ_BUILD)/fuzz/,$(FUZZ_NAMES))
FUZZ_CC ?= clang

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/fixed.o \
    $(DECODE_A) $(REPLAY_A) $(ENGINE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ \
	    -ljansson $(LIBS_CMD) $(LIBS_LIB)

#: test-fuzz - each fuzzer over its corpus and a fixed number of inputs
.PHONY: test-fuzz
test-fuzz: fuzz-build
	@$(FUZZ_RUN) gate $(FUZZ_NAMES)

#: fuzz - each fuzzer for an hour (FUZZ_SECONDS), two at a time
# The long run: two at a time, FUZZ_SECONDS each; FUZZ_ONLY='fuzz_link ...'
.PHONY: fuzz
fuzz: fuzz-build $(BUILD)/tools/seeds
	@$(FUZZ_RUN) long $(FUZZ_SECONDS) $(FUZZ_NAMES)

#: fuzz-corpus - keep what fuzz found, minimised, as the committed corpora
# What the long runs found worth keeping, as small as it gets, into the tree.
.PHONY: fuzz-corpus
fuzz-corpus: fuzz-build $(BUILD)/tools/seeds
	@$(FUZZ_RUN) keep $(FUZZ_NAMES)

#: fuzz-coverage - lines and regions that the corpora reach, by source file
# How much of each parser the committed corpora reach.
.PHONY: fuzz-coverage
fuzz-coverage:
	@$(MAKE) -j$(JOBS) BUILD=$(FUZZ_COV) CC='$(FUZZ_CC)' CFLAGS='-O1 -g \
	    $(FUZZ_COUNT) -fprofile-instr-generate \
	    -fcoverage-mapping' $(addprefix $(FUZZ_COV)/fuzz/,$(FUZZ_NAMES))
	@FUZZ_BUILD=$(FUZZ_COV) sh tests/fuzz/run.sh coverage $(FUZZ_NAMES)

# All of them in one program, each under its own name, for what they found.
FOUND_OBJ = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/found/%.o,$(FUZZ_SRC))
$(BUILD)/tests/found/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DLLVMFuzzerTestOneInput=$* $(ALL_CFLAGS) \
	    -MMD -MP -c -o $@ $<

$(BUILD)/unit/test_fuzz_found: $(BUILD)/tests/unit/test_fuzz_found.o \
    $(FOUND_OBJ) $(BUILD)/tests/fuzz/fixed.o $(DECODE_A) $(REPLAY_A) \
    $(ENGINE_A) $(SHARED_A) $(LIB_A)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS_TEST) \
	    $(LIBS_CMD) $(LIBS_LIB)
-include $(FOUND_OBJ:.o=.d)

#: bench - measure beside other programs (bench-decode, -relay, -ping, -replay)
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

# ---- lint -------------------------------------------------------------------

C_FILES = $(shell find proto cmd tests -name '*.[ch]')
SH_FILES = .ci/run $(wildcard tests/*/*.sh fixtures/*/*.sh) \
    $(filter-out %/control,$(wildcard fixtures/packaging/debian/tests/*))
BANNED = sprintf|vsprintf|strcpy|strcat|gets|atoi|atol|strtok

# Warnings are errors in gcc's build, which is the one that is tested, and in
# clang's, which is the fuzzers'.
#: lint - warnings, cppcheck, formats, manuals, proto/ without I/O, no circles
.PHONY: lint
lint: lint-cc lint-c lint-text lint-proto lint-abi lint-calls

.PHONY: lint-cc
lint-cc:
	@$(MAKE) -j$(JOBS) WERROR=-Werror objects
	@$(MAKE) fuzz-build

.PHONY: objects
objects: $(call obj,$(PROTO_SRC) $(SHARED_SRC) $(ENGINE_SRC) $(EMBED_SRC) $(DECODE_SRC) \
    $(PING_SRC) $(RELAY_SRC) $(REPLAY_SRC) $(NODE_SRC) $(COMPLETION_SRC) \
    $(UNIT_SRC) $(TOOL_SRC) $(wildcard tests/captures/*.c tests/fuzz/*.c))

.PHONY: lint-c
lint-c:
	@cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability -j $(JOBS) -I. \
	    --suppress=missingIncludeSystem proto cmd

.PHONY: lint-text
lint-text: $(COMPLETION_BASH) $(COMPLETION_ZSH)
	@clang-format --dry-run --Werror $(C_FILES)
	@shellcheck $(SH_FILES) $(wildcard tests/cli/*.ba*)
	@shellcheck -s bash $(COMPLETION_BASH)
	@for f in $(COMPLETION_ZSH); do zsh -n $$f || exit; done
	@mandoc -Tlint -W warning man/*.[135]
	@sh tests/tools/sentences.sh check
	@! grep -nE '\<($(BANNED))\(' $(filter proto/% cmd/%,$(C_FILES))

# proto/ is memory in, memory out: it may call these and nothing else.
.PHONY: lint-proto
lint-proto: $(LIB_A)
	@nm -u $< | awk '$$1 == "U" && $$2 !~ /^bnet_/ { print $$2 }' | \
	    LC_ALL=C sort -u | LC_ALL=C comm -13 proto/externals.ok - | \
	    (! grep .)

# Programs that were compiled against the last release run with this library.
.PHONY: lint-abi
lint-abi: $(LIB_A) $(LIB_SO)
	@sh tests/tools/abi.sh check $(LIB_SO)

#: abi - describe the binary interface of libbluenet, at a release
.PHONY: abi
abi: $(LIB_SO)
	@sh tests/tools/abi.sh write $(LIB_SO)

# No two files call each other; nothing is public that need not be.
.PHONY: lint-calls
lint-calls:
	@$(MAKE) -j$(JOBS) WERROR=-Werror objects
	@sh tests/tools/check-calls.sh $(BUILD)

#: format - clang-format all C files
.PHONY: format
format:
	clang-format -i $(C_FILES)

.PRECIOUS: $(BUILD)/%.o
.SECONDARY:
-include $(patsubst %.o,%.d,$(call obj,$(PROTO_SRC) $(SHARED_SRC) \
    $(ENGINE_SRC) $(EMBED_SRC) $(DECODE_SRC) $(PING_SRC) $(RELAY_SRC) \
    $(REPLAY_SRC) $(NODE_SRC) $(COMPLETION_SRC) \
    $(wildcard tests/unit/*.c tests/captures/*.c tests/bench/*.c) $(TOOL_SRC) $(wildcard tests/fuzz/*.c)))
