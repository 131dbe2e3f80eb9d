# SPDX-License-Identifier: GPL-2.0-or-later
# Plugins are compiled from just the sources they need, without the sanitizers
# (their runtime can't enter slurmd or srun), hidden but for what Slurm calls.
plugins_cflags = $(RAIN_WARNINGS) -fvisibility=hidden -fstack-protector-strong
plugins_ldflags = -module -avoid-version -shared -Wl,--as-needed -Wl,-z,relro,-z,now \
	-Wl,--version-script=$(top_srcdir)/plugins/plugins.map
EXTRA_DIST += plugins/plugins.map

plugins_common = \
	common/config.h \
	common/error.c \
	common/error.h \
	common/name.c \
	common/tokens.c \
	common/tokens.h \
	federation/options.c \
	federation/options.h \
	federation/options_tag.c \
	plugins/export.h

plugins_config_sources = \
	common/config.c common/config.h \
	common/config_bank.c common/config_bank.h \
	common/config_lend.c common/config_lend.h \
	common/config_panel.c common/config_panel.h \
	common/config_priority.c common/config_priority.h \
	common/hours.c common/hours.h

plugins_snapshot_sources = \
	accounting/snapshot.c accounting/snapshot.h \
	accounting/snapshot_copy.c accounting/snapshot_copy.h \
	accounting/snapshot_file.c accounting/snapshot_file.h \
	plugins/background.c plugins/background.h \
	plugins/snapshot_follower.c plugins/snapshot_follower.h

plugins_LTLIBRARIES += spank_rain.la
spank_rain_la_SOURCES = $(plugins_common) \
	common/clock.c \
	common/clock.h \
	common/process.c \
	common/process.h \
	federation/stage.h \
	panel/notice.c \
	panel/notice.h \
	plugins/guest_confine.c \
	plugins/guest_confine.h \
	plugins/guest_exec.c \
	plugins/guest_exec.h \
	plugins/spank_notice.c \
	plugins/spank_notice.h \
	plugins/spank_options.c \
	plugins/spank_options.h \
	plugins/spank_rain.c \
	plugins/spank_settings.c \
	plugins/spank_settings.h \
	plugins/spank_stage.c \
	plugins/spank_stage.h \
	plugins/spank_task.c \
	plugins/spank_task.h
spank_rain_la_CFLAGS = $(plugins_cflags)
spank_rain_la_LDFLAGS = $(plugins_ldflags)

# The plugins of slurmctld, against the source of the very Slurm that runs.
if HAVE_SLURM_SOURCE
controller_cppflags = $(AM_CPPFLAGS) -isystem $(SLURM_SOURCE)

plugins_LTLIBRARIES += job_submit_rain.la jobcomp_rain.la site_factor_rain.la cli_filter_rain.la
job_submit_rain_la_SOURCES = $(plugins_common) \
	$(plugins_snapshot_sources) \
	common/clock.c \
	common/clock.h \
	$(plugins_config_sources) \
	plugins/compat/controller.h \
	plugins/job_submit_rain.c \
	plugins/submit_config.c \
	plugins/submit_config.h \
	plugins/submit_rules.c \
	plugins/submit_rules.h
job_submit_rain_la_CPPFLAGS = $(controller_cppflags)
job_submit_rain_la_CFLAGS = $(plugins_cflags) $(CONFUSE_CFLAGS)
job_submit_rain_la_LDFLAGS = $(plugins_ldflags)
job_submit_rain_la_LIBADD = $(CONFUSE_LIBS)

site_factor_rain_la_SOURCES = \
	$(plugins_snapshot_sources) \
	common/clock.c \
	common/clock.h \
	$(plugins_config_sources) \
	common/error.c \
	common/error.h \
	common/name.c \
	common/tokens.c \
	common/tokens.h \
	plugins/compat/controller.h \
	plugins/compat/site_factor.c \
	plugins/compat/site_factor.h \
	plugins/export.h \
	plugins/site_factor_rain.c \
	plugins/turn_lookup.c \
	plugins/turn_lookup.h \
	scheduler/predict.c scheduler/predict.h \
	scheduler/predict_key.h \
	scheduler/turn.c \
	scheduler/turn.h
site_factor_rain_la_CPPFLAGS = $(controller_cppflags)
site_factor_rain_la_CFLAGS = $(plugins_cflags) $(CONFUSE_CFLAGS)
site_factor_rain_la_LDFLAGS = $(plugins_ldflags)
site_factor_rain_la_LIBADD = $(CONFUSE_LIBS)

# Runs inside sbatch, salloc and srun.
cli_filter_rain_la_SOURCES = \
	common/clock.c \
	common/clock.h \
	$(plugins_config_sources) \
	common/name.c \
	common/tokens.c \
	common/tokens.h \
	common/error.c \
	common/error.h \
	common/process.c \
	common/process.h \
	plugins/cli_filter_rain.c \
	plugins/cli_shape.c \
	plugins/cli_shape.h \
	plugins/compat/controller.h \
	plugins/export.h
