/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells of processors, clocks and heat; all of it may be missing. */
#include "scheduler/survey.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/file.h"

#define CPUINFO_MAX ((size_t)8 * 1024 * 1024)
#define SMALL 4096

/* The file's first number. */
static bool number_read(const char *path, int64_t *value)
{
	struct rain_error unused;
	char *text = rain_file_read(path, SMALL, NULL, &unused), *end;

	if (!text)
		return false;
	*value = strtoll(text, &end, 10);
	free(text);
	return end != text;
}

/* The value of the first line that begins with `key`, cut to the buffer. */
static bool cpuinfo_field(const char *text, const char *key, char *value, size_t size)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *colon;

		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		colon = strchr(line, ':');
		if (!colon)
			return false;
		colon += strspn(colon + 1, " \t") + 1;
		snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		return true;
	}
	return false;
}

void rain_survey_identify(struct rain_survey *survey)
{
	struct rain_error unused;
	char *text = rain_file_read("/proc/cpuinfo", CPUINFO_MAX, NULL, &unused);
	char flags[4096] = "", number[32] = "";
	int64_t implementer = 0, part = 0;
	struct utsname system;

	if (uname(&system) == 0)
		snprintf(survey->arch, sizeof survey->arch, "%s", system.machine);
	if (!text)
		return;
	if (cpuinfo_field(text, "CPU implementer", number, sizeof number))
		implementer = strtoll(number, NULL, 0);
	if (cpuinfo_field(text, "CPU part", number, sizeof number))
		part = strtoll(number, NULL, 0);
	if (!cpuinfo_field(text, "model name", survey->model, sizeof survey->model))
		snprintf(survey->model, sizeof survey->model, "implementer 0x%llx part 0x%llx",
			 (unsigned long long)implementer, (unsigned long long)part);
	if (!cpuinfo_field(text, "flags", flags, sizeof flags))
		cpuinfo_field(text, "Features", flags, sizeof flags);
	survey->flops_per_cycle = rain_calibrate_flops_per_cycle(survey->arch, flags, implementer, part);
	free(text);
}

int64_t rain_survey_stated_khz(int cpu)
{
	char path[128];
	int64_t khz;

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
	return number_read(path, &khz) && khz > 0 ? khz : 0;
}

/* The lowest point of the zone at which the kernel makes processors slower. */
static void limit_read(const char *zone, int64_t *limit_mc)
{
	for (int i = 0; i < 16; i++) {
		struct rain_error unused;
		char path[320], *type;
		int64_t value;
		bool passive;

		snprintf(path, sizeof path, "/sys/class/thermal/%.200s/trip_point_%d_type", zone, i);
		type = rain_file_read(path, SMALL, NULL, &unused);
		if (!type)
			return;
		passive = strncmp(type, "passive", 7) == 0;
		free(type);
		snprintf(path, sizeof path, "/sys/class/thermal/%.200s/trip_point_%d_temp", zone, i);
		if (passive && number_read(path, &value) && value > 0 &&
		    (*limit_mc == RAIN_SURVEY_UNKNOWN || value < *limit_mc))
			*limit_mc = value;
	}
}

int64_t rain_survey_temperature_mc(int64_t *limit_mc)
{
	DIR *directory = opendir("/sys/class/thermal");
	int64_t hottest = RAIN_SURVEY_UNKNOWN;
	const struct dirent *entry;

	*limit_mc = RAIN_SURVEY_UNKNOWN;
	while (directory && (entry = readdir(directory))) {
		char path[320];
		int64_t value;

		if (strncmp(entry->d_name, "thermal_zone", 12) != 0)
			continue;
		snprintf(path, sizeof path, "/sys/class/thermal/%.200s/temp", entry->d_name);
		/* A sensor that isn't there says 0 or nonsense. */
		if (!number_read(path, &value) || value <= 0 || value > 200000)
			continue;
		if (value > hottest)
			hottest = value;
		limit_read(entry->d_name, limit_mc);
	}
	if (directory)
		closedir(directory);
	return hottest;
}

int64_t rain_survey_throttle_count(void)
{
	int64_t sum = RAIN_SURVEY_UNKNOWN;

	for (int cpu = 0;; cpu++) {
		char path[128];
		int64_t count;

		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count",
			 cpu);
		if (!number_read(path, &count))
			return sum;
		sum = (sum == RAIN_SURVEY_UNKNOWN ? 0 : sum) + count;
	}
}
