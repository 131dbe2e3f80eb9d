# SPDX-License-Identifier: GPL-2.0-or-later
# libscheduler: pure policy. Who links it links libcommon too.
noinst_LTLIBRARIES += libscheduler.la
libscheduler_la_SOURCES = \
	scheduler/cost.c scheduler/cost.h \
	scheduler/decide.c scheduler/decide.h

check_PROGRAMS += scheduler/test/test_cost
scheduler_test_test_cost_SOURCES = scheduler/test/test_cost.c
scheduler_test_test_cost_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_decide
scheduler_test_test_decide_SOURCES = scheduler/test/test_decide.c
scheduler_test_test_decide_LDADD = libscheduler.la $(test_libs)
