/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From so many columns on the LEDs have their names above them, and from so
 * many on there is room for codes and elapsed times. */
#define WIDTH_NAMED 72
#define WIDTH_ROOMY 64
#define NAME_MAX_COLUMNS 16
#define OWNER_COLUMNS 16
#define LINE_SIZE 2048

#define RESET "\033[0m"
#define BOLD "\033[1m"
#define DIM "\033[90m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"

/* Colours of owners; neighbours in pattern differ. */
static const char *const palette[] = {
	"\033[96m", "\033[95m", "\033[93m", "\033[92m", "\033[94m", "\033[91m",
};

/* What is drawn so far. */
struct picture {
	const struct rain_panel_view_options *options;
	const char *end_of_line;
	char *text; /* NULL once memory ran out */
	size_t size, capacity;
};

/* One line that never grows beyond the terminal. */
struct line {
	const struct rain_panel_view_options *options;
	char text[LINE_SIZE];
	size_t size;
	int columns;
};

static void put_raw(struct line *line, const char *text)
{
	size_t length = strlen(text);

	if (line->size + length >= sizeof(line->text))
		return;
	memcpy(line->text + line->size, text, length + 1);
	line->size += length;
}

/* Adds ASCII text, cut at the right edge; what isn't printable becomes '?'. */
static void put(struct line *line, const char *colour, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct line *line, const char *colour, const char *fmt, ...)
{
	int room = line->options->width - line->columns;
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (room <= 0)
		return;
	if (strlen(text) > (size_t)room)
		text[room] = '\0';
	for (char *c = text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (colour && line->options->colour)
		put_raw(line, colour);
	put_raw(line, text);
	if (colour && line->options->colour)
		put_raw(line, RESET);
	line->columns += (int)strlen(text);
}

static void put_until(struct line *line, int column)
{
	if (column > line->columns)
		put(line, NULL, "%*s", column - line->columns, "");
}

static void add_text(struct picture *picture, const char *text, size_t length)
{
	if (!picture->text)
		return;
	while (picture->size + length >= picture->capacity) {
		char *larger = realloc(picture->text, picture->capacity * 2);

		if (!larger) {
			free(picture->text);
			picture->text = NULL;
			return;
		}
		picture->text = larger;
		picture->capacity *= 2;
	}
	memcpy(picture->text + picture->size, text, length);
	picture->size += length;
	picture->text[picture->size] = '\0';
}

static void add_line(struct picture *picture, struct line *line)
{
	/* Blanks at the end are nothing to see. */
	while (line->size > 0 && line->text[line->size - 1] == ' ')
		line->size--;
	add_text(picture, line->text, line->size);
	add_text(picture, picture->end_of_line, strlen(picture->end_of_line));
}

const char *rain_panel_view_elapsed(int64_t ms, char text[static RAIN_PANEL_ELAPSED_SIZE])
{
	long long s = ms > 0 ? ms / 1000 : 0;
	long long days = s / 86400 % 1000000;
	int hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60), seconds = (int)(s % 60);

	if (days > 0)
		snprintf(text, RAIN_PANEL_ELAPSED_SIZE, "%lld-%02d:%02d:%02d", days, hours, minutes,
			 seconds);
	else if (hours > 0)
		snprintf(text, RAIN_PANEL_ELAPSED_SIZE, "%d:%02d:%02d", hours, minutes, seconds);
	else
		snprintf(text, RAIN_PANEL_ELAPSED_SIZE, "%d:%02d", minutes, seconds);
	return text;
}

static const char *owner_colour(const struct rain_panel_view_job *job)
{
	unsigned int number = 1;

	/* A code is a binary number with a leading one. */
	for (const char *flash = job->code; *flash; flash++)
		number = number * 2 + (*flash == '-');
	return palette[number % (sizeof(palette) / sizeof(palette[0]))];
}

static const char *led_colour(const struct rain_panel_view_node *node, int led)
{
	static const char *const bar[RAIN_LED_COUNT] = {GREEN, GREEN, GREEN, YELLOW, RED};
	enum rain_panel_kind kind = led == RAIN_LED_USER2 ? RAIN_PANEL_GUEST : RAIN_PANEL_HOME;

	if (node->show[led] == RAIN_SHOW_PATTERN) {
		for (size_t i = 0; i < node->job_count; i++) {
			if (node->jobs[i].kind == kind)
				return owner_colour(&node->jobs[i]);
		}
	}
	if (node->mode == RAIN_PANEL_LOAD)
		return bar[led];
	if (led == RAIN_LED_TEMP)
		return RED;
	return node->show[led] == RAIN_SHOW_BLINK ? YELLOW : GREEN;
}

static void put_led(struct line *line, const struct rain_panel_view_node *node, int led)
{
	static const char *const round[] = {"○", "●", "◐", "◉"};
	static const char *const ascii[] = {".", "#", "~", "@"};
	bool live = line->options->live;
	bool dark = live ? node->level[led] == RAIN_LED_DARK : node->show[led] == RAIN_SHOW_OFF;
	int glyph = live ? !dark : (int)node->show[led];

	if (line->columns >= line->options->width)
		return;
	if (line->options->colour)
		put_raw(line, dark ? DIM : led_colour(node, led));
	put_raw(line, line->options->utf8 ? round[glyph] : ascii[glyph]);
	if (line->options->colour)
		put_raw(line, RESET);
	line->columns++;
}

static void put_leds(struct line *line, const struct rain_panel_view_node *node)
{
	bool named = line->options->width >= WIDTH_NAMED;

	for (int led = 0; led < RAIN_LED_COUNT; led++) {
		put(line, NULL, "%s", named ? "  " : "");
		if (node)
			put_led(line, node, led);
		else
			put(line, NULL, " ");
		put(line, NULL, "%s", named ? "  " : line->options->width >= WIDTH_ROOMY ? " " : "");
	}
}

