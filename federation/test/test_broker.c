/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/array_tasks.h"
#include "federation/broker_check.h"
#include "federation/broker_home.h"

#define LOAN "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

static const struct rain_broker_limits limits = {
	.overflow_partition = "overflow",
	.guest_partition = "guest",
	.lend = true,
	.max_nodes = 8,
	.max_minutes = 60,
	.guest_uid_min = 61000,
	.guest_uid_max = 61015,
	.agent = "10.20.30.1:7247",
};

static struct rain_broker_request checked;
static struct rain_error err;

static int check_with(enum rain_broker_op op, const char *text,
		      const struct rain_broker_limits *with)
{
	json_t *request = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(request);
	err.text[0] = '\0';
	rc = rain_broker_check(op, request, with, &checked, &err);
	json_decref(request);
	if (rc < 0)
		assert_true(err.text[0] != '\0');
	return rc;
}

static int check(enum rain_broker_op op, const char *text)
{
	return check_with(op, text, &limits);
}

static void refused(enum rain_broker_op op, const char *text, const char *because)
{
	assert_int_equal(check(op, text), -1);
	if (!strstr(err.text, because))
		fail_msg("\"%s\" does not say \"%s\"", err.text, because);
}

static void queue_has_pages(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_QUEUE, "{}"), 0);
	assert_int_equal(checked.after, 0);
	assert_int_equal(checked.limit, RAIN_BROKER_QUEUE_LIMIT);
	assert_int_equal(check(RAIN_BROKER_QUEUE, "{\"after\":7,\"limit\":2}"), 0);
	assert_int_equal(checked.after, 7);
	assert_int_equal(checked.limit, 2);
	refused(RAIN_BROKER_QUEUE, "{\"limit\":0}", "limit");
	refused(RAIN_BROKER_QUEUE, "{\"limit\":1001}", "limit");
	refused(RAIN_BROKER_QUEUE, "{\"after\":-1}", "after");
}

static void bind_needs_a_job_and_a_peer(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_BIND,
			       "{\"job_id\":12,\"submit_time\":1700000000,\"feature\":\"bravo\"}"),
			 0);
	assert_int_equal(checked.op, RAIN_BROKER_BIND);
	assert_int_equal(checked.job_id, 12);
	assert_int_equal(checked.submit_time, 1700000000);
	assert_string_equal(checked.feature, "bravo");
	refused(RAIN_BROKER_BIND, "{\"submit_time\":1,\"feature\":\"bravo\"}", "job_id");
	refused(RAIN_BROKER_BIND, "{\"job_id\":0,\"submit_time\":1,\"feature\":\"bravo\"}", "job_id");
	refused(RAIN_BROKER_BIND, "{\"job_id\":4294967294,\"submit_time\":1,\"feature\":\"bravo\"}",
		"job_id");
	refused(RAIN_BROKER_BIND, "{\"job_id\":12,\"feature\":\"bravo\"}", "submit_time");
	refused(RAIN_BROKER_BIND, "{\"job_id\":12,\"submit_time\":1}", "feature");
	refused(RAIN_BROKER_BIND, "{\"job_id\":12,\"submit_time\":1,\"feature\":\"bravo|big\"}",
		"feature");
	refused(RAIN_BROKER_BIND, "{\"job_id\":12,\"submit_time\":1,\"feature\":\"\"}", "feature");
	refused(RAIN_BROKER_BIND,
		"{\"job_id\":12,\"submit_time\":1,\"feature\":\"abcdefghijklmnopqrstuvwxyz\"}",
		"feature");
	refused(RAIN_BROKER_BIND, "{\"job_id\":\"12\",\"submit_time\":1,\"feature\":\"bravo\"}",
		"job_id");
}

