/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/report.h"

const char *const rain_report_headers[] = {
	"POLICY",    "CLUSTER",	  ">JOBS",     ">SLOWDOWN", ">MEDIAN", ">WAIT",	 ">P95",  ">P99",
	">WORSE%",   ">AWAY%",	  ">UTIL%",    ">GIVEN",    ">RECEIVED", NULL,
};
#define COLUMNS 13

static const struct rain_selection everything = {.home = -1};

/* Share of the processors' time that was used, in percent. */
static double utilisation(const struct rain_sim *sim, int64_t site)
{
	const struct rain_sim_totals *totals = rain_sim_totals(sim);
	double work = 0, procs = 0, span = (double)(totals->last - totals->first);

	for (size_t i = 0; i < rain_sim_sites(sim); i++) {
		if (site >= 0 && (size_t)site != i)
			continue;
		work += (double)totals->sites[i].work;
		procs += rain_sim_site(sim, i)->procs;
	}
	return span > 0 ? 100 * work / (procs * span) : 0;
}

static void traded(const struct rain_sim *sim, int64_t site, int64_t *given, int64_t *received)
{
	const struct rain_sim_totals *totals = rain_sim_totals(sim);

	*given = *received = 0;
	for (size_t i = 0; i < rain_sim_sites(sim); i++) {
		if (site >= 0 && (size_t)site != i)
			continue;
		*given += totals->sites[i].given;
		*received += totals->sites[i].received;
	}
}

static int add_row(struct rain_table *table, const struct rain_result *result, int64_t site,
		   struct rain_error *err)
{
	struct rain_selection selection = {.home = site};
	struct rain_summary s;
	char cells[COLUMNS][72];
	const char *row[COLUMNS];
	int64_t given, received;

	if (rain_summarize(&result->fates, result->alone, &selection, &s) < 0)
		return rain_error_set(err, "no memory to sum up %s", result->policy);
	traded(result->sim, site, &given, &received);
	snprintf(cells[0], sizeof cells[0], "%s", result->policy);
	snprintf(cells[1], sizeof cells[1], "%s",
		 site < 0 ? "all" : rain_sim_site(result->sim, (size_t)site)->name);
	snprintf(cells[2], sizeof cells[2], "%lld", (long long)s.jobs);
	snprintf(cells[3], sizeof cells[3], "%.2f", s.slowdown);
	snprintf(cells[4], sizeof cells[4], "%.2f", s.slowdown_median);
	snprintf(cells[5], sizeof cells[5], "%.0f", s.wait);
	snprintf(cells[6], sizeof cells[6], "%lld", (long long)s.wait_p95);
	snprintf(cells[7], sizeof cells[7], "%lld", (long long)s.wait_p99);
	if (s.worse < 0)
		snprintf(cells[8], sizeof cells[8], "-");
	else
		snprintf(cells[8], sizeof cells[8], "%.1f", 100 * s.worse);
	snprintf(cells[9], sizeof cells[9], "%.1f", 100 * s.away);
	snprintf(cells[10], sizeof cells[10], "%.1f", utilisation(result->sim, site));
	snprintf(cells[11], sizeof cells[11], "%lld", (long long)(given / 86400));
	snprintf(cells[12], sizeof cells[12], "%lld", (long long)(received / 86400));
	for (int i = 0; i < COLUMNS; i++)
		row[i] = cells[i];
	return rain_table_add(table, row) < 0 ? rain_error_set(err, "no memory for the table") : 0;
}

int rain_report_rows(struct rain_table *table, const struct rain_result *result, size_t sites_max,
		     struct rain_error *err)
{
	size_t sites = rain_sim_sites(result->sim);

	if (add_row(table, result, -1, err) < 0)
		return -1;
	for (size_t i = 0; sites > 1 && sites <= sites_max && i < sites; i++)
		if (add_row(table, result, (int64_t)i, err) < 0)
			return -1;
	return 0;
}

static json_t *summary_json(const struct rain_result *result, const struct rain_selection *selection)
{
	struct rain_summary s;
	json_t *json;

	if (rain_summarize(&result->fates, result->alone, selection, &s) < 0)
		return NULL;
	json = json_pack("{s:I s:f s:f s:f s:f s:I s:I s:I s:f}", "jobs", (json_int_t)s.jobs,
			 "slowdown_mean", s.slowdown, "slowdown_median", s.slowdown_median,
			 "slowdown_p95", s.slowdown_p95, "wait_mean_s", s.wait, "wait_p50_s",
			 (json_int_t)s.wait_p50, "wait_p95_s", (json_int_t)s.wait_p95, "wait_p99_s",
			 (json_int_t)s.wait_p99, "away_share", s.away);
	if (json && s.worse >= 0)
		json_object_set_new(json, "worse_than_alone_share", json_real(s.worse));
	return json;
}

