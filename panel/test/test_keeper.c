/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two real rain-paneld: one gives out the owners' codes, the other one asks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/clock.h"
#include "panel/pattern.h"
#include "panel/test/paneld_fixture.h"

#define UID_FIRST 20001
#define UID_SECOND (UID_FIRST + RAIN_PATTERN_COUNT)

struct pair {
	struct fixture *keeper, *other;
};

static int set_up_pair(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	char more[64];

	set_up((void **)&pair->keeper);
	set_up((void **)&pair->other);
	stop(pair->keeper);
	stop(pair->other);
	snprintf(more, sizeof(more), "code-keeper = \"%s\"", pair->keeper->node);
	write_config(pair->keeper, pair->keeper->port, more);
	write_config(pair->other, pair->keeper->port, "code-keeper = \"localhost\"");
	write_file(pair->keeper, "owners", "{\"owners\":[]}\n", 0644);
	launch(pair->keeper);
	launch(pair->other);
	*state = pair;
	return 0;
}

static int tear_down_pair(void **state)
{
	struct pair *pair = *state;

	tear_down((void **)&pair->keeper);
	tear_down((void **)&pair->other);
	free(pair);
	return 0;
}

static void kill_dead(struct fixture *fixture)
{
	kill(fixture->pid, SIGKILL);
	assert_int_equal(waitpid(fixture->pid, NULL, 0), fixture->pid);
	fixture->pid = 0;
}

static bool plays(const struct fixture *fixture, int job, unsigned int pattern)
{
	json_t *frame = frame_of(fixture);
	const char *code = json_string_value(json_object_get(job_of(frame, job), "code"));
	bool same = code && strcmp(code, rain_pattern_code(pattern)) == 0;

	json_decref(frame);
	return same;
}

static void wait_for_code(const struct fixture *fixture, int job, unsigned int pattern)
{
	int64_t until = rain_clock_monotonic_ms() + 2 * PATIENCE_MS;

	while (!plays(fixture, job, pattern)) {
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 20);
	}
}

/* What a node is told when it asks: the code, or NULL. */
static const char *ask(const struct fixture *fixture, const char *question, bool *ok)
{
	struct talk *talk = talk_to(connect_tcp(fixture));
	static char code[RAIN_PATTERN_CODE_MAX + 1];
	const char *said;
	json_t *reply;

	say(talk, question);
	reply = hear(talk);
	*ok = json_is_true(json_object_get(reply, "ok"));
	said = json_string_value(json_object_get(json_object_get(reply, "result"), "code"));
	snprintf(code, sizeof(code), "%s", said ? said : "");
	json_decref(reply);
	hang_up(talk);
	return said ? code : NULL;
}

/* Two owners who want the same number, on two nodes; whatever is killed, they differ. */
static void test_codes_differ_between_nodes(void **state)
{
	const unsigned int wanted = UID_FIRST % RAIN_PATTERN_COUNT;
	struct pair *pair = *state;

	notify_job(pair->keeper, RAIN_PANEL_START, 1, UID_FIRST, RAIN_PANEL_HOME);
	notify_job(pair->other, RAIN_PANEL_START, 2, UID_SECOND, RAIN_PANEL_GUEST);
	/* Slurm does not know of them yet: each node chooses by itself */
	wait_for_job(pair->other, 2, true);
	assert_true(plays(pair->other, 2, wanted));
	write_file(pair->keeper, "owners", "{\"owners\":[20001,20031]}\n", 0644);
	wait_for_code(pair->other, 2, wanted + 1);
	wait_for_code(pair->keeper, 1, wanted);

	/* without the keeper: its own choice, until the keeper is back */
	kill_dead(pair->keeper);
	kill_dead(pair->other);
	write_file(pair->keeper, "owners", "{\"owners\":[20031,20001]}\n", 0644);
	launch(pair->other);
	notify_job(pair->other, RAIN_PANEL_START, 2, UID_SECOND, RAIN_PANEL_GUEST);
	wait_for_code(pair->other, 2, wanted);
	launch(pair->keeper);
	wait_for_code(pair->other, 2, wanted + 1);
	notify_job(pair->keeper, RAIN_PANEL_START, 1, UID_FIRST, RAIN_PANEL_HOME);
	wait_for_code(pair->keeper, 1, wanted);
}

/* A keeper that hears and says nothing holds up neither lights nor notices. */
static void test_stuck_keeper(void **state)
{
	struct pair *pair = *state;

	kill(pair->keeper->pid, SIGSTOP);
	for (int job = 1; job <= 20; job++) {
		notify_job(pair->other, RAIN_PANEL_START, (uint32_t)job, UID_FIRST,
			   RAIN_PANEL_HOME);
		wait_for_job(pair->other, job, true);
		assert_true(plays(pair->other, job, UID_FIRST % RAIN_PATTERN_COUNT));
		notify_job(pair->other, RAIN_PANEL_END, (uint32_t)job, UID_FIRST,
			   RAIN_PANEL_HOME);
		wait_for_job(pair->other, job, false);
	}
	kill(pair->keeper->pid, SIGCONT);
}

/* Anybody on the network may ask, and only Slurm makes an owner. */
static void test_strangers(void **state)
{
	static const char *const wrong[] = {
		"{\"op\":\"code\"}\n", "{\"op\":\"code\",\"uid\":-1}\n",
		"{\"op\":\"code\",\"uid\":4294967295}\n", "{\"op\":\"code\",\"uid\":\"1\"}\n",
	};
	struct pair *pair = *state;
	struct talk *talk;
	bool ok;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(ask(pair->keeper, wrong[i], &ok));
		assert_false(ok);
	}
	assert_null(ask(pair->other, "{\"op\":\"code\",\"uid\":20001}\n", &ok));
	assert_false(ok);
	/* a flood of uids gives nobody anything */
	talk = talk_to(connect_tcp(pair->keeper));
	for (int uid = 30000; uid < 31000; uid++) {
		char question[64];
		json_t *reply;

		snprintf(question, sizeof(question), "{\"op\":\"code\",\"uid\":%d}\n", uid);
		say(talk, question);
		reply = hear(talk);
		assert_true(json_is_true(json_object_get(reply, "ok")));
		assert_null(json_object_get(json_object_get(reply, "result"), "code"));
		json_decref(reply);
	}
	hang_up(talk);
	write_file(pair->keeper, "owners", "{\"owners\":[20001]}\n", 0644);
	notify_job(pair->other, RAIN_PANEL_START, 1, UID_FIRST, RAIN_PANEL_HOME);
	for (int64_t until = rain_clock_monotonic_ms() + 2 * PATIENCE_MS;;) {
		const char *code = ask(pair->keeper, "{\"op\":\"code\",\"uid\":20001}\n", &ok);

		assert_true(ok);
		if (code) {
			assert_string_equal(code, rain_pattern_code(UID_FIRST % RAIN_PATTERN_COUNT));
			break;
		}
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 50);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up_pair, tear_down_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_codes_differ_between_nodes),
		TEST(test_stuck_keeper),
		TEST(test_strangers),
	};

	return cmocka_run_group_tests_name("panel/keeper", tests, NULL, NULL);
}
