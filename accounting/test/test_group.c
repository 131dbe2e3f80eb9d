// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "accounting/group.h"

/* What each caller was told, in a line. */
struct caller {
	char told[80];
	int times;
	struct rain_group *calls_again;
};

static void told(void *who, const char *answer, const char *error)
{
	struct caller *caller = who;

	caller->times++;
	snprintf(caller->told, sizeof(caller->told), "%s%s", answer ? "" : "error: ",
		 answer ? answer : error);
	if (caller->calls_again)
		assert_int_equal(rain_group_add(caller->calls_again, json_string("again"), caller), 0);
}

static void add(struct rain_group *group, struct caller *caller, const char *call)
{
	assert_int_equal(rain_group_add(group, json_string(call), caller), 0);
}

static void test_alone(void **state)
{
	struct rain_group *group = rain_group_create();
	struct caller a = {.told = ""};
	json_t *answers = json_pack("[{s:s}]", "answer", "held");

	(void)state;
	assert_int_equal(rain_group_wait_us(group, 10), -1);
	assert_null(rain_group_next(group));
	for (int i = 0; i < 3; i++) { /* never waits for others */
		add(group, &a, "a");
		assert_int_equal(rain_group_wait_us(group, 10 + i), 0);
		assert_int_equal(json_array_size(rain_group_next(group)), 1);
		assert_int_equal(rain_group_answer(group, answers, NULL, told, 10 + i), 1);
		assert_string_equal(a.told, "held");
		assert_int_equal(a.times, i + 1);
	}
	json_decref(answers);
	rain_group_destroy(group, told);
}

static void test_together(void **state)
{
	struct rain_group *group = rain_group_create();
	struct caller a = {.told = ""}, b = {.told = ""}, c = {.told = ""};
	json_t *answers = json_pack("[{s:s}, {s:s s:s}]", "answer", "posted", "state", "RN002",
				    "error", "not enough");
	const json_t *calls;

	(void)state;
	add(group, &a, "a");
	calls = rain_group_next(group);
	assert_ptr_equal(rain_group_under_way(group), calls);
	add(group, &b, "b");
	add(group, &c, "c");
	assert_int_equal(rain_group_waiting(group), 2);
	assert_int_equal(rain_group_wait_us(group, 1000), -1); /* one is under way */
	assert_null(rain_group_next(group));
	assert_int_equal(rain_group_answer(group, NULL, "lost", told, 1000), 1);
	assert_string_equal(a.told, "error: lost");
	assert_int_equal(b.times + c.times, 0);

	/* Three were here: two have patience, but not for long. */
	assert_int_equal(rain_group_wait_us(group, 1000), RAIN_GROUP_PATIENCE_US);
	assert_int_equal(rain_group_wait_us(group, 1000 + RAIN_GROUP_PATIENCE_US - 1), 1);
	assert_int_equal(rain_group_wait_us(group, 1000 + RAIN_GROUP_PATIENCE_US), 0);
	add(group, &a, "a");
	assert_int_equal(rain_group_wait_us(group, 1000), 0); /* all of them again */
	rain_group_next(group);
	json_array_append_new(answers, json_pack("{s:s}", "answer", "exists"));
	assert_int_equal(rain_group_answer(group, answers, NULL, told, 2000), 3);
	assert_string_equal(b.told, "posted");
	assert_string_equal(c.told, "error: not enough");
	assert_string_equal(a.told, "exists");
	assert_int_equal(a.times, 2);
	json_decref(answers);
	rain_group_destroy(group, told);
}

static void test_wrong_answers(void **state)
{
	struct rain_group *group = rain_group_create();
	struct caller a = {.told = ""}, b = {.told = ""};
	json_t *few = json_pack("[{s:s}]", "answer", "held"), *odd = json_pack("[{}, 5]");

	(void)state;
	add(group, &a, "a");
	add(group, &b, "b");
	rain_group_next(group);
	assert_int_equal(rain_group_answer(group, few, NULL, told, 0), 2);
	assert_non_null(strstr(a.told, "error: the ledger's database gave an unexpected answer"));
	assert_string_equal(a.told, b.told);
	add(group, &a, "a");
	add(group, &b, "b");
	rain_group_next(group);
	assert_int_equal(rain_group_answer(group, odd, NULL, told, 0), 2);
	assert_memory_equal(a.told, "error: ", 7);
	assert_memory_equal(b.told, "error: ", 7);
	json_decref(few);
	json_decref(odd);
	rain_group_destroy(group, told);
}

static void test_bounds(void **state)
{
	static struct caller callers[RAIN_GROUP_WAITING_MAX + 1];
	struct rain_group *group = rain_group_create();
	size_t left = RAIN_GROUP_WAITING_MAX;

	(void)state;
	for (int i = 0; i < RAIN_GROUP_WAITING_MAX; i++)
		add(group, &callers[i], "call");
	assert_int_equal(rain_group_add(group, json_string("one more"), &callers[RAIN_GROUP_WAITING_MAX]),
			 -1);
	assert_int_equal(rain_group_add(group, NULL, &callers[0]), -1);
	while (left > RAIN_GROUP_CALLS_MAX) {
		assert_int_equal(json_array_size(rain_group_next(group)), RAIN_GROUP_CALLS_MAX);
		assert_int_equal(rain_group_answer(group, NULL, "no", told, 0), RAIN_GROUP_CALLS_MAX);
		left -= RAIN_GROUP_CALLS_MAX;
		assert_int_equal(rain_group_wait_us(group, 0), 0); /* a full group is due */
	}
	rain_group_next(group);
	rain_group_destroy(group, told);
	for (int i = 0; i < RAIN_GROUP_WAITING_MAX; i++)
		assert_int_equal(callers[i].times, 1);
	assert_string_equal(callers[RAIN_GROUP_WAITING_MAX - 1].told, "error: " RAIN_GROUP_ENDED);
	assert_int_equal(callers[RAIN_GROUP_WAITING_MAX].times, 0);
}

static void test_calls_again(void **state)
{
	struct rain_group *group = rain_group_create();
	struct caller a = {.calls_again = group}, b = {.calls_again = group};
	json_t *answers = json_pack("[{s:s}, {s:s}]", "answer", "held", "answer", "held");

	(void)state;
	add(group, &a, "a");
	add(group, &b, "b");
	rain_group_next(group);
	assert_int_equal(rain_group_answer(group, answers, NULL, told, 0), 2);
	assert_int_equal(rain_group_waiting(group), 2);
	assert_int_equal(rain_group_wait_us(group, 0), 0);
	a.calls_again = b.calls_again = NULL;
	rain_group_destroy(group, told);
	assert_int_equal(a.times, 2);
	json_decref(answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),	     cmocka_unit_test(test_together),
		cmocka_unit_test(test_wrong_answers), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_calls_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
