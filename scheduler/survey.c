/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORES_MAX 4096

static int64_t cache_kb(hwloc_topology_t topology, hwloc_obj_type_t type)
{
	hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);

	return cache ? (int64_t)(cache->attr->cache.size / 1024) : 0;
}

/* Kinds of cores as hwloc ranks them; where it knows none, all are of one. */
static int kind_of(hwloc_topology_t topology, hwloc_obj_t core)
{
	int kinds = hwloc_cpukinds_get_nr(topology, 0), kind;

	if (kinds < 2)
		return 0;
	kind = hwloc_cpukinds_get_by_cpuset(topology, core->cpuset, 0);
	return kind < 0 ? 0 : kind < RAIN_SURVEY_KINDS ? kind : RAIN_SURVEY_KINDS - 1;
}

static struct rain_survey_worker *topology_read(hwloc_topology_t topology,
						struct rain_survey *survey)
{
	int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
	int packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
	struct rain_survey_worker *workers;

	if (cores < 1 || cores > CORES_MAX)
		return NULL;
	survey->packages = packages > 0 ? packages : 1;
	survey->cores = cores;
	survey->threads = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
	survey->mem_mb = (int64_t)(hwloc_get_root_obj(topology)->total_memory >> 20);
	survey->l1_kb = cache_kb(topology, HWLOC_OBJ_L1CACHE);
	survey->l2_kb = cache_kb(topology, HWLOC_OBJ_L2CACHE);
	survey->l3_kb = cache_kb(topology, HWLOC_OBJ_L3CACHE);
	survey->kind_count = 1;
	workers = calloc((size_t)cores, sizeof *workers);
	for (int i = 0; workers && i < cores; i++) {
		hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);

		workers[i].cpu = hwloc_bitmap_first(core->cpuset);
		workers[i].kind = kind_of(topology, core);
		if ((size_t)workers[i].kind >= survey->kind_count)
			survey->kind_count = (size_t)workers[i].kind + 1;
	}
	return workers;
}

/* Sums up the cores of each kind, and the whole. */
static void take_results(const struct rain_survey_worker workers[], struct rain_survey *survey)
{
	int64_t cpu_ns = 0, wall_ns = 0;

	for (int64_t i = 0; i < survey->cores; i++) {
		const struct rain_survey_worker *worker = &workers[i];
		struct rain_survey_kind *kind = &survey->kinds[worker->kind];
		int64_t stated = rain_survey_stated_khz(worker->cpu);

		kind->cores++;
		kind->clock_khz += worker->clock_end_khz;
		kind->dgemm_mflops += worker->mflops;
		if (stated > kind->stated_khz)
			kind->stated_khz = stated;
		cpu_ns += worker->cpu_ns;
		wall_ns += worker->wall_ns;
		survey->clock_begin_khz += worker->clock_begin_khz;
		survey->clock_end_khz += worker->clock_end_khz;
	}
	survey->clock_begin_khz /= survey->cores;
	survey->clock_end_khz /= survey->cores;
	survey->busy_percent = wall_ns > 0 ? (cpu_ns * 100 + wall_ns / 2) / wall_ns : 0;
	if (survey->busy_percent > 100)
		survey->busy_percent = 100;
	for (size_t i = 0; i < survey->kind_count; i++) {
		struct rain_survey_kind *kind = &survey->kinds[i];

		if (kind->cores > 0) {
			kind->clock_khz /= kind->cores;
			kind->dgemm_mflops /= kind->cores;
		}
	}
}

static void name_read(struct rain_survey *survey)
{
	const char *node = getenv("SLURMD_NODENAME"), *cpus = getenv("SLURM_CPUS_ON_NODE");

	if (node)
		snprintf(survey->node, sizeof survey->node, "%s", node);
	else if (gethostname(survey->node, sizeof survey->node - 1) < 0)
		strcpy(survey->node, "localhost");
	survey->slurm_cpus = cpus ? strtol(cpus, NULL, 10) : 0;
}

int rain_survey_run(int seconds, struct rain_survey *survey, struct rain_error *err)
{
	struct rain_survey_worker *workers = NULL;
	hwloc_topology_t topology;
	int64_t throttled;
	int rc = -1;

	*survey = (struct rain_survey){.throttled = RAIN_SURVEY_UNKNOWN};
	name_read(survey);
	rain_survey_identify(survey);
	if (hwloc_topology_init(&topology) < 0)
		return rain_error_set(err, "hwloc can't describe this machine");
	if (hwloc_topology_load(topology) == 0)
		workers = topology_read(topology, survey);
	hwloc_topology_destroy(topology);
	if (!workers)
		return rain_error_set(err, "hwloc finds no cores on this machine");
	throttled = rain_survey_throttle_count();
	if (rain_survey_load(workers, (int)survey->cores, seconds, err) == 0) {
		take_results(workers, survey);
		survey->temp_mc = rain_survey_temperature_mc(&survey->temp_limit_mc);
		if (throttled != RAIN_SURVEY_UNKNOWN)
			survey->throttled = rain_survey_throttle_count() - throttled;
		rc = 0;
	}
	free(workers);
	return rc;
}