static void unbind_only_goes_home(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_UNBIND, "{\"job_id\":12,\"submit_time\":1}"), 0);
	assert_false(checked.home_given);
	assert_int_equal(check(RAIN_BROKER_UNBIND,
			       "{\"job_id\":12,\"submit_time\":1,\"partition\":\"trainer\","
			       "\"features\":\"big&fast\",\"held\":true}"),
			 0);
	assert_true(checked.home_given);
	assert_true(checked.held);
	assert_string_equal(checked.partition, "trainer");
	assert_string_equal(checked.features, "big&fast");
	refused(RAIN_BROKER_UNBIND,
		"{\"job_id\":12,\"submit_time\":1,\"partition\":\"overflow\"}", "no home");
	refused(RAIN_BROKER_UNBIND, "{\"job_id\":12,\"submit_time\":1,\"partition\":\"a,guest\"}",
		"no home");
	refused(RAIN_BROKER_UNBIND, "{\"job_id\":12,\"submit_time\":1,\"partition\":\"a b\"}",
		"partition");
	refused(RAIN_BROKER_UNBIND,
		"{\"job_id\":12,\"submit_time\":1,\"partition\":\"a\",\"features\":\"x;y\"}",
		"features");
	refused(RAIN_BROKER_UNBIND,
		"{\"job_id\":12,\"submit_time\":1,\"partition\":\"a\",\"held\":1}", "held");
}

static void annotate_takes_one_line(void **state)
{
	char text[600];

	(void)state;
	assert_int_equal(check(RAIN_BROKER_ANNOTATE, "{\"job_id\":1,\"text\":\"läuft auf bravo\"}"),
			 0);
	assert_string_equal(checked.text, "läuft auf bravo");
	refused(RAIN_BROKER_ANNOTATE, "{\"job_id\":1,\"text\":\"a\\nb\"}", "control");
	refused(RAIN_BROKER_ANNOTATE, "{\"job_id\":1,\"text\":\"a\\u001b[2J\"}", "control");
	refused(RAIN_BROKER_ANNOTATE, "{\"job_id\":1}", "text");
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"job_id\":1,\"text\":\"", 20);
	strcpy(text + sizeof(text) - 3, "\"}");
	refused(RAIN_BROKER_ANNOTATE, text, "text");
}

#define SUBMIT(more)                                                                            \
	"{\"loan\":\"" LOAN "\",\"uid\":61003,\"nodes\":4,\"tasks\":16,\"minutes\":10" more "}"

static void guest_submit_takes_the_whole_shape(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_GUEST_SUBMIT,
			       SUBMIT(",\"cpus_per_task\":1,\"ntasks_per_node\":4,\"peer\":\"bravo\","
				      "\"agent_url\":\"http://10.0.0.1:7247\"")),
			 0);
	assert_string_equal(checked.loan, LOAN);
	assert_int_equal(checked.uid, 61003);
	assert_int_equal(checked.nodes, 4);
	assert_int_equal(checked.tasks, 16);
	assert_int_equal(checked.ntasks_per_node, 4);
	assert_string_equal(checked.agent, "10.0.0.1:7247");
	assert_string_equal(checked.peer, "bravo");
	assert_string_equal(checked.owner, "");
	assert_int_equal(check(RAIN_BROKER_GUEST_SUBMIT,
			       SUBMIT(",\"owner\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
				      "0123456789abcdef\"")),
			 0);
	assert_int_equal(strlen(checked.owner), RAIN_BROKER_OWNER_LENGTH);
	assert_int_equal(check(RAIN_BROKER_GUEST_SUBMIT, SUBMIT("")), 0);
	assert_string_equal(checked.agent, "10.20.30.1:7247");
	assert_int_equal(checked.cpus_per_task, 1);
	assert_int_equal(
		check(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"agent_url\":\"[fd00::1]:7247\"")), 0);
}

static void guest_submit_keeps_the_owners_bounds(void **state)
{
	struct rain_broker_limits miser = limits;

	(void)state;
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"uid\":0"), "uid");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"peer\":\"a=b\""), "peer");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"owner\":\"../../0123\""), "owner");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"uid\":1000"), "uid");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"uid\":61016"), "uid");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"nodes\":9"), "nodes");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"minutes\":61"), "minutes");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"tasks\":3"), "3 tasks can't fill 4 nodes");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"ntasks_per_node\":3"), "do not fit");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"tasks\":1048576,\"cpus_per_task\":4096"),
		"CPUs");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"loan\":\"../../etc\""), "loan");
	refused(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"loan\":\"0A1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\""),
		"loan");
	miser.lend = false;
	assert_int_equal(check_with(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(""), &miser), -1);
	miser = limits;
	miser.guest_uid_min = miser.guest_uid_max = 0;
	assert_int_equal(check_with(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(",\"uid\":0"), &miser), -1);
	miser = limits;
	miser.agent = "0.0.0.0:7247";
	assert_int_equal(check_with(RAIN_BROKER_GUEST_SUBMIT, SUBMIT(""), &miser), -1);
}

