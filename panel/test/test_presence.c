/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "panel/presence.h"

#define LISTENS "00000000f11279e2: 00000002 00000000 00010000 0001 01 31337 "
#define TALKS "00000000f11279e2: 00000003 00000000 00000000 0001 03 31337 "

static void test_lines(void **unused)
{
	static const struct {
		const char *line;
		uint32_t job;
	} lines[] = {
		{LISTENS "/var/spool/slurmd/node1_12.0", 12},
		{LISTENS "/var/spool/slurmd/node1_12.4294967291", 12},
		{LISTENS "/var/spool/slurmd/node1_12.0.1", 12},
		{LISTENS "/node1_4294967294.0", 4294967294u},
		{TALKS "/var/spool/slurmd/node1_12.0", 0},
		{LISTENS "/var/spool/slurmd/node11_12.0", 0},
		{LISTENS "/var/spool/slurmd/node_12.0", 0},
		{LISTENS "/var/spool/slurmd/node1_0.0", 0},
		{LISTENS "/var/spool/slurmd/node1_012.0", 0},
		{LISTENS "/var/spool/slurmd/node1_4294967295.0", 0},
		{LISTENS "/var/spool/slurmd/node1_99999999999999999999999.0", 0},
		{LISTENS "/var/spool/slurmd/node1_12", 0},
		{LISTENS "/var/spool/slurmd/node1_12.", 0},
		{LISTENS "/var/spool/slurmd/node1_.0", 0},
		{LISTENS "@/var/spool/slurmd/node1_12.0", 0},
		{LISTENS, 0},
		{"Num       RefCount Protocol Flags    Type St Inode Path", 0},
		{"", 0},
		{"        ", 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(rain_panel_presence_line(lines[i].line, "node1"), lines[i].job);
}

static void start(struct rain_panel_state *state, uint32_t job)
{
	struct rain_panel_notice notice = {.job = job, .uid = 1000};

	rain_panel_state_start(state, &notice, 0, 0, NULL);
}

static void test_doubt(void **unused)
{
	struct rain_panel_presence presence = {0};
	uint32_t due[RAIN_PANEL_QUESTIONS_MAX];
	struct rain_panel_state state;
	const uint32_t running[] = {1};
	int64_t asked[8];
	size_t count = 0;

	(void)unused;
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	start(&state, 1);
	start(&state, 2);
	rain_panel_presence_update(&presence, &state, running, 1, 0);
	/* Asked about once it is quiet for ten seconds, then ever more rarely. */
	for (int64_t now = 0; now < 1000000 && count < 8; now += 1000) {
		rain_panel_presence_update(&presence, &state, running, 1, now);
		if (rain_panel_presence_due(&presence, now, due) > 0) {
			assert_int_equal(due[0], 2);
			asked[count++] = now;
		}
	}
	assert_int_equal(asked[0], 10000);
	assert_int_equal(asked[1], 20000);
	assert_int_equal(asked[2], 40000);
	assert_int_equal(asked[3], 80000);
	assert_int_equal(asked[7] - asked[6], 300000);
	/* A step of it appears: no doubt any more. */
	const uint32_t both[] = {1, 2};
	rain_panel_presence_update(&presence, &state, both, 2, 1000000);
	assert_int_equal(presence.count, 0);
	/* Its end is told: none either. */
	rain_panel_presence_update(&presence, &state, running, 1, 1000000);
	assert_int_equal(presence.count, 1);
	rain_panel_state_end(&state, 2, 1000001);
	rain_panel_presence_update(&presence, &state, running, 1, 1000002);
	assert_int_equal(presence.count, 0);
}

static void test_discovery(void **unused)
{
	struct rain_panel_presence presence = {0};
	uint32_t due[RAIN_PANEL_QUESTIONS_MAX];
	struct rain_panel_state state;
	const uint32_t running[] = {9};

	(void)unused;
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	rain_panel_presence_update(&presence, &state, running, 1, 500);
	assert_int_equal(rain_panel_presence_due(&presence, 500, due), 1);
	assert_int_equal(due[0], 9);
	assert_int_equal(rain_panel_presence_due(&presence, 501, due), 0);
	start(&state, 9);
	rain_panel_presence_update(&presence, &state, running, 1, 600);
	assert_int_equal(presence.count, 0);
}

static void test_answers(void **unused)
{
	static const char *const bad[] = {
		"",
		"sorry",
		"{\"job\":12}",
		"{\"job\":12,\"here\":true}",
		"{\"job\":12,\"here\":true,\"uid\":-1,\"elapsed\":3}",
		"{\"job\":12,\"here\":true,\"uid\":1,\"elapsed\":-3}",
		"{\"job\":0,\"here\":false}",
	};
	struct rain_panel_answer answer;
	struct rain_error err;

	(void)unused;
	assert_int_equal(rain_panel_presence_answer(
				 "{\"job\":12,\"here\":true,\"uid\":20001,\"elapsed\":33}",
				 &answer, &err),
			 0);
	assert_true(answer.here && !answer.done);
	assert_int_equal(answer.job, 12);
	assert_int_equal(answer.uid, 20001);
	assert_int_equal(answer.elapsed_s, 33);
	assert_int_equal(rain_panel_presence_answer("{\"job\":12,\"here\":false}", &answer, &err),
			 0);
	assert_false(answer.here || answer.done);
	assert_int_equal(rain_panel_presence_answer("{\"done\":true}", &answer, &err), 0);
	assert_true(answer.done);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rain_panel_presence_answer(bad[i], &answer, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests_name("panel/presence", tests, NULL, NULL);
}
