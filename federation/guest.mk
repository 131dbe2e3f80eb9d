# SPDX-License-Identifier: GPL-2.0-or-later
# Both ends of a burst job: rain-relay at home, rain-agent and its sandbox on
# the lender.

# liblocal: the client of the cluster's own gateway.
noinst_LTLIBRARIES += liblocal.la
liblocal_la_SOURCES = \
	federation/limits.h \
	federation/local_blob.c \
	federation/local_bundle.c \
	federation/local_bundle_get.c \
	federation/local_bundle.h \
	federation/local_digest.c \
	federation/local_http.c \
	federation/local_http.h \
	federation/local_transfer.h
liblocal_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) -pthread
liblocal_la_LIBADD = libbundle.la libcommon.la $(CURL_LIBS) $(JANSSON_LIBS) -lpthread

rain_PROGRAMS += rain-sandbox
rain_sandbox_SOURCES = \
	federation/environment.c \
	federation/environment.h \
	federation/sandbox.c \
	federation/sandbox.h \
	federation/sandbox_argv.c \
	federation/sandbox_filter.c \
	federation/sandbox_filter.h \
	federation/sandbox_inside.c \
	federation/sandbox_sockets.c
rain_sandbox_LDADD = libcommon.la

rain_PROGRAMS += rain-relay
rain_relay_SOURCES = \
	federation/environment.c \
	federation/environment.h \
	federation/relay.c \
	federation/relay.h \
	federation/relay_cache.c \
	federation/relay_direct.c \
	federation/relay_inputs.c \
	federation/relay_outputs.c \
	federation/relay_signals.c \
	federation/relay_stream.c
rain_relay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) -pthread
rain_relay_LDADD = liblocal.la libbundle.la libfederation.la libcommon.la $(JANSSON_LIBS) -lpthread

rain_PROGRAMS += rain-agent
rain_agent_SOURCES = \
	federation/agent.c \
	federation/agent.h \
	federation/agent_cache.c \
	federation/agent_input.c \
	federation/agent_manifest.c \
	federation/agent_run.c \
	federation/agent_signals.c \
	federation/agent_stage.c \
	federation/agent_stream.c \
	federation/environment.c \
	federation/environment.h \
	federation/guest_cache.c \
	federation/guest_cache.h \
	federation/sandbox.h \
	federation/slurm_command.c \
	federation/slurm_command.h
rain_agent_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) -pthread
rain_agent_LDADD = liblocal.la libbundle.la libcommon.la $(JANSSON_LIBS) -lpthread

# Files of jobs that run at home.
rain_PROGRAMS += rain-stage
rain_stage_SOURCES = \
	federation/slurm_command.c \
	federation/slurm_command.h \
	federation/stage.c \
	federation/stage.h \
	federation/stage_head.c \
	federation/stage_in.c \
	federation/stage_look.c \
	federation/stage_script.c \
	federation/stage_slurm.c \
	federation/stage_stream.c \
	federation/stage_wire.c
rain_stage_CFLAGS = $(AM_CFLAGS) -pthread
rain_stage_LDADD = libbundle.la libfederation.la libcommon.la $(SLURM_LIBS) -lpthread

rain_PROGRAMS += rain-guest-guard
rain_guest_guard_SOURCES = \
	federation/guest_cache.c \
	federation/guest_cache.h \
	federation/guest_guard.c \
	federation/guest_guard.h \
	federation/guest_guard_cache.c \
	federation/guest_guard_cache.h \
	federation/guest_guard_cache_mount.c \
	federation/guest_guard_cache_show.c \
	federation/guest_guard_cache_trim.c \
	federation/guest_guard_keeper.c \
	federation/guest_guard_kill.c \
	federation/guest_guard_room.c \
	federation/guest_guard_rules.c \
	federation/guest_guard_slurm.c \
	federation/guest_guard_state.c \
	federation/sandbox.h
rain_guest_guard_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_guest_guard_LDADD = libbundle.la libhostlist.la libcommon.la $(JANSSON_LIBS) $(SLURM_LIBS)

check_PROGRAMS += federation/test/test_guest
federation_test_test_guest_SOURCES = \
	federation/agent_manifest.c \
	federation/environment.c \
	federation/guest_cache.c \
	federation/guest_guard_rules.c \
	federation/sandbox_argv.c \
	federation/test/test_guest.c
federation_test_test_guest_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
federation_test_test_guest_LDADD = liblocal.la libbundle.la $(test_libs)

check_PROGRAMS += federation/test/test_relay
federation_test_test_relay_SOURCES = \
	federation/agent_manifest.c \
	federation/test/fake_gateway.c \
	federation/test/fake_gateway.h \
	federation/test/test_relay.c
federation_test_test_relay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) -pthread
federation_test_test_relay_LDADD = liblocal.la libbundle.la $(test_libs) $(MICROHTTPD_LIBS) -lpthread
# It starts the program itself.
federation_test_test_relay_DEPENDENCIES = rain-relay liblocal.la libbundle.la libcommon.la

check_PROGRAMS += federation/test/test_stage
federation_test_test_stage_SOURCES = \
	federation/stage_look.c \
	federation/stage_stream.c \
	federation/stage_wire.c \
	federation/test/test_stage.c
federation_test_test_stage_CFLAGS = $(AM_CFLAGS) -pthread
federation_test_test_stage_LDADD = libbundle.la libfederation.la $(test_libs) -lpthread