static void the_agent_is_one_plain_word(void **state)
{
	static const char *const bad[] = {
		"x'; rm -rf /", "a:1 --loan b", "$(id):1", "host", "host:0", "host:99999",
		"-x:1", "https://host:1", "http://host:1/x", "a\\\\nb:1", "",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), SUBMIT(",\"agent_url\":\"%s\""), bad[i]);
		refused(RAIN_BROKER_GUEST_SUBMIT, text, "agent_url");
	}
}

static void guest_jobs_are_named_by_id_and_loan(void **state)
{
	(void)state;
	for (int op = RAIN_BROKER_GUEST_RELEASE; op <= RAIN_BROKER_GUEST_QUERY; op++) {
		assert_int_equal(check((enum rain_broker_op)op, "{\"job_id\":5}"), 0);
		assert_string_equal(checked.loan, "");
		assert_int_equal(check((enum rain_broker_op)op,
				       "{\"job_id\":5,\"loan\":\"" LOAN "\"}"),
				 0);
		assert_string_equal(checked.loan, LOAN);
		refused((enum rain_broker_op)op, "{}", "job_id");
		refused((enum rain_broker_op)op, "{\"job_id\":5,\"loan\":\"x\"}", "loan");
	}
	assert_int_equal(check(RAIN_BROKER_GUEST_FIND, "{\"loan\":\"" LOAN "\"}"), 0);
	refused(RAIN_BROKER_GUEST_FIND, "{}", "loan");
	assert_int_equal(check(RAIN_BROKER_MAP, "{\"uid\":1000}"), 0);
	refused(RAIN_BROKER_MAP, "{\"uid\":4294967295}", "uid");
	assert_int_equal(check(RAIN_BROKER_CAPACITY, "{}"), 0);
	assert_int_equal(check((enum rain_broker_op)RAIN_BROKER_OP_COUNT, "{}"), -1);
}

static void a_home_survives_its_record(void **state)
{
	static const char *const comments[] = {
		"rain: burst=auto max-tokens=5.000000; waits for a peer",
		"by the administrator; rain: burst=only",
		"",
	};
	struct rain_broker_home home = {"trainer,long", "[a|b]*2&c", true}, read;

	(void)state;
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		char *with = rain_broker_home_write(comments[i], &home, &err);
		char *again, *without;
		struct rain_burst burst;

		assert_non_null(with);
		assert_int_equal(rain_broker_home_read(with, &read, &err), 1);
		assert_string_equal(read.partition, home.partition);
		assert_string_equal(read.features, home.features);
		assert_true(read.held);
		again = rain_broker_home_write(with, &home, &err);
		assert_string_equal(again, with);
		/* The tag is still found behind it. */
		assert_int_equal(rain_burst_tag_read(with, &burst, NULL, NULL, &err),
				 comments[i][0] ? 1 : 0);
		without = rain_broker_home_write(with, NULL, &err);
		assert_string_equal(without, comments[i]);
		free(with);
		free(again);
		free(without);
	}
	strcpy(home.features, "");
	home.held = false;
	{
		char *with = rain_broker_home_write(NULL, &home, &err);

		assert_int_equal(rain_broker_home_read(with, &read, &err), 1);
		assert_string_equal(read.features, "");
		assert_false(read.held);
		free(with);
	}
}

static void a_new_sentence_keeps_the_home(void **state)
{
	struct rain_broker_home home = {"trainer", "", false}, read;
	struct rain_burst burst;
	char *with = rain_broker_home_write("rain: burst=auto; old", &home, &err);
	char *text;

	(void)state;
	assert_int_equal(rain_burst_tag_read(with, &burst, NULL, NULL, &err), 1);
	text = rain_burst_tag_write(with, &burst, "new", &err);
	assert_string_equal(
		text, "rain-home: partition=trainer features= hold=no; rain: burst=auto; new");
	assert_int_equal(rain_broker_home_read(text, &read, &err), 1);
	free(with);
	free(text);
}

static void a_malformed_home_is_an_error(void **state)
{
	static const char *const bad[] = {
		"rain-home: ", "rain-home: partition=a", "rain-home: partition=a features=x hold=maybe",
		"rain-home: partition= features=x hold=no", "rain-home: partition=a features hold=no",
		"rain-home: partition=a$b features= hold=no", "x; rain-home: hold=no",
		"rain-home: partition=a; features=b hold=no",
	};
	struct rain_broker_home home;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rain_broker_home_read(bad[i], &home, &err), -1);
	assert_int_equal(rain_broker_home_read(NULL, &home, &err), 0);
	assert_int_equal(rain_broker_home_read("xrain-home: partition=a", &home, &err), 0);
}

