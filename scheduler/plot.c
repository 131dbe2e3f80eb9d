/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/plot.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 960
#define LEFT 80
#define RIGHT 24
#define TOP 40
#define HEIGHT 320
#define POINTS 240	/* at most so many, whatever the number of days */
#define BAR 16
#define SITES_MAX 40
#define INK "#333333"

static const char *const colours[] = {"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
				      "#aa3377", "#bbbbbb", "#000000"}; /* Tol's bright scheme */

static const char *colour(size_t index)
{
	return colours[index % (sizeof colours / sizeof *colours)];
}

/* Text of strangers (names of files) inside XML. */
static void print_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc((unsigned char)*text < ' ' ? '?' : *text, out);
		}
	}
}

static void label(FILE *out, int x, int y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
	print_text(out, text);
	fputs("</text>\n", out);
}

struct series {
	double wait[POINTS]; /* hours, mean of the jobs submitted in that time */
	int64_t jobs[POINTS];
};

/* Of what was submitted in each of the POINTS equal parts of [0, span). */
static void fill(struct series *series, const struct rain_fates *fates, int64_t span)
{
	memset(series, 0, sizeof *series);
	for (size_t i = 0; i < fates->count; i++) {
		const struct rain_fate *fate = &fates->fates[i];
		int64_t part = fate->submit * POINTS / span;

		if (fate->response == 0 || part < 0 || part >= POINTS)
			continue;
		series->wait[part] += fate->wait / 3600.0;
		series->jobs[part]++;
	}
	for (int i = 0; i < POINTS; i++)
		if (series->jobs[i])
			series->wait[i] /= (double)series->jobs[i];
}

static double peak(const struct series *series, size_t count)
{
	double most = 0;

	for (size_t s = 0; s < count; s++)
		for (int i = 0; i < POINTS; i++)
			if (series[s].wait[i] > most)
				most = series[s].wait[i];
	return most > 0 ? most : 1;
}

static void axes(FILE *out, double most, int64_t span)
{
	char text[64];

	fprintf(out, "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"" INK "\"/>\n", LEFT, TOP,
		TOP + HEIGHT, WIDTH - RIGHT);
	for (int i = 0; i <= 4; i++) {
		int y = TOP + HEIGHT - HEIGHT * i / 4, x = LEFT + (WIDTH - LEFT - RIGHT) * i / 4;

		snprintf(text, sizeof text, "%.1f", most * i / 4);
		label(out, LEFT - 8, y + 4, "end", text);
		snprintf(text, sizeof text, "%.0f", (double)span * i / 4 / 86400);
		label(out, x, TOP + HEIGHT + 18, "middle", text);
		fprintf(out, "<path d=\"M%d %d H%d\" stroke=\"#dddddd\"/>\n", LEFT, y, WIDTH - RIGHT);
	}
	label(out, LEFT, TOP - 14, "start", "mean wait, hours, by day of submission");
	label(out, WIDTH - RIGHT, TOP + HEIGHT + 34, "end", "day");
}

static void curve(FILE *out, const struct series *series, double most, const char *stroke)
{
	bool drawing = false;

	fputs("<path fill=\"none\" stroke-width=\"1.5\" d=\"", out);
	for (int i = 0; i < POINTS; i++) {
		if (!series->jobs[i])
			continue;
		fprintf(out, "%c%.1f %.1f ", drawing ? 'L' : 'M',
			LEFT + (WIDTH - LEFT - RIGHT) * (i + 0.5) / POINTS,
			TOP + HEIGHT - HEIGHT * series->wait[i] / most);
		drawing = true;
	}
	fprintf(out, "\" stroke=\"%s\"/>\n", stroke);
}

/* Bars to the right: given; to the left: received. */
static int trade(FILE *out, const struct rain_result *result, int y)
{
	const struct rain_sim_totals *totals = rain_sim_totals(result->sim);
	size_t sites = rain_sim_sites(result->sim);
	int64_t most = 1;
	int middle = WIDTH / 2 + 60, reach = WIDTH - RIGHT - middle;

	for (size_t i = 0; i < sites; i++) {
		if (totals->sites[i].given > most)
			most = totals->sites[i].given;
		if (totals->sites[i].received > most)
			most = totals->sites[i].received;
	}
	label(out, LEFT, y, "start", result->policy);
	label(out, middle - 8, y, "end", "got");
	label(out, middle + 8, y, "start", "gave");
	for (size_t i = 0; i < sites && i < SITES_MAX; i++) {
		int given = (int)((double)totals->sites[i].given * reach / (double)most);
		int received = (int)((double)totals->sites[i].received * reach / (double)most);

		y += BAR + 4;
		label(out, LEFT, y, "start", rain_sim_site(result->sim, i)->name);
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
			middle - received, y - 12, received, BAR, colours[1]);
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", middle,
			y - 12, given, BAR, colours[2]);
	}
	return y + 2 * BAR;
}

static bool trades(const struct rain_result *result)
{
	const struct rain_sim_totals *totals = rain_sim_totals(result->sim);

	for (size_t i = 0; i < rain_sim_sites(result->sim); i++)
		if (totals->sites[i].given)
			return true;
	return false;
}

static int height(const struct rain_result *results, size_t count)
{
	int total = TOP + HEIGHT + 60;

	for (size_t i = 0; i < count; i++) {
		size_t sites = rain_sim_sites(results[i].sim);

		if (trades(&results[i]))
			total += (BAR + 4) * (int)(sites < SITES_MAX ? sites : SITES_MAX) + 2 * BAR;
	}
	return total + BAR;
}

int rain_plot(FILE *out, const struct rain_result *results, size_t count, struct rain_error *err)
{
	struct series *series = calloc(count ? count : 1, sizeof *series);
	int64_t span = 1;
	double most;
	int y = TOP + HEIGHT + 60;

	if (!series)
		return rain_error_set(err, "no memory for the plot");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < results[i].fates.count; j++)
			if (results[i].fates.fates[j].submit >= span)
				span = results[i].fates.fates[j].submit + 1;
	for (size_t i = 0; i < count; i++)
		fill(&series[i], &results[i].fates, span);
	most = peak(series, count);
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"" INK "\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, height(results, count), WIDTH, height(results, count));
	axes(out, most, span);
	for (size_t i = 0; i < count; i++) {
		curve(out, &series[i], most, colour(i));
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"3\" fill=\"%s\"/>\n",
			WIDTH - RIGHT - 120, TOP + 10 + 16 * (int)i, colour(i));
		label(out, WIDTH - RIGHT - 100, TOP + 15 + 16 * (int)i, "start", results[i].policy);
	}
	for (size_t i = 0; i < count; i++)
		if (trades(&results[i]))
			y = trade(out, &results[i], y);
	fputs("</svg>\n", out);
	free(series);
	return 0;
}
