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

plugins_LTLIBRARIES += spank_rain.la
spank_rain_la_SOURCES = $(plugins_common) \
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
	plugins/spank_task.c \
	plugins/spank_task.h
spank_rain_la_CFLAGS = $(plugins_cflags)
spank_rain_la_LDFLAGS = $(plugins_ldflags)
