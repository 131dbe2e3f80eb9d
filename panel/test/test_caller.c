/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which job a process is in, and what the sensors of a board say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/file.h"
#include "panel/caller.h"
#include "panel/request.h"
#include "panel/sense.h"

static void test_cgroup(void **state)
{
	static const struct {
		const char *line;
		uint32_t job;
	} cases[] = {
		{"4:memory:/slurm/uid_1000/job_12/step_0/task_0", 12},
		{"4:freezer:/slurm_node1/uid_1000/job_4294967290/step_batch", 4294967290u},
		{"0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_0", 77},
		{"0::/system.slice/node1_slurmstepd.scope/job_77/step_extern/user", 77},
		{"0::/system.slice/slurmstepd.scope/system", 0},
		{"0::/", 0},
		{"", 0},
		{"0::/user.slice/user-1000.slice/slurm/uid_1000/job_12/step_0", 0},
		{"0::/user.slice/slurmstepd.scope/job_12/step_0", 0},
		{"0::/system.slice/evil.service/slurmstepd.scope/job_12", 0},
		{"0::/slurm/job_12", 0},
		{"0::/slurm/uid_1000/job_0/step_0", 0},
		{"0::/slurm/uid_1000/job_12x/step_0", 0},
		{"0::/slurm/uid_1000/job_99999999999999999999/step_0", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rain_panel_caller_cgroup(cases[i].line), cases[i].job);
}

static void test_title(void **state)
{
	(void)state;
	assert_int_equal(rain_panel_caller_title("slurmstepd: [12.0]"), 12);
	assert_int_equal(rain_panel_caller_title("slurmstepd: [12.batch]"), 12);
	assert_int_equal(rain_panel_caller_title("slurmstepd: [12+1.0]"), 12);
	assert_int_equal(rain_panel_caller_title("slurmstepd: [12]"), 0);
	assert_int_equal(rain_panel_caller_title("slurmstepd"), 0);
	assert_int_equal(rain_panel_caller_title(""), 0);
	assert_int_equal(rain_panel_caller_title("xslurmstepd: [12.0]"), 0);
}

static void test_request(void **state)
{
	static const char *const wrong[] = {
		"", "[]", "{}", "{\"v\":2,\"op\":\"led\"}", "{\"v\":1,\"op\":\"dance\"}",
		"{\"v\":1,\"op\":\"led\",\"led\":\"boot\",\"show\":\"on\"}",
		"{\"v\":1,\"op\":\"led\",\"led\":\"user1\",\"show\":\"disco\"}",
		"{\"v\":1,\"op\":\"led\",\"led\":\"user1\",\"show\":\"blink\",\"number\":-1}",
		"{\"v\":1,\"op\":\"identify\",\"seconds\":601}",
	};
	struct rain_panel_request request;
	struct rain_error err;
	const char *text = "{\"v\":1,\"op\":\"led\",\"led\":\"user2\",\"show\":\"code\",\"number\":3}";

	(void)state;
	assert_int_equal(rain_panel_request_decode(text, strlen(text), &request, &err), 0);
	assert_int_equal(request.op, RAIN_PANEL_REQUEST_LED);
	assert_int_equal(request.led, 1);
	assert_int_equal(request.show, RAIN_DRIVE_CODE);
	assert_int_equal(request.number, 3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			rain_panel_request_decode(wrong[i], strlen(wrong[i]), &request, &err), -1);
}

/* A /sys of our own. */
static char root[] = "/tmp/rain-sense-XXXXXX";

static void put(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, file);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		mkdir(path, 0755);
	}
	assert_int_equal(rain_file_write(path, text, strlen(text), 0644, NULL), 0);
}

static void expect(enum rain_panel_temperature wanted, unsigned int load, int64_t degrees,
		   int64_t khz)
{
	int64_t millidegrees, clock_khz;

	assert_int_equal(rain_panel_sense_temperature(root, load, &millidegrees, &clock_khz),
			 wanted);
	assert_int_equal(millidegrees, degrees);
	assert_int_equal(clock_khz, khz);
}

#define CPU "devices/system/cpu/cpufreq/policy0/"
#define ZONE "class/thermal/thermal_zone0/"
#define COOLER "class/thermal/cooling_device0/"

static void test_heat_and_clock(void **state)
{
	(void)state;
	expect(RAIN_PANEL_TEMPERATURE_UNKNOWN, 100, 0, 0);
	put(CPU "cpuinfo_max_freq", "1152000\n");
	put(CPU "scaling_max_freq", "1152000\n");
	put(CPU "scaling_cur_freq", "648000\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 10, 0, 648000);  /* idle: may be slow */
	expect(RAIN_PANEL_TEMPERATURE_SLOW, 95, 0, 648000); /* busy: may not */
	put(CPU "scaling_cur_freq", "1152000\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 95, 0, 1152000);
	put(CPU "scaling_max_freq", "816000\n");
	expect(RAIN_PANEL_TEMPERATURE_SLOW, 0, 0, 1152000);
	put(CPU "scaling_max_freq", "1152000\n");
	put(ZONE "temp", "54000\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 0, 54000, 1152000);
	put(ZONE "temp", "80000\n");
	expect(RAIN_PANEL_TEMPERATURE_HOT, 0, 80000, 1152000);
	put(ZONE "trip_point_0_type", "critical\n");
	put(ZONE "trip_point_0_temp", "60000\n");
	put(ZONE "trip_point_1_type", "passive\n");
	put(ZONE "trip_point_1_temp", "90000\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 0, 80000, 1152000);
	put(ZONE "temp", "broken\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 0, 0, 1152000);
	put(COOLER "type", "Fan\n");
	put(COOLER "cur_state", "3\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 0, 0, 1152000);
	put(COOLER "type", "thermal-cpufreq-0\n");
	expect(RAIN_PANEL_TEMPERATURE_HOT, 0, 0, 1152000);
	put(COOLER "cur_state", "0\n");
	expect(RAIN_PANEL_TEMPERATURE_OK, 0, 0, 1152000);
}

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_title),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_heat_and_clock),
	};

	return cmocka_run_group_tests_name("panel/caller", tests, make_root, remove_root);
}
