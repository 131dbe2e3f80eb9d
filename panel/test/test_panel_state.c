/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "panel/frame.h"
#include "panel/state.h"

static struct rain_panel_notice make(uint32_t job, uid_t uid, enum rain_panel_kind kind)
{
	return (struct rain_panel_notice){.job = job, .uid = uid, .kind = kind};
}

static void test_start_and_end(void **unused)
{
	struct rain_panel_notice home = make(12, 1000, RAIN_PANEL_HOME);
	struct rain_panel_state state;

	(void)unused;
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	assert_int_equal(rain_panel_state_end(&state, 12, 1), 0);
	assert_int_equal(rain_panel_state_start(&state, &home, 5, 5, NULL), 1);
	assert_int_equal(rain_panel_state_start(&state, &home, 9, 9, NULL), 0);
	assert_int_equal(rain_panel_state_find(&state, 12)->since_ms, 5);
	assert_int_equal(rain_panel_state_end(&state, 12, 20), 1);
	assert_int_equal(rain_panel_state_end(&state, 12, 21), 0);
	assert_null(rain_panel_state_find(&state, 12));
}

static void test_id_used_again(void **unused)
{
	struct rain_panel_notice first = make(12, 1000, RAIN_PANEL_HOME);
	struct rain_panel_notice second = make(12, 61000, RAIN_PANEL_GUEST);
	struct rain_panel_state state;

	(void)unused;
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	rain_panel_state_start(&state, &first, 5, 5, NULL);
	assert_int_equal(rain_panel_state_start(&state, &second, 9, 9, NULL), 1);
	assert_int_equal(state.job_count, 1);
	assert_int_equal(state.jobs[0].uid, 61000);
	assert_int_equal(state.jobs[0].kind, RAIN_PANEL_GUEST);
	strcpy(second.peer, "bravo");
	assert_int_equal(rain_panel_state_start(&state, &second, 9, 9, NULL), 1);
	assert_string_equal(state.jobs[0].peer, "bravo");
	assert_int_equal(rain_panel_state_start(&state, &second, 9, 9, NULL), 0);
}

static void test_full(void **unused)
{
	struct rain_panel_state state;
	struct rain_panel_notice notice;
	struct rain_error err;

	(void)unused;
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	for (uint32_t id = 1; id <= RAIN_PANEL_JOBS_MAX; id++) {
		notice = make(id, 1000 + id, RAIN_PANEL_HOME);
		assert_int_equal(rain_panel_state_start(&state, &notice, 0, 0, NULL), 1);
	}
	notice = make(9999, 1, RAIN_PANEL_HOME);
	assert_int_equal(rain_panel_state_start(&state, &notice, 0, 0, &err), -1);
	assert_non_null(strstr(err.text, "64"));
	/* A new owner of a known id still finds room. */
	notice = make(3, 1, RAIN_PANEL_HOME);
	assert_int_equal(rain_panel_state_start(&state, &notice, 0, 0, NULL), 1);
	assert_int_equal(state.job_count, RAIN_PANEL_JOBS_MAX);
}

