/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/survey.h"

#include <stdio.h>

#include "common/json.h"

#define KHZ_MAX INT64_C(100000000)
#define MFLOPS_MAX INT64_C(1000000000)

static json_t *known(int64_t value)
{
	return value == RAIN_SURVEY_UNKNOWN ? json_null() : json_integer(value);
}

json_t *rain_survey_encode(const struct rain_survey *survey)
{
	json_t *kinds = json_array();

	for (size_t i = 0; i < survey->kind_count; i++) {
		const struct rain_survey_kind *kind = &survey->kinds[i];

		json_array_append_new(kinds, json_pack("{s:I s:I s:I s:I}", "cores", (json_int_t)kind->cores,
						       "clock_khz", (json_int_t)kind->clock_khz, "stated_khz",
						       (json_int_t)kind->stated_khz, "dgemm_mflops",
						       (json_int_t)kind->dgemm_mflops));
	}
	return json_pack("{s:s s:s s:s s:I s:I s:I s:I s:I s:I s:I s:I s:I s:o s:o s:o s:I s:I s:I s:o}",
			 "node", survey->node, "arch", survey->arch, "model", survey->model, "packages",
			 (json_int_t)survey->packages, "cores", (json_int_t)survey->cores, "threads",
			 (json_int_t)survey->threads, "l1_kb", (json_int_t)survey->l1_kb, "l2_kb",
			 (json_int_t)survey->l2_kb, "l3_kb", (json_int_t)survey->l3_kb, "mem_mb",
			 (json_int_t)survey->mem_mb, "clock_begin_khz", (json_int_t)survey->clock_begin_khz,
			 "clock_end_khz", (json_int_t)survey->clock_end_khz, "temp_mc",
			 known(survey->temp_mc), "temp_limit_mc", known(survey->temp_limit_mc), "throttled",
			 known(survey->throttled), "busy_percent", (json_int_t)survey->busy_percent,
			 "flops_per_cycle", (json_int_t)survey->flops_per_cycle, "slurm_cpus",
			 (json_int_t)survey->slurm_cpus, "kinds", kinds);
}

static int kinds_decode(const json_t *object, struct rain_survey *survey, struct rain_error *err)
{
	json_t *kinds, *item;
	size_t i;

	if (rain_json_array(object, "kinds", RAIN_SURVEY_KINDS, &kinds, err) < 0)
		return -1;
	json_array_foreach(kinds, i, item) {
		struct rain_survey_kind *kind = &survey->kinds[i];

		if (rain_json_int(item, "cores", 0, 65536, &kind->cores, err) < 0 ||
		    rain_json_int(item, "clock_khz", 0, KHZ_MAX, &kind->clock_khz, err) < 0 ||
		    rain_json_int(item, "stated_khz", 0, KHZ_MAX, &kind->stated_khz, err) < 0 ||
		    rain_json_int(item, "dgemm_mflops", 0, MFLOPS_MAX, &kind->dgemm_mflops, err) < 0)
			return -1;
	}
	survey->kind_count = json_array_size(kinds);
	return survey->kind_count > 0 ? 0 : rain_error_set(err, "\"kinds\" is empty");
}

int rain_survey_decode(const json_t *object, struct rain_survey *survey, struct rain_error *err)
{
	const char *node, *arch, *model;
	const int64_t unknown = RAIN_SURVEY_UNKNOWN;

	*survey = (struct rain_survey){.node = ""};
	if (rain_json_string(object, "node", sizeof survey->node - 1, &node, err) < 0 ||
	    rain_json_string(object, "arch", sizeof survey->arch - 1, &arch, err) < 0 ||
	    rain_json_string(object, "model", sizeof survey->model - 1, &model, err) < 0 ||
	    rain_json_int(object, "packages", 1, 1024, &survey->packages, err) < 0 ||
	    rain_json_int(object, "cores", 1, 65536, &survey->cores, err) < 0 ||
	    rain_json_int(object, "threads", 1, 65536, &survey->threads, err) < 0 ||
	    rain_json_int(object, "l1_kb", 0, INT32_MAX, &survey->l1_kb, err) < 0 ||
	    rain_json_int(object, "l2_kb", 0, INT32_MAX, &survey->l2_kb, err) < 0 ||
	    rain_json_int(object, "l3_kb", 0, INT32_MAX, &survey->l3_kb, err) < 0 ||
	    rain_json_int(object, "mem_mb", 1, INT64_C(1) << 40, &survey->mem_mb, err) < 0 ||
	    rain_json_int(object, "clock_begin_khz", 0, KHZ_MAX, &survey->clock_begin_khz, err) < 0 ||
	    rain_json_int(object, "clock_end_khz", 0, KHZ_MAX, &survey->clock_end_khz, err) < 0 ||
	    rain_json_int_or(object, "temp_mc", 0, 1000000, unknown, &survey->temp_mc, err) < 0 ||
	    rain_json_int_or(object, "temp_limit_mc", 0, 1000000, unknown, &survey->temp_limit_mc, err) < 0 ||
	    rain_json_int_or(object, "throttled", INT32_MIN, INT32_MAX, unknown, &survey->throttled, err) < 0 ||
	    rain_json_int(object, "busy_percent", 0, 100, &survey->busy_percent, err) < 0 ||
	    rain_json_int(object, "flops_per_cycle", 0, 4096, &survey->flops_per_cycle, err) < 0 ||
	    rain_json_int(object, "slurm_cpus", 0, 65536, &survey->slurm_cpus, err) < 0 ||
	    kinds_decode(object, survey, err) < 0)
		return -1;
	snprintf(survey->node, sizeof survey->node, "%s", node);
	snprintf(survey->arch, sizeof survey->arch, "%s", arch);
	snprintf(survey->model, sizeof survey->model, "%s", model);
	return 0;
}
