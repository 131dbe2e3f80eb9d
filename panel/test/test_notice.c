/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "panel/notice.h"

static int decode(const char *text, struct rain_panel_notice *notice)
{
	struct rain_error err = {0};
	int rc = rain_panel_notice_decode(text, strlen(text), notice, &err);

	/* Every refusal says why. */
	assert_int_equal(rc < 0, err.text[0] != '\0');
	return rc;
}

static void test_golden(void **state)
{
	struct rain_panel_notice notice = {RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME, ""};
	char text[RAIN_PANEL_NOTICE_MAX];
	int length;

	(void)state;
	length = rain_panel_notice_encode(&notice, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text,
			    "{\"v\":1,\"event\":\"start\",\"job\":12,\"uid\":20001,\"kind\":\"home\"}");
	notice.event = RAIN_PANEL_END;
	notice.kind = RAIN_PANEL_GUEST;
	strcpy(notice.peer, "bravo-2");
	length = rain_panel_notice_encode(&notice, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "{\"v\":1,\"event\":\"end\",\"job\":12,\"uid\":20001,"
				  "\"kind\":\"guest\",\"peer\":\"bravo-2\"}");
}

static void test_round_trip(void **state)
{
	static const uint32_t jobs[] = {1, 77, UINT32_MAX - 1};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (int event = 0; event < 2; event++) {
			for (int kind = 0; kind < 2; kind++) {
				struct rain_panel_notice in = {0}, out;
				char text[RAIN_PANEL_NOTICE_MAX];

				in.event = (enum rain_panel_event)event;
				in.kind = (enum rain_panel_kind)kind;
				in.job = jobs[i];
				in.uid = (uid_t)(i ? UINT32_MAX - 1 : 0);
				snprintf(in.peer, sizeof(in.peer), "%s", i ? "sixteenletters16" : "");
				assert_true(rain_panel_notice_encode(&in, text) > 0);
				assert_int_equal(decode(text, &out), 0);
				assert_int_equal(out.event, in.event);
				assert_int_equal(out.job, in.job);
				assert_int_equal(out.uid, in.uid);
				assert_int_equal(out.kind, in.kind);
				assert_string_equal(out.peer, in.peer);
			}
		}
	}
}

static void test_impossible_values_are_not_written(void **state)
{
	const struct rain_panel_notice good = {RAIN_PANEL_START, 1, 1, RAIN_PANEL_HOME, ""};
	struct rain_panel_notice bad;
	char text[RAIN_PANEL_NOTICE_MAX];

	(void)state;
	bad = good;
	bad.job = 0;
	assert_int_equal(rain_panel_notice_encode(&bad, text), -1);
	bad = good;
	bad.event = (enum rain_panel_event)2;
	assert_int_equal(rain_panel_notice_encode(&bad, text), -1);
	bad = good;
	bad.kind = (enum rain_panel_kind)-1;
	assert_int_equal(rain_panel_notice_encode(&bad, text), -1);
	bad = good;
	strcpy(bad.peer, "a\",\"x\":\"");
	assert_int_equal(rain_panel_notice_encode(&bad, text), -1);
	bad = good;
	memset(bad.peer, 'a', sizeof(bad.peer));
	assert_int_equal(rain_panel_notice_encode(&bad, text), -1);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"v\":2,\"event\":\"start\",\"job\":1,\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"dance\",\"job\":1,\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":0,\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":-1,\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":4294967295,\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":\"1\",\"uid\":1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":-1,\"kind\":\"home\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":1,\"kind\":\"friend\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":1}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":1,\"kind\":\"guest\",\"peer\":\"B\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":1,\"kind\":\"guest\","
		"\"peer\":\"seventeenletters1\"}",
		"{\"v\":1,\"event\":\"start\",\"job\":1,\"uid\":1,\"kind\":\"home\"}{}",
	};
	struct rain_panel_notice notice;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode(bad[i], &notice), -1);
}

static void test_cut_anywhere(void **state)
{
	static const char whole[] = "{\"v\":1,\"event\":\"start\",\"job\":12,\"uid\":20001,"
				    "\"kind\":\"guest\",\"peer\":\"bravo\",\"later\":[1,{}]}";
	struct rain_panel_notice notice;
	char text[RAIN_PANEL_NOTICE_MAX + 64];

	(void)state;
	assert_int_equal(decode(whole, &notice), 0); /* unknown fields don't matter */
	for (size_t size = 0; size < strlen(whole); size++)
		assert_int_equal(rain_panel_notice_decode(whole, size, &notice, NULL), -1);
	/* Longer than a datagram may be. */
	memset(text, ' ', sizeof(text));
	memcpy(text, whole, strlen(whole));
	assert_int_equal(rain_panel_notice_decode(text, sizeof(text), &notice, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_impossible_values_are_not_written),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests_name("panel/notice", tests, NULL, NULL);
}