/* Whatever comes in whatever order: what the LEDs show is what runs. */
static void test_any_order(void **unused)
{
	(void)unused;
	srand(11);
	for (int round = 0; round < 500; round++) {
		bool runs[40] = {false};
		struct rain_panel_state state;
		int64_t now = 0;

		rain_panel_state_init(&state, RAIN_PANEL_STATUS);
		for (int step = 0; step < 200; step++) {
			uint32_t id = 1 + (uint32_t)rand() % 39;
			enum rain_panel_kind kind = id % 3 ? RAIN_PANEL_HOME : RAIN_PANEL_GUEST;
			struct rain_panel_notice notice = make(id, 1000 + id / 2, kind);
			struct rain_panel_frame frame;
			size_t count[2] = {0, 0};
			int changed;

			now += rand() % 3000;
			if (rand() % 2) {
				changed = rain_panel_state_start(&state, &notice, now, now, NULL);
				assert_int_equal(changed, !runs[id]);
				runs[id] = true;
			} else {
				changed = rain_panel_state_end(&state, id, now);
				assert_int_equal(changed, runs[id]);
				runs[id] = false;
			}
			for (uint32_t k = 1; k < 40; k++) {
				count[k % 3 ? RAIN_PANEL_HOME : RAIN_PANEL_GUEST] += runs[k];
				assert_int_equal(rain_panel_state_find(&state, k) != NULL, runs[k]);
			}
			assert_int_equal(state.job_count, count[0] + count[1]);
			assert_true(rain_panel_frame_compute(&state, now, &frame) > now);
			assert_int_equal(frame.show[RAIN_LED_USER1],
					 count[0] ? RAIN_SHOW_PATTERN : RAIN_SHOW_OFF);
			assert_int_equal(frame.show[RAIN_LED_USER2],
					 count[1] ? RAIN_SHOW_PATTERN : RAIN_SHOW_OFF);
			for (int led = RAIN_LED_USER1; led <= RAIN_LED_USER2; led++) {
				if (frame.show[led] == RAIN_SHOW_OFF)
					assert_int_equal(frame.level[led], RAIN_LED_DARK);
			}
		}
	}
}

static void test_mode_names(void **unused)
{
	enum rain_panel_mode mode;

	(void)unused;
	assert_int_equal(rain_panel_mode_parse("load", &mode), 0);
	assert_string_equal(rain_panel_mode_name(mode), "load");
	assert_int_equal(rain_panel_mode_parse("status", &mode), 0);
	assert_string_equal(rain_panel_mode_name(mode), "status");
	assert_int_equal(rain_panel_mode_parse("disco", &mode), -1);
}

/* What a job's program shows lasts until it says otherwise or the job ends; the
 * last one to speak is seen. */
static void test_drive(void **state)
{
	struct rain_panel_state panel;
	struct rain_panel_notice first = {.job = 1, .uid = 20001}, second = {.job = 2, .uid = 20002};
	struct rain_error err;

	(void)state;
	rain_panel_state_init(&panel, RAIN_PANEL_STATUS);
	assert_null(rain_panel_state_driver(&panel, 0));
	rain_panel_state_start(&panel, &first, 0, 0, NULL);
	rain_panel_state_start(&panel, &second, 0, 0, NULL);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 2, 5, &err), 1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 2, 9, &err), 0);
	assert_int_equal(rain_panel_state_driver(&panel, 0)->id, 1);
	assert_null(rain_panel_state_driver(&panel, 1));
	assert_int_equal(rain_panel_state_drive(&panel, 2, 0, RAIN_DRIVE_ON, 0, 10, &err), 1);
	assert_int_equal(rain_panel_state_driver(&panel, 0)->id, 2);
	assert_int_equal(rain_panel_state_end(&panel, 2, 11), 1);
	assert_int_equal(rain_panel_state_driver(&panel, 0)->id, 1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_AUTO, 0, 12, &err), 1);
	assert_null(rain_panel_state_driver(&panel, 0));
	/* A new job with an old number begins with nothing. */
	assert_int_equal(rain_panel_state_drive(&panel, 1, 1, RAIN_DRIVE_CODE, 3, 13, &err), 1);
	rain_panel_state_end(&panel, 1, 14);
	rain_panel_state_start(&panel, &first, 15, 15, NULL);
	assert_null(rain_panel_state_driver(&panel, 1));

	assert_int_equal(rain_panel_state_drive(&panel, 7, 0, RAIN_DRIVE_ON, 0, 16, &err), -1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 2, RAIN_DRIVE_ON, 0, 16, &err), -1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 0, 16, &err), -1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 11, 16, &err), -1);
	assert_int_equal(rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_CODE, 10, 16, &err), -1);
	assert_null(rain_panel_state_driver(&panel, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drive),
		cmocka_unit_test(test_start_and_end), cmocka_unit_test(test_id_used_again),
		cmocka_unit_test(test_full),	      cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_mode_names),
	};

	return cmocka_run_group_tests_name("panel/state", tests, NULL, NULL);
}
