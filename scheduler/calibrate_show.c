/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/calibrate_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/hostlist.h"
#include "common/table.h"
#include "scheduler/survey.h"

int64_t rain_calibrate_core_mflops(const struct rain_calibration *calibration,
				   const struct rain_calibrate_type *type)
{
	int64_t cores = calibration->surveys[type->first].cores * (int64_t)type->measured_count;

	return type->has_hpl && cores > 0 ? type->hpl.mflops / cores : 0;
}

/* ------------------------------------------------------------------ as JSON */

static json_t *node_encode(const struct rain_calibration *calibration, size_t at)
{
	const struct rain_survey *survey = &calibration->surveys[at];
	char sentence[RAIN_CALIBRATE_SENTENCE];
	enum rain_calibrate_verdict verdict = rain_calibrate_judge(
		survey, rain_calibrate_typical(calibration->surveys, calibration->survey_count, at), sentence);
	json_t *object = rain_survey_encode(survey);

	json_object_set_new(object, "dgemm_mflops", json_integer(rain_calibrate_dgemm_mflops(survey)));
	json_object_set_new(object, "peak_mflops", json_integer(rain_calibrate_peak_mflops(survey)));
	json_object_set_new(object, "state", json_string(rain_calibrate_verdict_name(verdict)));
	json_object_set_new(object, "advice", json_string(sentence));
	return object;
}

static json_t *hpl_encode(const struct rain_calibration *calibration,
			  const struct rain_calibrate_type *type)
{
	const struct rain_hpl_result *hpl = &type->hpl;

	if (!type->has_hpl)
		return json_pack("{s:s}", "error", type->why_not);
	return json_pack("{s:s s:s s:I s:I s:I s:I s:f s:I s:I}", "program", calibration->program, "nodes",
			 type->measured, "order", (json_int_t)hpl->problem.order, "block",
			 (json_int_t)hpl->problem.block, "rows", (json_int_t)hpl->problem.rows, "columns",
			 (json_int_t)hpl->problem.columns, "seconds", hpl->seconds, "mflops",
			 (json_int_t)hpl->mflops, "peak_mflops",
			 (json_int_t)(rain_calibrate_peak_mflops(&calibration->surveys[type->first]) *
				      (int64_t)type->measured_count));
}

static json_t *type_encode(const struct rain_calibration *calibration,
			   const struct rain_calibrate_type *type)
{
	const struct rain_survey *survey = &calibration->surveys[type->first];
	int64_t core = rain_calibrate_core_mflops(calibration, type);
	char line[512];

	if (rain_calibrate_node_line(survey, type->nodes, line, sizeof line) < 0)
		snprintf(line, sizeof line, "# too many nodes of this kind for one line");
	return json_pack("{s:s s:s s:I s:I s:I s:s s:o}", "nodes", type->nodes, "model", survey->model,
			 "cores_per_node", (json_int_t)survey->cores, "mflops_per_core", (json_int_t)core,
			 "mflops_per_node", (json_int_t)(core * survey->cores), "slurm_line", line, "hpl",
			 hpl_encode(calibration, type));
}

json_t *rain_calibrate_encode(const struct rain_calibration *calibration, const char *date)
{
	json_t *nodes = json_array(), *types = json_array();

	for (size_t i = 0; i < calibration->survey_count; i++)
		json_array_append_new(nodes, node_encode(calibration, i));
	for (size_t i = 0; i < calibration->type_count; i++)
		json_array_append_new(types, type_encode(calibration, &calibration->types[i]));
	return json_pack("{s:s s:s s:o s:o}", "date", date, "method",
			 "DGEMM on all cores of each node; HPL across the nodes as a job of Slurm", "nodes",
			 nodes, "types", types);
}

/* --------------------------------------------------------------- for people */

static int64_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void percent(char *cell, size_t size, int64_t part, int64_t whole)
{
	if (whole > 0)
		snprintf(cell, size, "%.0f%%", 100.0 * (double)part / (double)whole);
	else
		snprintf(cell, size, "-");
}

