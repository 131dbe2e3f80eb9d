# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LTLIBRARIES += libpanel.la libpanelnotice.la

# The datagram's writing half alone, for the SPANK plugin: libc only.
libpanelnotice_la_SOURCES = panel/notice.c panel/notice.h

# Pure: bytes, numbers and times go in; state, frames and text come out.
libpanel_la_SOURCES = \
	panel/frame.c panel/frame.h \
	panel/frame_json.c panel/frame_json.h \
	panel/notice_decode.c \
	panel/pattern.c panel/pattern.h \
	panel/presence.c panel/presence.h \
	panel/state.c panel/state.h
libpanel_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libpanel_la_LIBADD = libpanelnotice.la

sbin_PROGRAMS += rain-paneld
rain_paneld_SOURCES = \
	panel/address.c panel/address.h \
	panel/child.c panel/child.h \
	panel/device.c panel/device.h \
	panel/driver.c panel/driver.h panel/driver_sim.c \
	panel/head.c panel/head.h \
	panel/heal.c panel/heal.h \
	panel/listen.c panel/listen.h \
	panel/paneld.c panel/paneld.h panel/paneld_notice.c \
	panel/rain-paneld.c \
	panel/sense.c panel/sense.h \
	panel/server.c panel/server.h \
	panel/trim.c panel/trim.h
rain_paneld_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_paneld_LDADD = libpanel.la libcommon.la $(JANSSON_LIBS)

rain_PROGRAMS += rain-panel-jobs
rain_panel_jobs_SOURCES = panel/rain-panel-jobs.c
rain_panel_jobs_LDADD = libhostlist.la libcommon.la $(SLURM_LIBS)
