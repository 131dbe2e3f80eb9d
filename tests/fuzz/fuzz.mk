# SPDX-License-Identifier: GPL-2.0-or-later
# Every parser of foreign bytes has a target, tests/fuzz/fuzz_NAME.c, and a corpus,
# tests/fuzz/corpus/NAME/.
#
# `make check` runs each over its corpus and FUZZ_MUTANTS of each file, always the
# same ones (with ./configure --enable-sanitizer under the sanitizers).
# `make fuzz` runs each under libFuzzer (clang) for FUZZ_SECONDS.  A finding ends it
# and is kept in fuzz/NAME/; add it to the corpus with the fix.
#
#   body         HTTP bodies: manifests, an agent's report, joins, lists of outputs
#   bundle       archives of files           card         peers' cards
#   envelope     batches of messages         guest        what an agent gets to run
#   hpl          HPL's output                invitation   invitation lines
#   message      bodies of messages          options      --burst, --stage-in, …; job tags
#   panel        what a panel is told        path         paths, ranges and numbers of HTTP
#   receipt      signed receipts             segment      the spool of ended jobs
#   swf          workload files
#
# A new target: these two, its NAME in fuzz_targets and fuzz_replays, the line for its
# libraries, and below the pure sources that it needs.
FUZZ_SECONDS = 30
FUZZ_MUTANTS = 200
FUZZ_CC = clang
fuzz_targets = body bundle card envelope guest hpl invitation message options panel path receipt \
	segment swf

# --- in `make check` ---
fuzz_replays = tests/fuzz/replay_body tests/fuzz/replay_bundle tests/fuzz/replay_card \
	tests/fuzz/replay_envelope tests/fuzz/replay_guest tests/fuzz/replay_hpl \
	tests/fuzz/replay_invitation tests/fuzz/replay_message tests/fuzz/replay_options \
	tests/fuzz/replay_panel tests/fuzz/replay_path tests/fuzz/replay_receipt \
	tests/fuzz/replay_segment tests/fuzz/replay_swf
EXTRA_PROGRAMS += $(fuzz_replays)
tests_fuzz_replay_body_SOURCES = tests/fuzz/fuzz_body.c tests/fuzz/replay.c
tests_fuzz_replay_body_LDADD = libburst.la libpeer.la $(test_libs) $(SODIUM_LIBS)
tests_fuzz_replay_bundle_SOURCES = tests/fuzz/fuzz_bundle.c tests/fuzz/replay.c
tests_fuzz_replay_bundle_LDADD = libbundle.la $(test_libs)
tests_fuzz_replay_card_SOURCES = tests/fuzz/fuzz_card.c tests/fuzz/replay.c
tests_fuzz_replay_card_LDADD = libpeer.la $(test_libs)
tests_fuzz_replay_envelope_SOURCES = tests/fuzz/fuzz_envelope.c tests/fuzz/replay.c
tests_fuzz_replay_envelope_LDADD = libpeer.la $(test_libs)
tests_fuzz_replay_guest_SOURCES = tests/fuzz/fuzz_guest.c tests/fuzz/replay.c \
	federation/agent_manifest.c federation/environment.c