static void put_job(struct line *line, const struct rain_panel_view_job *job,
		    int64_t waited_ms)
{
	const struct rain_panel_view_options *options = line->options;
	const char *colour = owner_colour(job);
	char elapsed[RAIN_PANEL_ELAPSED_SIZE];
	char owner[64];
	int start = line->columns;

	/* The pool user behind a guest tells nobody anything when the peer is
	 * known. */
	if (job->kind == RAIN_PANEL_GUEST)
		snprintf(owner, sizeof(owner), "guest of %s", job->peer[0] ? job->peer : "a peer");
	else
		snprintf(owner, sizeof(owner), "%s", options->user_name(job->uid));
	rain_panel_view_elapsed(job->elapsed_ms + waited_ms, elapsed);
	if (options->width < WIDTH_ROOMY) {
		put(line, NULL, "%u ", job->id);
		put(line, colour, "%s", owner);
		put(line, NULL, " %s", elapsed);
		return;
	}
	put(line, NULL, "%7u  ", job->id);
	put(line, colour, "%.*s", OWNER_COLUMNS, owner);
	put_until(line, start + 9 + OWNER_COLUMNS);
	put(line, NULL, " %10s", elapsed);
	put(line, colour, "  %s", job->code);
}

static void add_heading(struct picture *picture, int name_columns)
{
	const struct rain_panel_view_options *options = picture->options;
	struct line line = {.options = options};

	put(&line, BOLD, "%-*s ", name_columns, "NODE");
	if (options->width >= WIDTH_NAMED)
		put(&line, BOLD, "BOOT  NET TEMP USR1 USR2 ");
	else
		put(&line, BOLD, options->width >= WIDTH_ROOMY ? "B N T 1 2 " : "BNT12 ");
	if (options->width >= WIDTH_ROOMY)
		put(&line, BOLD, "%7s  %-*s %10s  CODE", "JOB", OWNER_COLUMNS, "OWNER", "ELAPSED");
	else
		put(&line, BOLD, "JOB OWNER ELAPSED");
	add_line(picture, &line);
}

/* Adds at most `room` lines; returns how many. */
static int add_node(struct picture *picture, const struct rain_panel_view_node *node,
		    int name_columns, int room)
{
	const struct rain_panel_view_options *options = picture->options;
	int64_t waited_ms = options->now_ms - node->received_ms;
	int lines = 0;

	do {
		struct line line = {.options = options};
		bool first = lines == 0;

		put(&line, NULL, "%-*.*s ", name_columns, name_columns, first ? node->name : "");
		if (!node->answered) {
			put(&line, DIM, "%s", node->trouble[0] ? node->trouble : "asking");
		} else {
			put_leds(&line, first ? node : NULL);
			put(&line, NULL, " ");
			if (node->job_count > 0)
				put_job(&line, &node->jobs[lines], waited_ms);
			else if (node->mode == RAIN_PANEL_LOAD)
				put(&line, DIM, "%s", "load");
		}
		add_line(picture, &line);
		lines++;
	} while (node->answered && (size_t)lines < node->job_count && lines < room);
	return lines;
}

static void add_title(struct picture *picture, const struct rain_panel_view_node *nodes,
		      size_t count)
{
	const struct rain_panel_view_options *options = picture->options;
	struct line line = {.options = options};
	size_t up = 0, home = 0, guest = 0;

	for (size_t i = 0; i < count; i++) {
		bool has[2] = {false, false};

		up += nodes[i].answered;
		for (size_t k = 0; nodes[i].answered && k < nodes[i].job_count; k++)
			has[nodes[i].jobs[k].kind] = true;
		home += has[RAIN_PANEL_HOME];
		guest += has[RAIN_PANEL_GUEST];
	}
	put(&line, BOLD, "%s", options->title);
	if (options->width < WIDTH_ROOMY) {
		put(&line, NULL, "  %zu/%zu nodes, %zu home, %zu guest", up, count, home, guest);
		add_line(picture, &line);
		return;
	}
	put(&line, NULL, "  %zu of %zu nodes answer, %zu with home jobs, %zu with guests", up,
	    count, home, guest);
	add_line(picture, &line);
}

static void add_all(struct picture *picture, const struct rain_panel_view_node *nodes,
		    size_t count)
{
	int room = picture->options->height > 0 ? picture->options->height : INT32_MAX;
	int name_columns = 4;

	for (size_t i = 0; i < count; i++) {
		int length = (int)strnlen(nodes[i].name, NAME_MAX_COLUMNS);

		if (length > name_columns)
			name_columns = length;
	}
	add_title(picture, nodes, count);
	add_heading(picture, name_columns);
	room -= 2;
	for (size_t i = 0; i < count; i++) {
		if (room < 1)
			return;
		/* The last line tells of those that have no place. */
		if (room <= 1 && i + 1 < count) {
			struct line line = {.options = picture->options};

			put(&line, DIM, "and %zu more nodes", count - i);
			add_line(picture, &line);
			return;
		}
		room -= add_node(picture, &nodes[i], name_columns,
				 i + 1 < count ? room - 1 : room);
	}
}

char *rain_panel_view_text(const struct rain_panel_view_node *nodes, size_t count,
			   const struct rain_panel_view_options *options,
			   const char *end_of_line)
{
	struct picture picture = {
		.options = options, .end_of_line = end_of_line, .capacity = LINE_SIZE};

	picture.text = calloc(1, picture.capacity);
	add_all(&picture, nodes, count);
	return picture.text;
}