static void print_nodes(const json_t *nodes)
{
	static const char *const headers[] = {"NODE", ">CORES", ">MEM-MB", ">CLOCK-MHZ", ">STATED",
					      ">DGEMM-GF", ">OF-PEAK", ">TEMP", "STATE", NULL};
	struct rain_table *table = rain_table_create(headers);
	const json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node) {
		const json_t *kind = json_array_get(json_object_get(node, "kinds"), 0);
		const json_t *temp = json_object_get(node, "temp_mc");
		char cores[24], memory[24], clock[24], stated[24] = "-", speed[24], share[24], heat[24] = "-";
		const char *const cells[] = {text(node, "node"), cores, memory, clock, stated, speed, share,
					     heat, text(node, "state")};

		snprintf(cores, sizeof cores, "%" PRId64, number(node, "cores"));
		snprintf(memory, sizeof memory, "%" PRId64, number(node, "mem_mb"));
		snprintf(clock, sizeof clock, "%" PRId64, number(node, "clock_end_khz") / 1000);
		if (number(kind, "stated_khz") > 0)
			snprintf(stated, sizeof stated, "%" PRId64, number(kind, "stated_khz") / 1000);
		snprintf(speed, sizeof speed, "%.2f", (double)number(node, "dgemm_mflops") / 1000);
		percent(share, sizeof share, number(node, "dgemm_mflops"), number(node, "peak_mflops"));
		if (json_is_integer(temp))
			snprintf(heat, sizeof heat, "%.0f", (double)json_integer_value(temp) / 1000);
		rain_table_add(table, cells);
	}
	rain_table_print(table, RAIN_TABLE_TEXT, stdout);
	rain_table_destroy(table);
	json_array_foreach(nodes, i, node)
		if (text(node, "advice")[0])
			printf("%s: %s.\n", text(node, "node"), text(node, "advice"));
}

/* What rain.conf states for the first of these nodes, against what was measured. */
static void compare_config(const struct rain_config *config, const char *nodes, int64_t measured)
{
	struct rain_error unused;
	char **hosts;

	if (!config || rain_hostlist_expand(nodes, RAIN_HOSTLIST_HOSTS_MAX, &hosts, NULL, &unused) < 0)
		return;
	for (size_t i = 0; hosts[0] && i < config->node_type_count; i++) {
		const struct rain_node_type *type = &config->node_types[i];

		if (!rain_hostlist_contains(type->nodes, hosts[0]))
			continue;
		if (type->mflops_per_core == 0)
			printf("# %s has no speed for them yet: nothing that runs there can be priced.\n",
			       config->path);
		else if (llabs(type->mflops_per_core - measured) > measured / 20)
			printf("# %s states %" PRId64 " MFLOP/s per core for node-type \"%s\".\n", config->path,
			       type->mflops_per_core, type->name);
		else
			printf("# %s agrees.\n", config->path);
	}
	rain_hostlist_free(hosts);
}

/* A speed that was measured under these conditions is one to be measured again. */
static bool is_doubtful(const json_t *nodes, const char *list)
{
	const json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
		if (strcmp(text(node, "state"), "sound") != 0 && strcmp(text(node, "state"), "count") != 0 &&
		    rain_hostlist_contains(list, text(node, "node")))
			return true;
	return false;
}

static void print_type(const json_t *object, const json_t *type, size_t at,
		       const struct rain_config *config)
{
	const json_t *hpl = json_object_get(type, "hpl");
	char share[24];

	printf("\n%s (%s), %" PRId64 " cores each\n", text(type, "nodes"), text(type, "model"),
	       number(type, "cores_per_node"));
	if (json_object_get(hpl, "error")) {
		printf("  HPL: %s\n", text(hpl, "error"));
	} else {
		percent(share, sizeof share, number(hpl, "mflops"), number(hpl, "peak_mflops"));
		printf("  HPL on %s: %.3f Gflop/s, %s of the peak at the clock measured (N %" PRId64
		       ", NB %" PRId64 ", %" PRId64 " x %" PRId64 ", %.1f s)\n",
		       text(hpl, "nodes"), (double)number(hpl, "mflops") / 1000, share, number(hpl, "order"),
		       number(hpl, "block"), number(hpl, "rows"), number(hpl, "columns"),
		       json_number_value(json_object_get(hpl, "seconds")));
	}
	printf("\n# slurm.conf\n%s\n", text(type, "slurm_line"));
	if (number(type, "mflops_per_core") <= 0)
		return;
	if (is_doubtful(json_object_get(object, "nodes"), text(type, "nodes")))
		printf("\n# A node of these is not sound (see above): mend that and measure again.");
	printf("\n# rain.conf: HPL by rain calibrate, %s\n"
	       "node-type \"type%zu\" {\n\tnodes = \"%s\"\n\tmflops-per-core = %" PRId64 "\n}\n",
	       text(object, "date"), at + 1, text(type, "nodes"), number(type, "mflops_per_core"));
	compare_config(config, text(type, "nodes"), number(type, "mflops_per_core"));
}

void rain_calibrate_print(const json_t *object, const struct rain_config *config)
{
	const json_t *types = json_object_get(object, "types"), *type;
	size_t i;

	printf("Measured %s\n", text(object, "date"));
	print_nodes(json_object_get(object, "nodes"));
	json_array_foreach(types, i, type)
		print_type(object, type, i, config);
}