static void assert_tasks(const char *text, size_t count, const uint32_t expected[])
{
	uint32_t tasks[4] = {0};

	assert_int_equal(rain_array_tasks_first(text, tasks, 4), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(tasks[i], expected[i]);
}

static void tasks_of_an_array(void **state)
{
	(void)state;
	assert_tasks("7", 1, (uint32_t[]){7});
	assert_tasks("7%2", 1, (uint32_t[]){7});
	assert_tasks("0-9", 4, (uint32_t[]){0, 1, 2, 3});
	assert_tasks("1-9:4%2", 3, (uint32_t[]){1, 5, 9});
	assert_tasks("1,3-4,10-20", 4, (uint32_t[]){1, 3, 4, 10});
	/* what Slurm shortens */
	assert_tasks("1,3,...", 2, (uint32_t[]){1, 3});
	assert_tasks("1,3...", 1, (uint32_t[]){1});
	assert_tasks("1-1...", 1, (uint32_t[]){1});
	assert_tasks("1-9:...", 1, (uint32_t[]){1});
	assert_tasks("", 0, NULL);
	assert_tasks(NULL, 0, NULL);
	assert_tasks("99999999999999999999", 0, NULL);
	assert_tasks("5-1", 0, NULL);
	assert_tasks("1-9:0", 1, (uint32_t[]){1});
}

static void split_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_SPLIT, "{\"job_id\":7,\"submit_time\":9,\"tasks\":8}"), 0);
	assert_int_equal(checked.tasks, 8);
	refused(RAIN_BROKER_SPLIT, "{\"job_id\":7,\"submit_time\":9,\"tasks\":65}", "tasks");
	refused(RAIN_BROKER_SPLIT, "{\"job_id\":7,\"tasks\":1}", "submit_time");
}

static void a_home_keeps_the_time_limit(void **state)
{
	struct rain_broker_home home = {.partition = "trainer", .minutes = 10}, back;
	char *text = rain_broker_home_write("rain: burst=auto", &home, &err);

	(void)state;
	assert_string_equal(text, "rain-home: partition=trainer features= hold=no minutes=10; rain: burst=auto");
	assert_int_equal(rain_broker_home_read(text, &back, &err), 1);
	assert_int_equal(back.minutes, 10);
	free(text);
}

static void clock_and_end(void **state)
{
	(void)state;
	assert_int_equal(check(RAIN_BROKER_CLOCK, "{\"job_id\":7,\"submit_time\":9,\"seconds\":60}"), 0);
	assert_int_equal(checked.seconds, 60);
	refused(RAIN_BROKER_CLOCK, "{\"job_id\":7,\"submit_time\":9,\"seconds\":0}", "seconds");
	assert_int_equal(check(RAIN_BROKER_END, "{\"job_id\":7,\"submit_time\":9,\"as\":\"timeout\"}"), 0);
	assert_false(checked.out_of_memory);
	assert_int_equal(check(RAIN_BROKER_END, "{\"job_id\":7,\"submit_time\":9,\"as\":\"out_of_memory\"}"), 0);
	assert_true(checked.out_of_memory);
	refused(RAIN_BROKER_END, "{\"job_id\":7,\"submit_time\":9,\"as\":\"failed\"}", "as");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_has_pages),
		cmocka_unit_test(bind_needs_a_job_and_a_peer),
		cmocka_unit_test(unbind_only_goes_home),
		cmocka_unit_test(annotate_takes_one_line),
		cmocka_unit_test(guest_submit_takes_the_whole_shape),
		cmocka_unit_test(guest_submit_keeps_the_owners_bounds),
		cmocka_unit_test(the_agent_is_one_plain_word),
		cmocka_unit_test(guest_jobs_are_named_by_id_and_loan),
		cmocka_unit_test(a_home_survives_its_record),
		cmocka_unit_test(a_new_sentence_keeps_the_home),
		cmocka_unit_test(a_malformed_home_is_an_error),
		cmocka_unit_test(tasks_of_an_array),
		cmocka_unit_test(split_is_bounded),
		cmocka_unit_test(a_home_keeps_the_time_limit),
		cmocka_unit_test(clock_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
