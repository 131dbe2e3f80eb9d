/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define EVENTS_AT 4096
#define EVENT_SIZE 64
#define HOURS_AT (EVENTS_AT + RAIN_RECORD_EVENTS * EVENT_SIZE)
#define HOUR_SIZE 96
/* A pause longer than this was no look at the sensors: the daemon was stopped. */
#define LASTED_MAX_MS 30000
#define ANSWER_MAX (RAIN_RECORD_ROWS_MAX * 288 + RAIN_RECORD_EVENTS_TOLD_MAX * 160 + 256)

_Static_assert(sizeof(struct rain_heat_event) + sizeof(uint32_t) <= EVENT_SIZE, "a place's size");
_Static_assert(sizeof(struct rain_heat_sum) + sizeof(uint32_t) <= HOUR_SIZE, "a place's size");

/* FNV-1a, https://www.rfc-editor.org/rfc/rfc9923 */
static uint32_t check_sum(const void *bytes, size_t size)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const unsigned char *)bytes)[i]) * 16777619u;
	return sum;
}

static bool read_place(const struct rain_record *record, off_t at, void *what, size_t size)
{
	unsigned char place[HOUR_SIZE];
	uint32_t sum;

	if (record->fd < 0 ||
	    pread(record->fd, place, size + sizeof(sum), at) != (ssize_t)(size + sizeof(sum)))
		return false;
	memcpy(&sum, place + size, sizeof(sum));
	if (sum != check_sum(place, size))
		return false;
	memcpy(what, place, size);
	return true;
}

static void write_place(struct rain_record *record, off_t at, const void *what, size_t size)
{
	uint32_t sum = check_sum(what, size);
	unsigned char place[HOUR_SIZE];

	if (record->fd < 0)
		return;
	memcpy(place, what, size);
	memcpy(place + size, &sum, sizeof(sum));
	if (pwrite(record->fd, place, size + sizeof(sum), at) == (ssize_t)(size + sizeof(sum)))
		return;
	rain_log_warning("can't keep the heat of this node: %s", strerror(errno));
	close(record->fd);
	record->fd = -1;
}

static off_t place_of_event(uint32_t number)
{
	return EVENTS_AT + (off_t)(number % RAIN_RECORD_EVENTS) * EVENT_SIZE;
}

static bool read_event(const struct rain_record *record, uint32_t number,
		       struct rain_heat_event *event)
{
	return read_place(record, place_of_event(number), event, sizeof(*event)) &&
	       event->number % RAIN_RECORD_EVENTS == number % RAIN_RECORD_EVENTS;
}

static bool read_hour(const struct rain_record *record, uint32_t hour, struct rain_heat_sum *sum)
{
	return read_place(record, HOURS_AT + (off_t)(hour % RAIN_RECORD_HOURS) * HOUR_SIZE, sum,
			  sizeof(*sum)) &&
	       sum->hour == hour;
}

static void flush_all(struct rain_record *record)
{
	if (!record->dirty)
		return;
	record->dirty = false;
	if (record->now.hour != 0)
		write_place(record,
			    HOURS_AT + (off_t)(record->now.hour % RAIN_RECORD_HOURS) * HOUR_SIZE,
			    &record->now, sizeof(record->now));
	if (record->event.number != 0)
		write_place(record, place_of_event(record->event.number), &record->event,
			    sizeof(record->event));
}

/* The last event; one that nobody saw end ended with those who saw it. */
static void find_last_event(struct rain_record *record)
{
	struct rain_heat_event event;

	for (uint32_t i = 0; i < RAIN_RECORD_EVENTS; i++) {
		if (read_event(record, i, &event) && event.number > record->event.number)
			record->event = event;
	}
	if (record->event.number != 0 && !record->event.is_over) {
		record->event.is_over = 1;
		record->dirty = true;
	}
}

int rain_record_open(struct rain_record *record, const char *directory, const char *node,
		     struct rain_error *err)
{
	char path[PATH_MAX], magic[sizeof(RAIN_RECORD_MAGIC)] = "";
	const size_t length = sizeof(RAIN_RECORD_MAGIC) - 1;

	memset(record, 0, sizeof(*record));
	record->fd = -1;
	if (!*directory)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s.record", directory, node) >= (int)sizeof(path))
		return rain_error_set(err, "panel.record: the name of the directory is too long");
	record->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (record->fd < 0)
		return rain_error_set(err, "the heat of this node is not kept: can't open %s: %s "
				      "(panel.record in rain.conf)", path, strerror(errno));
	if (pread(record->fd, magic, length, 0) == (ssize_t)length &&
	    strcmp(magic, RAIN_RECORD_MAGIC) != 0) {
		close(record->fd);
		record->fd = -1;
		return rain_error_set(err, "the heat of this node is not kept: %s is another file",
				      path);
	}
	if (!*magic && pwrite(record->fd, RAIN_RECORD_MAGIC, length, 0) != (ssize_t)length) {
		rain_error_set(err, "the heat of this node is not kept: can't write %s: %s", path,
			       strerror(errno));
		close(record->fd);
		record->fd = -1;
		return -1;
	}
	find_last_event(record);
	return 0;
}

