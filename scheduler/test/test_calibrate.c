/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/survey.h"

/* A board of the Mark II that is as it should be. */
static struct rain_survey sound(void)
{
	return (struct rain_survey){
		.node = "node1", .arch = "aarch64", .model = "Cortex-A53",
		.packages = 1, .cores = 4, .threads = 4, .mem_mb = 1971,
		.kind_count = 1,
		.kinds = {{.cores = 4, .clock_khz = 1150000, .stated_khz = 1152000, .dgemm_mflops = 1100}},
		.clock_begin_khz = 1151000, .clock_end_khz = 1150000,
		.temp_mc = 52000, .temp_limit_mc = 75000, .throttled = 0,
		.busy_percent = 99, .flops_per_cycle = 2, .slurm_cpus = 4,
	};
}

static enum rain_calibrate_verdict judge(const struct rain_survey *survey, const char *says)
{
	char sentence[RAIN_CALIBRATE_SENTENCE];
	enum rain_calibrate_verdict verdict = rain_calibrate_judge(survey, 4400, sentence);

	assert_int_equal(verdict == RAIN_CALIBRATE_SOUND, sentence[0] == '\0');
	if (says)
		assert_non_null(strstr(sentence, says));
	return verdict;
}

static void each_ill_is_told_from_the_others(void **state)
{
	struct rain_survey survey = sound();

	(void)state;
	assert_int_equal(judge(&survey, NULL), RAIN_CALIBRATE_SOUND);

	/* the A64 without a frequency driver: 408 MHz, and cool */
	survey.kinds[0].clock_khz = survey.clock_begin_khz = survey.clock_end_khz = 408000;
	survey.kinds[0].dgemm_mflops = 390;
	assert_int_equal(judge(&survey, "408 MHz under load where 1152 MHz are stated"),
			 RAIN_CALIBRATE_STUCK);
	survey.temp_mc = RAIN_SURVEY_UNKNOWN;
	assert_int_equal(judge(&survey, "temperature is not known"), RAIN_CALIBRATE_STUCK);

	survey = sound();
	survey.temp_mc = 74000;
	survey.kinds[0].clock_khz = survey.clock_end_khz = 816000;
	assert_int_equal(judge(&survey, "1151 MHz at first, 816 MHz at the end"), RAIN_CALIBRATE_THROTTLED);
	survey = sound();
	survey.throttled = 3;
	assert_int_equal(judge(&survey, "cool it"), RAIN_CALIBRATE_THROTTLED);
	/* hot at its full clock is no fault */
	survey = sound();
	survey.temp_mc = 74000;
	assert_int_equal(judge(&survey, NULL), RAIN_CALIBRATE_SOUND);

	survey = sound();
	survey.kinds[0].dgemm_mflops = 900;
	assert_int_equal(judge(&survey, "slower than its siblings"), RAIN_CALIBRATE_DIFFERS);

	survey = sound();
	survey.busy_percent = 60;
	survey.kinds[0].dgemm_mflops = 500;
	assert_int_equal(judge(&survey, "60 %"), RAIN_CALIBRATE_BUSY);

	survey = sound();
	survey.slurm_cpus = 8;
	assert_int_equal(judge(&survey, "8 CPUs"), RAIN_CALIBRATE_COUNT);
}

/* Without cpufreq nothing is stated: that alone is no fault. */
static void silence_is_no_fault(void **state)
{
	struct rain_survey survey = sound();

	(void)state;
	survey.kinds[0].stated_khz = 0;
	survey.temp_mc = survey.temp_limit_mc = survey.throttled = RAIN_SURVEY_UNKNOWN;
	survey.flops_per_cycle = 0;
	survey.slurm_cpus = 0;
	assert_int_equal(judge(&survey, NULL), RAIN_CALIBRATE_SOUND);
	assert_int_equal(rain_calibrate_peak_mflops(&survey), 0);
}

static void the_peak_is_that_of_the_counted_clock(void **state)
{
	struct rain_survey survey = sound();

	(void)state;
	assert_int_equal(rain_calibrate_peak_mflops(&survey), 4 * 1150 * 2);
	survey.kinds[0].clock_khz = 408000;
	assert_int_equal(rain_calibrate_peak_mflops(&survey), 4 * 408 * 2);
	survey.kind_count = 2;
	survey.kinds[1] = (struct rain_survey_kind){.cores = 2, .clock_khz = 2000000, .dgemm_mflops = 3000};
	assert_int_equal(rain_calibrate_peak_mflops(&survey), 2 * (4 * 408 + 2 * 2000));
	assert_int_equal(rain_calibrate_dgemm_mflops(&survey), 4 * 1100 + 2 * 3000);
}

