# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += tests/lint tests/helper.bash tests/escape.c $(wildcard $(srcdir)/tests/*.bats) \
	tests/policy-alpha.swf tests/policy-bravo.swf

# rain-rpc: asks a daemon on its socket.
noinst_PROGRAMS += tests/rain-rpc
tests_rain_rpc_SOURCES = tests/rpc.c
tests_rain_rpc_LDADD = libcommon.la $(JANSSON_LIBS)

# What overflow costs; needs the trainer's clusters (trainer up).
EXTRA_DIST += tests/bench-burst
bench-burst:
	$(srcdir)/tests/bench-burst
.PHONY: bench-burst

# 500 overflow jobs at once between three clusters (trainer up --fresh --clusters alpha,bravo,charlie).
EXTRA_DIST += tests/bench-crowd
bench-crowd:
	$(srcdir)/tests/bench-crowd $(JOBS)
.PHONY: bench-crowd

include tests/fuzz/fuzz.mk

EXTRA_DIST += tests/browser.py tests/terminal.py

# How fast files reach a peer, beside a bare TLS stream: as root, on a trainer.
EXTRA_DIST += tests/bench-staging tests/hostile.py
bench-staging:
	$(srcdir)/tests/bench-staging $(RATES)
.PHONY: bench-staging