/* Returns true when the look begins or ends an event; *begins tells which. */
static bool follow_event(struct rain_record *record, const struct rain_heat_look *look,
			 bool *begins)
{
	struct rain_heat_event *event = &record->event;
	bool held = rain_heat_is_held_back(look->temperature);
	bool lasts = event->number != 0 && !event->is_over;
	bool changed = lasts != held || (lasts && event->kind != (uint32_t)look->temperature);

	*begins = held && changed;
	if (lasts) {
		/* The clock may have been set meanwhile: what passed counts. */
		event->lasted_s += (look->lasted_ms + 500) / 1000;
		event->is_over = changed;
		record->dirty = true;
	}
	if (*begins) {
		flush_all(record); /* the place of the last one is needed */
		*event = (struct rain_heat_event){.number = event->number + 1,
						  .kind = (uint32_t)look->temperature,
						  .began_s = look->time_s};
	}
	if (held) {
		if (look->millidegrees > event->hottest)
			event->hottest = (int32_t)look->millidegrees;
		if (look->clock_khz > 0 &&
		    (event->slowest_khz == 0 || look->clock_khz < event->slowest_khz))
			event->slowest_khz = (uint32_t)look->clock_khz;
	}
	return changed;
}

bool rain_record_look(struct rain_record *record, struct rain_heat_look *look, int64_t now_ms)
{
	uint32_t hour = (uint32_t)(look->time_s / 3600);
	int64_t lasted_ms = record->looked_ms > 0 ? now_ms - record->looked_ms : 0;
	bool changed, begins;

	look->lasted_ms = lasted_ms > LASTED_MAX_MS ? 0 : (uint32_t)lasted_ms;
	record->looked_ms = now_ms;
	changed = follow_event(record, look, &begins);
	if (hour != record->now.hour) {
		flush_all(record);
		memset(&record->now, 0, sizeof(record->now));
		/* It was begun before the daemon was started again. */
		read_hour(record, hour, &record->now);
	}
	rain_heat_add(&record->now, look, begins);
	record->last = *look;
	record->dirty = true;
	if (changed || now_ms / 1000 >= record->flushed_s + RAIN_RECORD_FLUSH_S) {
		flush_all(record);
		record->flushed_s = now_ms / 1000;
	}
	return changed;
}

struct answer {
	char *text;
	size_t size;
};

static void add(struct answer *answer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ANSWER_MAX has room for all that can come. */
static void add(struct answer *answer, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(answer->text + answer->size, ANSWER_MAX - answer->size, fmt, args);
	va_end(args);
	if (length > 0 && answer->size + (size_t)length < ANSWER_MAX)
		answer->size += (size_t)length;
}

static void add_rows(struct rain_record *record, struct answer *answer, uint32_t hour,
		     uint32_t until, int64_t step_hours)
{
	const char *between = "";

	while (hour < until) {
		uint32_t end = step_hours > 0 && until - hour > step_hours
				       ? hour + (uint32_t)step_hours
				       : until;
		struct rain_heat_sum sum = {0};
		char text[RAIN_HEAT_JSON_MAX];

		for (; hour < end; hour++) {
			struct rain_heat_sum one;

			if (hour == record->now.hour)
				rain_heat_merge(&sum, &record->now);
			else if (read_hour(record, hour, &one))
				rain_heat_merge(&sum, &one);
		}
		if (sum.hour == 0)
			continue;
		rain_heat_sum_json(&sum, text, sizeof(text));
		add(answer, "%s%s", between, text);
		between = ",";
	}
}

static void add_events(struct rain_record *record, struct answer *answer, int64_t since_s,
		       int64_t until_s)
{
	uint32_t last = record->event.number;
	uint32_t first = last > RAIN_RECORD_EVENTS_TOLD_MAX ? last - RAIN_RECORD_EVENTS_TOLD_MAX : 0;
	const char *between = "";

	for (uint32_t number = first + 1; number != last + 1; number++) {
		struct rain_heat_event event = record->event;
		char text[RAIN_HEAT_JSON_MAX];

		if (number != last && (!read_event(record, number, &event) || event.number != number))
			continue;
		if (event.began_s >= until_s || event.began_s + event.lasted_s < since_s)
			continue;
		rain_heat_event_json(&event, text, sizeof(text));
		add(answer, "%s%s", between, text);
		between = ",";
	}
}

char *rain_record_tell(struct rain_record *record, int64_t since_s, int64_t until_s,
		       int64_t step_hours, struct rain_error *err)
{
	uint32_t since = (uint32_t)(since_s / 3600), until = (uint32_t)((until_s + 3599) / 3600);
	struct answer answer = {0};

	/* What is older has been written over. */
	if (until > RAIN_RECORD_HOURS && since < until - RAIN_RECORD_HOURS)
		since = until - RAIN_RECORD_HOURS;
	if (step_hours > 0 && (until - since + step_hours - 1) / step_hours > RAIN_RECORD_ROWS_MAX) {
		rain_error_set(err, "that would be more than %d rows: ask for less time, or for longer "
				    "steps", RAIN_RECORD_ROWS_MAX);
		return NULL;
	}
	answer.text = malloc(ANSWER_MAX);
	if (!answer.text) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	add(&answer, "{\"ok\":true,\"result\":{\"kept\":%s,\"temperature\":\"%s\",",
	    record->fd >= 0 ? "true" : "false",
	    rain_panel_temperature_name(record->last.temperature));
	if (record->last.millidegrees != 0)
		add(&answer, "\"millidegrees\":%lld,", (long long)record->last.millidegrees);
	if (record->last.clock_khz != 0)
		add(&answer, "\"clock_khz\":%lld,", (long long)record->last.clock_khz);
	add(&answer, "\"rows\":[");
	add_rows(record, &answer, since, until, step_hours);
	add(&answer, "],\"events\":[");
	add_events(record, &answer, since_s, until_s);
	add(&answer, "]}}\n");
	return answer.text;
}

void rain_record_close(struct rain_record *record)
{
	flush_all(record);
	if (record->fd >= 0)
		close(record->fd);
	record->fd = -1;
}