static void processors_are_known_by_their_marks(void **state)
{
	(void)state;
	assert_int_equal(rain_calibrate_flops_per_cycle("x86_64", "fpu sse2 avx fma avx2 avx512f", 0, 0), 32);
	assert_int_equal(rain_calibrate_flops_per_cycle("x86_64", "fpu sse2 avx fma avx2", 0, 0), 16);
	assert_int_equal(rain_calibrate_flops_per_cycle("x86_64", "fpu sse2 avx avx2x", 0, 0), 8);
	assert_int_equal(rain_calibrate_flops_per_cycle("x86_64", "fpu sse2", 0, 0), 4);
	assert_int_equal(rain_calibrate_flops_per_cycle("aarch64", "fp asimd", 0x41, 0xd03), 2);
	assert_int_equal(rain_calibrate_flops_per_cycle("aarch64", "fp asimd", 0x41, 0xfff), 0);
	assert_int_equal(rain_calibrate_flops_per_cycle("aarch64", "fp asimd", 0x61, 0xd03), 0);
	assert_int_equal(rain_calibrate_flops_per_cycle("riscv64", "", 0, 0), 0);
}

static void types_are_made_of_the_same_hardware(void **state)
{
	struct rain_survey nodes[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		nodes[i] = sound();
	nodes[1].mem_mb = 1960;
	nodes[2].kinds[0].dgemm_mflops = 500; /* slow, and still of the type */
	nodes[3].cores = nodes[3].threads = nodes[3].kinds[0].cores = 8;
	nodes[4].mem_mb = 4000;
	assert_true(rain_calibrate_is_alike(&nodes[0], &nodes[1]));
	assert_true(rain_calibrate_is_alike(&nodes[0], &nodes[2]));
	assert_false(rain_calibrate_is_alike(&nodes[0], &nodes[3]));
	assert_false(rain_calibrate_is_alike(&nodes[0], &nodes[4]));
	assert_int_equal(rain_calibrate_typical(nodes, 5, 0), 4400);
	assert_int_equal(rain_calibrate_typical(nodes, 5, 3), 8800);
}

static void the_node_line_is_slurms(void **state)
{
	struct rain_survey survey = sound();
	char line[256];

	(void)state;
	assert_int_equal(rain_calibrate_node_line(&survey, "node[1-8]", line, sizeof line), 0);
	assert_string_equal(line, "NodeName=node[1-8] CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 "
				  "ThreadsPerCore=1 RealMemory=1971");
	/* six cores, two of which have two threads */
	survey.cores = 6;
	survey.threads = 8;
	assert_int_equal(rain_calibrate_node_line(&survey, "n1", line, sizeof line), 0);
	assert_string_equal(line, "NodeName=n1 CPUs=8 RealMemory=1971");
	assert_int_equal(rain_calibrate_node_line(&survey, "n1", line, 10), -1);
}

/* What a node sends is read back as it was; and nothing out of its bounds. */
static void surveys_travel_as_json(void **state)
{
	struct rain_survey sent = sound(), got;
	struct rain_error err;
	json_t *object;

	(void)state;
	sent.temp_limit_mc = sent.throttled = RAIN_SURVEY_UNKNOWN;
	object = rain_survey_encode(&sent);
	assert_int_equal(rain_survey_decode(object, &got, &err), 0);
	assert_memory_equal(&got, &sent, sizeof got);
	json_object_set_new(object, "cores", json_integer(0));
	assert_int_equal(rain_survey_decode(object, &got, &err), -1);
	json_object_set_new(object, "cores", json_integer(4));
	json_object_set_new(object, "kinds", json_array());
	assert_int_equal(rain_survey_decode(object, &got, &err), -1);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ill_is_told_from_the_others),
		cmocka_unit_test(silence_is_no_fault),
		cmocka_unit_test(the_peak_is_that_of_the_counted_clock),
		cmocka_unit_test(processors_are_known_by_their_marks),
		cmocka_unit_test(types_are_made_of_the_same_hardware),
		cmocka_unit_test(the_node_line_is_slurms),
		cmocka_unit_test(surveys_travel_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
