// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/submit_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct rain_submit_settings settings = {
	.overflow_partition = "overflow",
	.guest_partition = "guest",
	.guest_uid_min = 61000,
	.guest_uid_max = 61015,
};

static struct rain_submission submission;
static struct rain_submit_verdict verdict;
static struct rain_modification modification;
static struct rain_error error;
static char *environment[4];

static int setup(void **state)
{
	(void)state;
	submission = (struct rain_submission){
		.submitter = 20001,
		.spank_environment = environment,
	};
	modification = (struct rain_modification){.requester = 20001, .partition = "trainer"};
	memset(&verdict, 0, sizeof verdict);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(verdict.admin_comment);
	verdict.admin_comment = NULL;
	return 0;
}

static void ask(char *option)
{
	environment[submission.spank_environment_count++] = option;
}

static enum rain_submit_answer decide(void)
{
	free(verdict.admin_comment);
	rain_submit_decide(&settings, &submission, &verdict);
	return verdict.answer;
}

static void assert_says(const char *part)
{
	if (!strstr(verdict.message, part))
		fail_msg("\"%s\" doesn't say \"%s\"", verdict.message, part);
}

static void test_a_plain_job_is_left_alone(void **state)
{
	(void)state;
	ask("HOME=/home/ada");
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_string_equal(verdict.message, "");
	assert_null(verdict.admin_comment);
	assert_false(verdict.hold);
}

static void test_auto_is_tagged(void **state)
{
	(void)state;
	ask("_SLURM_SPANK_OPTION_rain_burst=auto");
	ask("_SLURM_SPANK_OPTION_rain_burst_max_tokens=5");
	ask("_SLURM_SPANK_OPTION_rain_burst_peers=bravo,charlie");
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_string_equal(verdict.admin_comment,
			    "rain: burst=auto max-tokens=5.000000 peers=bravo,charlie;");
	assert_says("bravo, charlie");
	assert_says("5.000000 tokens");
	assert_false(verdict.hold);
}

static void test_the_balance_is_told(void **state)
{
	(void)state;
	ask("_SLURM_SPANK_OPTION_rain_burst=auto");
	decide();
	assert_says("your balance isn't known just now");
	submission.balance_known = true;
	decide();
	assert_says("you have no tokens to spend");
	submission.available_utok = 2500000;
	decide();
	assert_says("you can spend 2.500000 tokens");
}

static void test_only_is_held(void **state)
{
	(void)state;
	ask("_SLURM_SPANK_OPTION_rain_burst=only");
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_string_equal(verdict.admin_comment, "rain: burst=only;");
	assert_true(verdict.hold);
	assert_says("held");
	assert_says("balance isn't known");
	submission.is_held = true;
	assert_int_equal(decide(), RAIN_SUBMIT_UNSUPPORTED);
	assert_says("--hold");
}

static void test_options_are_checked_again(void **state)
{
	(void)state;
	ask("_SLURM_SPANK_OPTION_rain_burst=maybe");
	assert_int_equal(decide(), RAIN_SUBMIT_INVALID);
	assert_says("--burst=maybe");
	environment[0] = "_SLURM_SPANK_OPTION_rain_bursting=1";
	assert_int_equal(decide(), RAIN_SUBMIT_INVALID);
	assert_says("--bursting");
	environment[0] = "_SLURM_SPANK_OPTION_rain_stage_in=../x";
	assert_int_equal(decide(), RAIN_SUBMIT_INVALID);
	assert_says("--stage-in");
	environment[0] = "_SLURM_SPANK_OPTION_rain_burst_peers=bravo";
	assert_int_equal(decide(), RAIN_SUBMIT_INVALID);
	assert_says("needs --burst");
	environment[0] = "_SLURM_SPANK_OPTION_rain_burst";
	assert_int_equal(decide(), RAIN_SUBMIT_INVALID);
}