cli_filter_rain_la_CPPFLAGS = $(controller_cppflags)
cli_filter_rain_la_CFLAGS = $(plugins_cflags) $(CONFUSE_CFLAGS) $(JANSSON_CFLAGS)
cli_filter_rain_la_LDFLAGS = $(plugins_ldflags)
cli_filter_rain_la_LIBADD = $(CONFUSE_LIBS) $(JANSSON_LIBS)

jobcomp_rain_la_SOURCES = \
	accounting/segment.c accounting/segment.h \
	accounting/spool_writer.c accounting/spool_writer.h \
	common/clock.c \
	common/clock.h \
	common/error.c \
	common/error.h \
	plugins/compat/controller.h \
	plugins/compat/jobcomp.c \
	plugins/compat/jobcomp.h \
	plugins/background.c plugins/background.h \
	plugins/export.h \
	plugins/jobcomp_rain.c \
	plugins/jobcomp_record.c \
	plugins/jobcomp_record.h \
	plugins/jobcomp_writer.c \
	plugins/jobcomp_writer.h
jobcomp_rain_la_CPPFLAGS = $(controller_cppflags)
jobcomp_rain_la_CFLAGS = $(plugins_cflags) $(JANSSON_CFLAGS) $(ZLIB_CFLAGS)
jobcomp_rain_la_LDFLAGS = $(plugins_ldflags)
jobcomp_rain_la_LIBADD = $(JANSSON_LIBS) $(ZLIB_LIBS)
endif

check_PROGRAMS += plugins/test/test_turn_lookup
plugins_test_test_turn_lookup_SOURCES = plugins/turn_lookup.c plugins/test/test_turn_lookup.c
plugins_test_test_turn_lookup_LDADD = libledger.la $(test_libs)

check_PROGRAMS += \
	plugins/test/test_guest_exec \
	plugins/test/test_jobcomp_writer \
	plugins/test/test_spank_settings \
	plugins/test/test_submit_rules
plugins_test_test_guest_exec_SOURCES = plugins/guest_confine.c plugins/guest_exec.c plugins/test/test_guest_exec.c
plugins_test_test_guest_exec_LDADD = $(test_libs)
plugins_test_test_jobcomp_writer_SOURCES = plugins/background.c plugins/jobcomp_record.c plugins/jobcomp_writer.c plugins/test/test_jobcomp_writer.c
plugins_test_test_jobcomp_writer_LDADD = libledger.la $(test_libs)
# Started by accounting/test/test_kill.sh, which kills it.
noinst_PROGRAMS += plugins/test/jobcomp_write
plugins_test_jobcomp_write_SOURCES = plugins/background.c plugins/jobcomp_record.c plugins/jobcomp_writer.c plugins/test/jobcomp_write.c
plugins_test_jobcomp_write_LDADD = libledger.la libcommon.la $(JANSSON_LIBS)
plugins_test_test_spank_settings_SOURCES = plugins/spank_settings.c plugins/test/test_spank_settings.c
plugins_test_test_spank_settings_LDADD = $(test_libs)
plugins_test_test_submit_rules_SOURCES = plugins/submit_rules.c plugins/test/test_submit_rules.c
plugins_test_test_submit_rules_LDADD = libfederation.la $(test_libs)

# What RAIN costs slurmctld, beside a bare one.
EXTRA_DIST += plugins/bench/submit.sh
if HAVE_SLURM_SOURCE
EXTRA_PROGRAMS += plugins/bench/bench_submit
EXTRA_LTLIBRARIES = plugins/bench/hook_clock.la
CLEANFILES += plugins/bench/bench_submit plugins/bench/hook_clock.la
plugins_bench_bench_submit_SOURCES = plugins/bench/bench_submit.c plugins/bench/hook_clock.h
plugins_bench_bench_submit_LDADD = libledger.la libscheduler.la libcommon.la $(SLURM_LIBS)
plugins_bench_hook_clock_la_SOURCES = plugins/bench/hook_clock.c plugins/bench/hook_clock.h
plugins_bench_hook_clock_la_CPPFLAGS = $(controller_cppflags)
plugins_bench_hook_clock_la_CFLAGS = $(RAIN_WARNINGS)
plugins_bench_hook_clock_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
bench_submit_parts = plugins/bench/bench_submit plugins/bench/hook_clock.la $(plugins_LTLIBRARIES)
endif
bench-submit: $(bench_submit_parts)
	@test -n "$(bench_submit_parts)" || { echo "bench-submit needs ./configure --with-slurm-source" >&2; exit 1; }
	sysconfdir=$(sysconfdir) slurm_plugins=$$(dirname "$$(find /usr/lib* -name auth_munge.so 2>/dev/null | head -n 1)") \
		bash $(srcdir)/plugins/bench/submit.sh
.PHONY: bench-submit
