# SPDX-License-Identifier: GPL-2.0-or-later
# `make fuzz`: every parser of foreign bytes under libFuzzer (clang), each for
# FUZZ_SECONDS, beginning with its corpus.  A finding ends it and is kept in
# fuzz/TARGET/; add it to tests/fuzz/corpus/TARGET with the fix.
#
# A new target: tests/fuzz/fuzz_NAME.c, tests/fuzz/corpus/NAME/, its NAME here,
# and the pure sources that it needs.
FUZZ_SECONDS = 30
FUZZ_CC = clang
fuzz_targets = card envelope hpl invitation message path receipt swf

fuzz_sources = common/config.c common/config_bank.c common/config_panel.c common/config_priority.c common/error.c common/file.c common/json.c \
	common/name.c common/tokens.c federation/card.c federation/envelope.c \
	federation/http_route.c federation/identity.c federation/invitation.c \
	federation/manifest.c federation/message.c federation/receipt.c scheduler/hpl.c scheduler/trace.c
fuzz_flags = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	$(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) $(CONFUSE_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)

.PHONY: fuzz
.SECONDARY: $(fuzz_targets:%=fuzz/fuzz_%)
fuzz: $(fuzz_targets:%=fuzz/run-%)

fuzz/run-%: fuzz/fuzz_%
	@mkdir -p fuzz/$*
	cd fuzz/$* && ../fuzz_$* -timeout=10 -max_len=4096 -verbosity=0 \
		-max_total_time=$(FUZZ_SECONDS) . $(abs_top_srcdir)/tests/fuzz/corpus/$*

fuzz/fuzz_%: $(top_srcdir)/tests/fuzz/fuzz_%.c $(addprefix $(top_srcdir)/,$(fuzz_sources))
	@mkdir -p fuzz
	$(FUZZ_CC) $(fuzz_flags) -o $@ $^ $(ARCHIVE_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm

EXTRA_DIST += $(fuzz_targets:%=tests/fuzz/fuzz_%.c) tests/fuzz/corpus
clean-local: fuzz-clean
fuzz-clean:
	rm -rf fuzz