tests_fuzz_replay_guest_LDADD = liblocal.la libbundle.la $(test_libs)
tests_fuzz_replay_hpl_SOURCES = tests/fuzz/fuzz_hpl.c tests/fuzz/replay.c
tests_fuzz_replay_hpl_LDADD = libscheduler.la $(test_libs) -lm
tests_fuzz_replay_invitation_SOURCES = tests/fuzz/fuzz_invitation.c tests/fuzz/replay.c
tests_fuzz_replay_invitation_LDADD = libpeer.la $(test_libs)
tests_fuzz_replay_message_SOURCES = tests/fuzz/fuzz_message.c tests/fuzz/replay.c
tests_fuzz_replay_message_LDADD = libburst.la libpeer.la $(test_libs) $(SODIUM_LIBS)
tests_fuzz_replay_options_SOURCES = tests/fuzz/fuzz_options.c tests/fuzz/replay.c
tests_fuzz_replay_options_LDADD = libfederation.la libbundle.la $(test_libs)
tests_fuzz_replay_panel_SOURCES = tests/fuzz/fuzz_panel.c tests/fuzz/replay.c
tests_fuzz_replay_panel_LDADD = libpanel.la $(test_libs)
tests_fuzz_replay_path_SOURCES = tests/fuzz/fuzz_path.c tests/fuzz/replay.c
tests_fuzz_replay_path_LDADD = libpeer.la $(test_libs)
tests_fuzz_replay_receipt_SOURCES = tests/fuzz/fuzz_receipt.c tests/fuzz/replay.c
tests_fuzz_replay_receipt_LDADD = libburst.la libpeer.la $(test_libs) $(SODIUM_LIBS)
tests_fuzz_replay_segment_SOURCES = tests/fuzz/fuzz_segment.c tests/fuzz/replay.c
tests_fuzz_replay_segment_LDADD = libaccounting.la $(test_libs)
tests_fuzz_replay_swf_SOURCES = tests/fuzz/fuzz_swf.c tests/fuzz/replay.c scheduler/trace.c
tests_fuzz_replay_swf_LDADD = libscheduler.la $(test_libs) $(ARCHIVE_LIBS) -lm

fuzz-replay: $(fuzz_replays)
	for target in $(fuzz_targets); do \
		tests/fuzz/replay_$$target $(srcdir)/tests/fuzz/corpus/$$target $(FUZZ_MUTANTS) \
			>/dev/null || { echo "fuzz target $$target failed" >&2; exit 1; }; \
	done
.PHONY: fuzz-replay
check-local: fuzz-replay

# --- `make fuzz` ---
fuzz_sources = $(filter %.c,$(libcommon_la_SOURCES)) accounting/segment.c federation/agent_manifest.c \
	federation/bundle_match.c federation/bundle_unpack.c federation/card.c federation/digest.c \
	federation/environment.c federation/envelope.c federation/exit_report.c \
	federation/http_route.c federation/identity.c federation/invitation.c \
	federation/local_digest.c federation/manifest.c federation/message.c federation/options.c \
	federation/options_tag.c federation/receipt.c federation/tree.c panel/codebook.c panel/notice.c \
	panel/notice_decode.c panel/pattern.c panel/request.c scheduler/hpl.c scheduler/trace.c
fuzz_objects = $(fuzz_sources:%.c=fuzz/%.o)
fuzz_flags = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	$(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) $(CONFUSE_CFLAGS) \
	$(GNUTLS_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
fuzz_libs = $(ARCHIVE_LIBS) $(CONFUSE_LIBS) $(GNUTLS_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) \
	$(MUNGE_LIBS) -lm

.PHONY: fuzz
.SECONDARY: $(fuzz_targets:%=fuzz/fuzz_%) $(fuzz_objects) $(fuzz_targets:%=fuzz/tests/fuzz/fuzz_%.o)
fuzz: $(fuzz_targets:%=fuzz/run-%)

fuzz/run-%: fuzz/fuzz_%
	@mkdir -p fuzz/$*
	cd fuzz/$* && ../fuzz_$* -timeout=10 -max_len=4096 -verbosity=0 \
		-max_total_time=$(FUZZ_SECONDS) . $(abs_top_srcdir)/tests/fuzz/corpus/$*

fuzz/%.o: $(top_srcdir)/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(fuzz_flags) -c -o $@ $<

fuzz/fuzz_%: fuzz/tests/fuzz/fuzz_%.o $(fuzz_objects)
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(fuzz_libs)

EXTRA_DIST += $(fuzz_targets:%=tests/fuzz/fuzz_%.c) tests/fuzz/replay.c tests/fuzz/corpus
CLEANFILES += $(fuzz_replays)
clean-local: fuzz-clean
fuzz-clean:
	rm -rf fuzz