/* Jobs by width and by length: who waits for whom. */
static json_t *classes_json(const struct rain_result *result)
{
	static const struct {
		const char *name;
		struct rain_selection selection;
	} classes[] = {
		{"serial", {-1, 1, 1, 0, 0}},		{"2-8 processors", {-1, 2, 8, 0, 0}},
		{"9-64 processors", {-1, 9, 64, 0, 0}}, {"over 64 processors", {-1, 65, 0, 0, 0}},
		{"up to 1 min", {-1, 0, 0, 0, 60}},	{"1 min to 1 h", {-1, 0, 0, 61, 3600}},
		{"1 h to 8 h", {-1, 0, 0, 3601, 28800}}, {"over 8 h", {-1, 0, 0, 28801, 0}},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		json_object_set_new(object, classes[i].name,
				    summary_json(result, &classes[i].selection));
	return object;
}

static json_t *site_json(const struct rain_result *result, size_t index)
{
	const struct rain_site_totals *totals = &rain_sim_totals(result->sim)->sites[index];
	const struct rain_site_spec *spec = rain_sim_site(result->sim, index);
	struct rain_selection selection = {.home = (int64_t)index};
	json_t *json = summary_json(result, &selection);

	if (!json)
		return NULL;
	json_object_update_new(
		json, json_pack("{s:s s:i s:f s:I s:I s:I s:I s:I s:I s:I}", "name", spec->name,
				"processors", (int)spec->procs, "utilisation",
				utilisation(result->sim, (int64_t)index) / 100, "sent",
				(json_int_t)totals->sent, "hosted", (json_int_t)totals->hosted,
				"evicted", (json_int_t)totals->evicted, "work_s",
				(json_int_t)totals->work, "given_s", (json_int_t)totals->given,
				"received_s", (json_int_t)totals->received, "denied",
				(json_int_t)totals->denied));
	return json;
}

json_t *rain_report_json(const struct rain_result *result, size_t sites_max, struct rain_error *err)
{
	const struct rain_sim_totals *totals = rain_sim_totals(result->sim);
	size_t sites = rain_sim_sites(result->sim);
	json_t *json = summary_json(result, &everything), *list = json_array();

	for (size_t i = 0; list && sites <= sites_max && i < sites; i++)
		json_array_append_new(list, site_json(result, i));
	if (!json || !list) {
		json_decref(json);
		json_decref(list);
		rain_error_set(err, "no memory for the report on %s", result->policy);
		return NULL;
	}
	json_object_set_new(json, "policy", json_string(result->policy));
	json_object_set_new(json, "utilisation", json_real(utilisation(result->sim, -1) / 100));
	json_object_set_new(json, "events", json_integer(totals->events));
	json_object_set_new(json, "messages", json_integer(totals->messages));
	json_object_set_new(json, "left_out", json_integer(totals->dropped));
	json_object_set_new(json, "clusters", list);
	json_object_set_new(json, "classes", classes_json(result));
	return json;
}

int rain_report_jobs(FILE *out, const struct rain_result *results, size_t count,
		     struct rain_error *err)
{
	(void)err; /* what fails is the writing, and shows in ferror(out) */
	fputs("POLICY,CLUSTER,SUBMIT,PROCESSORS,RUN,START,END,WHERE\n", out);
	for (size_t i = 0; i < count; i++) {
		for (size_t n = 0; n < results[i].fates.count; n++) {
			const struct rain_fate *fate = &results[i].fates.fates[n];

			if (fate->response <= 0)
				continue; /* its number is another's: it never ran */
			fprintf(out, "%s,%s,%lld,%d,%d,%lld,%lld,%s\n", results[i].policy,
				rain_sim_site(results[i].sim, fate->home)->name, (long long)fate->submit,
				(int)fate->procs, (int)fate->run, (long long)(fate->submit + fate->wait),
				(long long)(fate->submit + fate->response),
				rain_sim_site(results[i].sim, fate->host)->name);
		}
	}
	return 0;
}
