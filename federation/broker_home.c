/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/broker_home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START "rain-home: "

/* Returns the start of the record or NULL; *end is behind its "; ". */
static const char *record_find(const char *comment, const char **end)
{
	const char *p = comment;

	while ((p = strstr(p, START)) && p != comment && !strchr(" \t\n;", p[-1]))
		p++;
	if (!p)
		return NULL;
	*end = p + strcspn(p, ";\n");
	if (**end == ';')
		*end += (*end)[1] == ' ' ? 2 : 1;
	return p;
}

/* Copies the value of "key=value" out of the words of a record. */
static int field_read(const char *record, const char *end, const char *key, char *value,
		      size_t size)
{
	size_t key_length = strlen(key);

	for (const char *p = record; p < end; p += strspn(p, " ")) {
		size_t length = strcspn(p, " ;\n");

		if (length > key_length && memcmp(p, key, key_length) == 0) {
			if (length - key_length >= size)
				return -1;
			memcpy(value, p + key_length, length - key_length);
			value[length - key_length] = '\0';
			return 0;
		}
		if (p[length] != ' ')
			break;
		p += length;
	}
	return -1;
}

int rain_broker_home_read(const char *comment, struct rain_broker_home *home,
			  struct rain_error *err)
{
	const char *record, *end;
	char hold[4] = "", minutes[11] = "";
	/* An empty value is no word of its own: "features= hold=no". */
	char features[RAIN_BROKER_FEATURES_MAX + 2] = "";

	if (!comment || !(record = record_find(comment, &end)))
		return 0;
	if (field_read(record, end, "partition=", home->partition, sizeof(home->partition)) < 0 ||
	    field_read(record, end, "features", features, sizeof(features)) < 0 ||
	    field_read(record, end, "hold=", hold, sizeof(hold)) < 0 || features[0] != '=' ||
	    (strcmp(hold, "yes") != 0 && strcmp(hold, "no") != 0) ||
	    !rain_broker_partition_is_valid(home->partition) ||
	    !rain_broker_features_is_valid(features + 1))
		return rain_error_set(err,
				      "the record of the job's home in its AdminComment is malformed");
	memcpy(home->features, features + 1, sizeof(home->features));
	home->held = strcmp(hold, "yes") == 0;
	home->minutes = 0;
	if (field_read(record, end, "minutes=", minutes, sizeof(minutes)) == 0)
		home->minutes = (uint32_t)strtoul(minutes, NULL, 10);
	return 1;
}

char *rain_broker_home_write(const char *comment, const struct rain_broker_home *home,
			     struct rain_error *err)
{
	const char *record, *end = NULL;
	const char *front = comment ? comment : "";
	int front_length;
	char *text = NULL, minutes[24] = "";
	int n;

	record = record_find(front, &end);
	front_length = record ? (int)(record - front) : 0;
	if (!record)
		end = front;
	if (home && home->minutes)
		snprintf(minutes, sizeof(minutes), " minutes=%u", home->minutes);
	if (home)
		n = asprintf(&text, "%.*s" START "partition=%s features=%s hold=%s%s; %s",
			     front_length, front, home->partition, home->features,
			     home->held ? "yes" : "no", minutes, end);
	else
		n = asprintf(&text, "%.*s%s", front_length, front, end);
	if (n < 0) {
		rain_error_set(err, "out of memory for the comment of a job");
		return NULL;
	}
	return text;
}
