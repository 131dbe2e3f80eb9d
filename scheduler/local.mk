# SPDX-License-Identifier: GPL-2.0-or-later
# libscheduler: pure policy. Who links it links libcommon too.
noinst_LTLIBRARIES += libscheduler.la libsimulator.la
libscheduler_la_SOURCES = \
	scheduler/calibrate.c scheduler/calibrate.h \
	scheduler/cost.c scheduler/cost.h \
	scheduler/easy.c scheduler/easy.h \
	scheduler/eligible.c scheduler/eligible.h \
	scheduler/estimate.c scheduler/estimate.h \
	scheduler/hpl.c scheduler/hpl.h \
	scheduler/forecast.c scheduler/forecast.h \
	scheduler/overflow.c scheduler/overflow.h \
	scheduler/overflow_explain.c \
	scheduler/overhead.c scheduler/overhead.h \
	scheduler/predict.c scheduler/predict.h scheduler/predict_key.h \
	scheduler/turn.c scheduler/turn.h
libscheduler_la_LIBADD = -lm

# libsimulator: the same policy on made-up clusters; pure as well.
libsimulator_la_SOURCES = \
	scheduler/heap.c scheduler/heap.h \
	scheduler/metrics.c scheduler/metrics.h \
	scheduler/sim.c scheduler/sim.h scheduler/sim_internal.h \
	scheduler/sim_credit.c scheduler/sim_late.c \
	scheduler/sim_setup.c scheduler/sim_world.c \
	scheduler/workload.c scheduler/workload.h
libsimulator_la_LIBADD = libscheduler.la -lm

rain_PROGRAMS += rain-simulate
rain_simulate_SOURCES = scheduler/rain_simulate.c \
	scheduler/cluster_spec.c scheduler/cluster_spec.h \
	scheduler/plot.c scheduler/plot.h \
	scheduler/report.c scheduler/report.h \
	scheduler/trace.c scheduler/trace.h
rain_simulate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ARCHIVE_CFLAGS)
rain_simulate_LDADD = libsimulator.la libcommon.la $(ARCHIVE_LIBS) $(JANSSON_LIBS) -lm

rain_PROGRAMS += rain-calibrate
rain_calibrate_SOURCES = scheduler/rain_calibrate.c \
	scheduler/calibrate_job.c scheduler/calibrate_job.h \
	scheduler/calibrate_show.c scheduler/calibrate_show.h \
	scheduler/calibrate_task.c scheduler/survey.c scheduler/survey.h \
	scheduler/survey_json.c scheduler/survey_load.c scheduler/survey_sense.c
rain_calibrate_CFLAGS = $(AM_CFLAGS) $(HWLOC_CFLAGS) $(JANSSON_CFLAGS)
rain_calibrate_LDADD = libscheduler.la libhostlist.la libcommon.la $(BLAS_LIBS) $(HWLOC_LIBS) \
	$(JANSSON_LIBS) $(SLURM_LIBS) -lpthread

rain_PROGRAMS += rain-estimate
rain_estimate_SOURCES = scheduler/rain_estimate.c \
	scheduler/estimate_ask.c scheduler/estimate_ask.h \
	scheduler/estimate_show.c scheduler/estimate_slurm.c
rain_estimate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_estimate_LDADD = libscheduler.la libcommon.la $(JANSSON_LIBS) $(SLURM_LIBS)

check_PROGRAMS += scheduler/test/test_calibrate scheduler/test/test_hpl
scheduler_test_test_calibrate_SOURCES = scheduler/test/test_calibrate.c scheduler/survey_json.c
scheduler_test_test_calibrate_CFLAGS = $(AM_CFLAGS) $(HWLOC_CFLAGS)
scheduler_test_test_calibrate_LDADD = libscheduler.la $(test_libs)
check_PROGRAMS += scheduler/test/test_turn
scheduler_test_test_turn_SOURCES = scheduler/test/test_turn.c
scheduler_test_test_turn_LDADD = libscheduler.la $(test_libs)
check_PROGRAMS += scheduler/test/test_estimate
scheduler_test_test_estimate_SOURCES = scheduler/test/test_estimate.c
scheduler_test_test_estimate_LDADD = libscheduler.la $(test_libs)
scheduler_test_test_hpl_SOURCES = scheduler/test/test_hpl.c
scheduler_test_test_hpl_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_cost
scheduler_test_test_cost_SOURCES = scheduler/test/test_cost.c
scheduler_test_test_cost_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_easy
scheduler_test_test_easy_SOURCES = scheduler/test/test_easy.c
scheduler_test_test_easy_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_eligible
scheduler_test_test_eligible_SOURCES = scheduler/test/test_eligible.c
scheduler_test_test_eligible_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_sim
scheduler_test_test_sim_SOURCES = scheduler/test/test_sim.c
scheduler_test_test_sim_LDADD = libsimulator.la $(test_libs)

check_PROGRAMS += scheduler/test/test_overflow scheduler/test/test_predict \
	scheduler/test/test_forecast
scheduler_test_test_forecast_SOURCES = scheduler/test/test_forecast.c
scheduler_test_test_forecast_LDADD = libscheduler.la $(test_libs)
scheduler_test_test_overflow_SOURCES = scheduler/test/test_overflow.c
scheduler_test_test_overflow_LDADD = libscheduler.la $(test_libs)
scheduler_test_test_predict_SOURCES = scheduler/test/test_predict.c
scheduler_test_test_predict_LDADD = libscheduler.la $(test_libs)

check_PROGRAMS += scheduler/test/test_trace
scheduler_test_test_trace_SOURCES = scheduler/test/test_trace.c scheduler/trace.c scheduler/trace.h
scheduler_test_test_trace_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
scheduler_test_test_trace_LDADD = libscheduler.la $(test_libs) $(ARCHIVE_LIBS)
