# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LTLIBRARIES += libpanel.la libpanelnotice.la

# The datagram's writing half alone, for the SPANK plugin: libc only.
libpanelnotice_la_SOURCES = panel/notice.c panel/notice.h

# Pure: bytes, numbers and times go in; state, frames and text come out.
libpanel_la_SOURCES = \
	panel/caller_parse.c panel/caller.h \
	panel/codebook.c panel/codebook.h \
	panel/frame.c panel/frame.h \
	panel/frame_json.c panel/frame_json.h \
	panel/heat.c panel/heat.h \
	panel/notice_decode.c \
	panel/pattern.c panel/pattern.h \
	panel/presence.c panel/presence.h \
	panel/request.c panel/request.h \
	panel/state.c panel/state.h \
	panel/view.c panel/view.h panel/view_read.c
libpanel_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libpanel_la_LIBADD = libpanelnotice.la

sbin_PROGRAMS += rain-paneld
rain_paneld_SOURCES = \
	panel/address.c panel/address.h \
	panel/asker.c panel/asker.h \
	panel/caller.c panel/caller.h \
	panel/child.c panel/child.h \
	panel/device.c panel/device.h \
	panel/driver.c panel/driver.h panel/driver_leds.c \
	panel/driver_mcp23017.c panel/driver_sim.c \
	panel/head.c panel/head.h \
	panel/heal.c panel/heal.h \
	panel/keeper.c panel/keeper.h \
	panel/listen.c panel/listen.h \
	panel/paneld.c panel/paneld.h panel/paneld_notice.c \
	panel/paneld_user.c \
	panel/rain-paneld.c \
	panel/record.c panel/record.h \
	panel/sense.c panel/sense.h \
	panel/server.c panel/server.h \
	panel/trim.c panel/trim.h
rain_paneld_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_paneld_LDADD = libpanel.la libcommon.la $(JANSSON_LIBS)

rain_PROGRAMS += rain-panel-jobs
rain_panel_jobs_SOURCES = panel/rain-panel-jobs.c
rain_panel_jobs_LDADD = libhostlist.la libcommon.la $(SLURM_LIBS)

# `rain led`, for jobs' programs: libc and the little that commands share.
rain_PROGRAMS += rain-led
rain_led_SOURCES = panel/rain-led.c panel/request.h
rain_led_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_led_LDADD = libpanel.la libcommon.la $(JANSSON_LIBS)

rain_PROGRAMS += rain-panel
rain_panel_SOURCES = \
	panel/ask.c panel/ask.h \
	panel/rain-panel.c \
	panel/screen.c panel/screen.h
rain_panel_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_panel_LDADD = libpanel.la libhostlist.la libcommon.la $(JANSSON_LIBS)

# The web page.
sbin_PROGRAMS += rain-panelweb
rain_panelweb_SOURCES = \
	panel/address.c panel/address.h \
	panel/ask.c panel/ask.h \
	panel/child.c panel/child.h \
	panel/entitled.c panel/entitled.h \
	panel/rain-panelweb.c \
	panel/web.c panel/web.h
rain_panelweb_CPPFLAGS = $(AM_CPPFLAGS) -DRAIN_WEBDIR='"$(webdir)"'
rain_panelweb_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS)
rain_panelweb_LDADD = libpanel.la libhostlist.la libcommon.la $(JANSSON_LIBS) $(MICROHTTPD_LIBS)
webdir = $(datadir)/rain/web
dist_web_DATA = panel/web/panel.html

rain_PROGRAMS += rain-panelweb-data
rain_panelweb_data_SOURCES = \
	panel/ask.c panel/ask.h \
	panel/past.c panel/past.h \
	panel/rain-panelweb-data.c
rain_panelweb_data_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_panelweb_data_LDADD = libpanel.la libhostlist.la libcommon.la $(JANSSON_LIBS) $(SLURM_LIBS)

check_PROGRAMS += panel/test/test_pattern panel/test/test_panel_state panel/test/test_frame \
	panel/test/test_notice panel/test/test_presence panel/test/test_codebook