static void test_what_cannot_burst(void **state)
{
	bool *const obstacles[] = {&submission.is_het, &submission.is_recurring};

	(void)state;
	ask("_SLURM_SPANK_OPTION_rain_burst=auto");
	for (size_t i = 0; i < sizeof obstacles / sizeof *obstacles; i++) {
		*obstacles[i] = true;
		environment[0] = "_SLURM_SPANK_OPTION_rain_burst=auto";
		assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
		assert_null(verdict.admin_comment);
		assert_says("runs at home");
		environment[0] = "_SLURM_SPANK_OPTION_rain_burst=only";
		assert_int_equal(decide(), RAIN_SUBMIT_UNSUPPORTED);
		assert_says("not queued");
		*obstacles[i] = false;
	}
}

static void test_partitions_of_rain(void **state)
{
	static const char *const refused[] = {"overflow", "guest", "trainer,overflow", "guest,trainer"};
	static const char *const allowed[] = {NULL, "trainer", "overflow2,guests", ""};

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		submission.partition = refused[i];
		assert_int_equal(decide(), RAIN_SUBMIT_DENY);
		assert_says("--burst=auto");
		submission.privileged = true;
		assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
		submission.privileged = false;
	}
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
		submission.partition = allowed[i];
		assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	}
}

/* … but for its own process on the head, which users' jobs start. */
static void test_files_of_jobs_at_home(void **state)
{
	(void)state;
	submission.partition = "overflow";
	submission.name = "rain-stage";
	submission.nodes = submission.tasks = submission.cpus = 1;
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	submission.has_script = true;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.has_script = false;
	submission.tasks = 2;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.tasks = 1;
	submission.cpus = 64;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.cpus = 1;
	submission.name = "mine";
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.name = "rain-stage";
	submission.partition = "guest";
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.partition = "overflow";
	submission.submitter = 61001;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.submitter = 20001;
	submission.partition = NULL;
	ask("_SLURM_SPANK_OPTION_rain_stage_out=x");
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_says("only batch jobs");
	submission.has_script = true;
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_string_equal(verdict.message, "");
}

static void test_guests_submit_nothing(void **state)
{
	(void)state;
	submission.submitter = 61000;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.submitter = 61015;
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.submitter = 61016;
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
}

static void test_forged_tags_are_refused(void **state)
{
	(void)state;
	submission.admin_comment = "rain: burst=auto;";
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.admin_comment = "rain: burst=nonsense;";
	assert_int_equal(decide(), RAIN_SUBMIT_DENY);
	submission.admin_comment = "from another plugin";
	ask("_SLURM_SPANK_OPTION_rain_burst=auto");
	assert_int_equal(decide(), RAIN_SUBMIT_ACCEPT);
	assert_string_equal(verdict.admin_comment, "from another plugin; rain: burst=auto;");
}

static int modify(void)
{
	return rain_modify_check(&settings, &modification, &error);
}

static void test_moves_between_partitions(void **state)
{
	(void)state;
	assert_int_equal(modify(), 0);
	modification.new_partition = "other";
	assert_int_equal(modify(), 0);
	modification.new_partition = "overflow";
	assert_int_equal(modify(), -1);
	modification.partition = "overflow";
	modification.new_partition = "trainer";
	assert_int_equal(modify(), -1);
	modification.privileged = true;
	assert_int_equal(modify(), 0);
}

static void test_a_bound_job_keeps_its_nodes(void **state)
{
	(void)state;
	modification.changes_nodes = true;
	assert_int_equal(modify(), 0);
	modification.partition = "overflow";
	assert_int_equal(modify(), -1);
}

static void test_holds_and_tags(void **state)
{
	(void)state;
	modification.is_held = true;
	modification.releases = true;
	assert_int_equal(modify(), 0);
	modification.admin_comment = "rain: burst=auto; waits";
	assert_int_equal(modify(), 0);
	modification.admin_comment = "rain: burst=only; waits";
	assert_int_equal(modify(), -1);
	modification.partition = "overflow";
	assert_int_equal(modify(), 0);
	modification.releases = false;
	modification.changes_admin_comment = true;
	assert_int_equal(modify(), -1);
	modification.requester = 61000;
	modification.changes_admin_comment = false;
	assert_int_equal(modify(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_plain_job_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auto_is_tagged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_balance_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options_are_checked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partitions_of_rain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_of_jobs_at_home, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guests_submit_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged_tags_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves_between_partitions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_bound_job_keeps_its_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holds_and_tags, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
