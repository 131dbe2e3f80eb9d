# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LTLIBRARIES += libpanelnotice.la

# The datagram's writing half alone, for the SPANK plugin: libc only.
libpanelnotice_la_SOURCES = panel/notice.c panel/notice.h