panel_test_test_codebook_SOURCES = panel/test/test_codebook.c
panel_test_test_codebook_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
panel_test_test_codebook_LDADD = libpanel.la $(test_libs)
panel_test_test_pattern_SOURCES = panel/test/test_pattern.c
panel_test_test_pattern_LDADD = libpanel.la $(test_libs)
panel_test_test_panel_state_SOURCES = panel/test/test_panel_state.c
panel_test_test_panel_state_LDADD = libpanel.la $(test_libs)
panel_test_test_frame_SOURCES = panel/test/test_frame.c
panel_test_test_frame_LDADD = libpanel.la $(test_libs)
panel_test_test_notice_SOURCES = panel/test/test_notice.c
panel_test_test_notice_LDADD = libpanel.la $(test_libs)
panel_test_test_presence_SOURCES = panel/test/test_presence.c
panel_test_test_presence_LDADD = libpanel.la $(test_libs)

check_PROGRAMS += panel/test/test_view panel/test/test_paneld panel/test/test_keeper
panel_test_test_view_SOURCES = panel/test/test_view.c
panel_test_test_view_LDADD = libpanel.la $(test_libs)
panel_test_test_paneld_SOURCES = panel/test/test_paneld.c \
	panel/test/paneld_fixture.c panel/test/paneld_fixture.h
panel_test_test_paneld_LDADD = libpanel.la $(test_libs)
panel_test_test_keeper_SOURCES = panel/test/test_keeper.c \
	panel/test/paneld_fixture.c panel/test/paneld_fixture.h
panel_test_test_keeper_LDADD = libpanel.la $(test_libs)

# The expander on a real I2C bus and LEDs of the real LED class, in a small machine of its own.
if HAVE_CMOCKA
noinst_PROGRAMS += panel/test/i2c_scenario panel/test/leds_scenario
endif
panel_test_i2c_scenario_SOURCES = panel/test/i2c_scenario.c panel/test/bus_tap.c \
	panel/test/bus_tap.h panel/test/paneld_fixture.c panel/test/paneld_fixture.h
panel_test_i2c_scenario_LDADD = libpanel.la $(test_libs)
panel_test_leds_scenario_SOURCES = panel/test/leds_scenario.c \
	panel/test/paneld_fixture.c panel/test/paneld_fixture.h
panel_test_leds_scenario_LDADD = libpanel.la $(test_libs)
dist_check_SCRIPTS += panel/test/test_kernel.sh

check_PROGRAMS += panel/test/test_device panel/test/test_leds
panel_test_test_device_SOURCES = panel/test/test_device.c panel/device.c panel/device.h
panel_test_test_device_CFLAGS = $(AM_CFLAGS)
panel_test_test_device_LDADD = $(test_libs)
panel_test_test_leds_SOURCES = panel/test/test_leds.c panel/driver_leds.c panel/driver.h
panel_test_test_leds_CFLAGS = $(AM_CFLAGS) -DRAIN_PANEL_LEDS_ROOT='"leds-of-the-test"'
panel_test_test_leds_LDADD = libpanel.la $(test_libs)

check_PROGRAMS += panel/test/test_record
panel_test_test_record_SOURCES = panel/test/test_record.c panel/record.c panel/record.h
panel_test_test_record_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
panel_test_test_record_LDADD = libpanel.la $(test_libs)

check_PROGRAMS += panel/test/test_caller
panel_test_test_caller_SOURCES = panel/test/test_caller.c panel/sense.c panel/sense.h
panel_test_test_caller_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
panel_test_test_caller_LDADD = libpanel.la $(test_libs)

check_PROGRAMS += panel/test/test_golden
panel_test_test_golden_SOURCES = panel/test/test_golden.c
panel_test_test_golden_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
panel_test_test_golden_LDADD = libpanel.la $(test_libs)

# What the lights cost, by the clock: never part of the tests.
EXTRA_PROGRAMS += panel/test/bench_panel
CLEANFILES += panel/test/bench_panel
panel_test_bench_panel_SOURCES = panel/test/bench_panel.c panel/test/paneld_fixture.c \
	panel/test/paneld_fixture.h plugins/spank_notice.c plugins/spank_settings.c
panel_test_bench_panel_CPPFLAGS = $(AM_CPPFLAGS) -DRAIN_PANEL_SOCKET='"panel.sock"'
panel_test_bench_panel_LDADD = libpanel.la $(test_libs)
EXTRA_DIST += panel/test/bench_live.sh
bench-panel: panel/test/bench_panel rain-paneld
	panel/test/bench_panel
	$(srcdir)/panel/test/bench_live.sh
.PHONY: bench-panel
