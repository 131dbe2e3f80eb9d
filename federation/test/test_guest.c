/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "federation/agent.h"
#include "federation/environment.h"
#include "federation/guest_cache.h"
#include "federation/guest_guard.h"
#include "federation/sandbox.h"

static struct rain_error err;

static void test_environment_travels(void **state)
{
	static const char *const stay[] = {
		"SLURM_JOB_ID=1",
		"SLURMD_NODENAME=n",
		"PMIX_RANK=0",
		"PMI_FD=3",
		"HOME=/home/ada",
		"USER=ada",
		"PWD=/",
		"TMPDIR=/tmp",
		"SSH_AUTH_SOCK=/x",
		"OMPI_COMM_WORLD_RANK=0",
		"_=x",
		"GITHUB_TOKEN=s",
		"DB_PASSWORD=s",
		"AWS_SECRET_ACCESS_KEY=s",
		"api_key=s",
		"BASH_FUNC_module%%=() {",
		"=x",
		"1A=x",
		"A B=x",
		"RAIN_X=1",
		"SPANK_X=1",
		"_SLURM_SPANK_OPTION_rain_burst=auto",
		"DISPLAY=:0",
		"XDG_RUNTIME_DIR=/run",
		"KRB5CCNAME=x",
	};
	static const char *const go[] = {
		"PATH=/bin",
		"LANG=C",
		"LC_ALL=C",
		"OMP_NUM_THREADS=4",
		"A=",
		"MAX_TOKENS=5",
		"OMPI_MCA_btl=tcp,self",
		"LD_LIBRARY_PATH=/x",
		"HOMEWORK=1",
		"KEYBOARD=de",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++)
		if (rain_environment_travels(stay[i]))
			fail_msg("%s would travel", stay[i]);
	for (size_t i = 0; i < sizeof(go) / sizeof(*go); i++)
		if (!rain_environment_travels(go[i]))
			fail_msg("%s would not travel", go[i]);
}

static void test_environment_codec(void **state)
{
	struct rain_environment environment = {0}, again = {0};
	char *long_one = malloc(RAIN_ENVIRONMENT_ITEM_MAX + 10);
	size_t size;
	char *data;

	(void)state;
	assert_int_equal(rain_environment_parse(&environment, "A=1\0B=2\0A=3\0bad\0=x\0", 20, &err),
			 0);
	assert_int_equal(environment.count, 2);
	assert_string_equal(rain_environment_get(&environment, "A"), "3");
	assert_null(rain_environment_get(&environment, "C"));
	assert_int_equal(rain_environment_set(&environment, "C", "multi\nline", &err), 0);
	data = rain_environment_pack(&environment, &size, &err);
	assert_int_equal(rain_environment_parse(&again, data, size, &err), 0);
	assert_int_equal(again.count, 3);
	assert_string_equal(rain_environment_get(&again, "C"), "multi\nline");
	free(data);
	/* Bounds. */
	assert_int_equal(rain_environment_parse(&again, "A=1", 3, &err), -1);
	memset(long_one, 'x', RAIN_ENVIRONMENT_ITEM_MAX + 9);
	long_one[RAIN_ENVIRONMENT_ITEM_MAX + 9] = '\0';
	assert_int_equal(rain_environment_set(&again, "D", long_one, &err), -1);
	assert_non_null(strstr(err.text, "variable D is longer"));
	for (int i = 0; i < RAIN_ENVIRONMENT_COUNT_MAX - 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "V%d", i);
		assert_int_equal(rain_environment_set(&again, name, "", &err), 0);
	}
	assert_int_equal(rain_environment_set(&again, "W", "", &err), -1);
	free(long_one);
	rain_environment_release(&environment);
	rain_environment_release(&again);
}

static char *const command[] = {(char *)"/bin/true", (char *)"--", (char *)"x y", NULL};

static struct rain_sandbox_plan plan(void)
{
	return (struct rain_sandbox_plan){
		.bwrap = "/usr/bin/bwrap",
		.self = "/opt/rain/rain-sandbox",
		.job_dir = "/spool/guest/7",
		.shm_dir = "/dev/shm/rain-guest-7",
		.chdir = "/spool/guest/7/work",
		.pmix_dir = "/slurmd/pmix.7.0",
		.appdirs = {"/tmp/spmix_appdir_1_7.0"},
		.root_links = {"usr/bin", NULL, "", NULL},
		.passwd_fd = 10,
		.group_fd = 11,
		.nsswitch_fd = 12,
		.environment_fd = 13,
		.control_fd = -1,
		.sockets_fd = 14,
		.command = command,
	};
}

/* Index of a run of words, or -1. */
static int find(char **argv, const char *a, const char *b, const char *c)
{
	for (int i = 0; argv[i]; i++)
		if (!strcmp(argv[i], a) && (!b || (argv[i + 1] && !strcmp(argv[i + 1], b))) &&
		    (!c || (argv[i + 2] && !strcmp(argv[i + 2], c))))
			return i;
	return -1;
}

static void test_sandbox_argv(void **state)
{
	struct rain_sandbox_plan p = plan();
	char **argv = rain_sandbox_argv(&p, &err);
	int job, var, end;

	(void)state;
	assert_non_null(argv);
	assert_string_equal(argv[0], "/usr/bin/bwrap");
	assert_true(find(argv, "--unshare-pid", NULL, NULL) > 0);
	/* nobody inside without the filter */
	assert_true(find(argv, "--as-pid-1", NULL, NULL) > 0);
	assert_true(find(argv, "--unshare-ipc", NULL, NULL) > 0);
	assert_true(find(argv, "--disable-userns", NULL, NULL) > 0);
	assert_true(find(argv, "--die-with-parent", NULL, NULL) > 0);
	assert_true(find(argv, "--new-session", NULL, NULL) > 0);
	assert_true(find(argv, "--cap-drop", "ALL", NULL) > 0);
	assert_true(find(argv, "--ro-bind", "/usr", "/usr") > 0);
	assert_true(find(argv, "--symlink", "usr/bin", "/bin") > 0);
	assert_true(find(argv, "--ro-bind", "/lib", "/lib") > 0);
	assert_true(find(argv, "--bind", "/spool/guest/7/tmp", "/tmp") > 0);
	assert_true(find(argv, "--bind", "/dev/shm/rain-guest-7", "/dev/shm") > 0);
	assert_true(find(argv, "--bind", "/slurmd/pmix.7.0", "/slurmd/pmix.7.0") > 0);
	/* What hides comes before what is shown inside of it. */
	var = find(argv, "--tmpfs", "/var", NULL);
	job = find(argv, "--bind", "/spool/guest/7", "/spool/guest/7");
	assert_true(var > 0 && job > var);
	assert_true(find(argv, "--bind", "/spool/guest/7/tmp", "/tmp") <
		    find(argv, "--bind", "/tmp/spmix_appdir_1_7.0", NULL));
	end = find(argv, "--", "/opt/rain/rain-sandbox", "--inside");
	assert_true(end > 0);
	assert_string_equal(argv[end + 5], "--environment-fd");
	assert_string_equal(argv[end + 6], "13");
	assert_string_equal(argv[end + 7], "--sockets-fd");
	assert_string_equal(argv[end + 8], "14");
	assert_string_equal(argv[end + 9], "--");
	assert_string_equal(argv[end + 12], "x y");
	assert_null(argv[end + 13]);
	rain_sandbox_argv_free(argv);
}

/* The only places that are bound are the ones that are meant to be. */
static void test_sandbox_shows_nothing_else(void **state)
{
	static const char *const never[] = {"/",         "/etc",        "/home",      "/root",
					    "/run",      "/run/rain",   "/var",       "/var/lib",
					    "/tmp",      "/dev",        "/proc",      "/sys",
					    "/etc/rain", "/etc/shadow", "/etc/munge", "/etc/ssh"};
	struct rain_sandbox_plan p = plan();
	char **argv = rain_sandbox_argv(&p, &err);

	(void)state;
	for (int i = 0; argv[i] && strcmp(argv[i], "--") != 0; i++)
		if (strstr(argv[i], "bind") && strstr(argv[i], "--") == argv[i] &&
		    !strstr(argv[i], "data"))
			for (size_t j = 0; j < sizeof(never) / sizeof(*never); j++)
				assert_string_not_equal(argv[i + 1], never[j]);
	rain_sandbox_argv_free(argv);
	p.terminal = true;
	argv = rain_sandbox_argv(&p, &err);
	assert_int_equal(find(argv, "--new-session", NULL, NULL), -1);
	rain_sandbox_argv_free(argv);
}

static void test_sandbox_accounts(void **state)
{
	char *shown = rain_sandbox_accounts("root:x:0:0:root:/root:/bin/bash\n"
					    "ada:x:1001:1001:Ada:/home/ada:/bin/bash\n"
					    "broken\n"
					    "slurm:x:64030:64030::/x:/usr/sbin/nologin\n"
					    "rain-guest2:x:61001:61001::/x:/bin/sh\n"
					    "nobody:x:65534:65534:nobody:/x:/usr/sbin/nologin",
					    "rain-guest1:x:61000:61000::/w:/bin/sh\n", 61000);

	(void)state;
	assert_string_equal(shown, "root:x:0:0:root:/root:/bin/bash\n"
				   "slurm:x:64030:64030::/x:/usr/sbin/nologin\n"
				   "nobody:x:65534:65534:nobody:/x:/usr/sbin/nologin\n"
				   "rain-guest1:x:61000:61000::/w:/bin/sh\n");
	free(shown);
	shown = rain_sandbox_accounts("sudo:x:27:ada,ben\nusers:x:1000:ada\n", "g:x:5:\n", 5);
	assert_string_equal(shown, "sudo:x:27:\ng:x:5:\n");
	free(shown);
}

static void test_guard_rules(void **state)
{
	char nodes[2][INET6_ADDRSTRLEN] = {"10.0.0.1", "fd00::1"};
	struct rain_guard_job job = {.job = 12,
				     .uid = 61003,
				     .nodes = nodes,
				     .node_count = 2,
				     .doors = {{"10.0.0.254", 6817}},
				     .door_count = 1};
	const uint16_t closed[] = {5432, 22, 7248};
	char *rules = rain_guard_rules(61000, 61015, &job, 1, closed, 3, &err);

	(void)state;
	assert_non_null(rules);
	assert_non_null(strstr(rules, "elements = { 0-1023, 5432, 7248 }"));
	assert_non_null(strstr(rules, "ip daddr 10.0.0.254 tcp dport 6817 accept"));
	assert_non_null(strstr(rules, "ip6 daddr fd00::1 accept"));
	assert_non_null(strstr(rules, "meta skuid 61003 jump job_12"));
	assert_non_null(strstr(rules, "meta skuid 61000-61015 jump guests"));
	assert_true(strstr(rules, "counter reject") > strstr(rules, "jump job_12"));
	free(rules);
	/* Nothing but an address gets into the text. */
	strcpy(nodes[0], "10.0.0.1 accept #");
	assert_null(rain_guard_rules(61000, 61015, &job, 1, closed, 3, &err));
	rules = rain_guard_rules(61000, 61015, NULL, 0, closed, 3, &err);
	assert_non_null(strstr(rules, "counter reject")); /* no job: nothing at all */
	free(rules);
}

static void test_guard_notes(void **state)
{
	char nodes[1][INET6_ADDRSTRLEN] = {"10.0.0.1"};
	struct rain_guard_job job = {.job = 12,
				     .uid = 61003,
				     .nodes = nodes,
				     .node_count = 1,
				     .doors = {{"10.0.0.254", 6817}},
				     .door_count = 1},
			      again;
	json_t *json = rain_guard_job_json(&job, "boot-1");

	(void)state;
	assert_int_equal(rain_guard_job_read(json, "boot-1", &again, &err), 0);
	assert_int_equal(again.job, 12);
	assert_int_equal(again.uid, 61003);
	assert_string_equal(again.nodes[0], "10.0.0.1");
	assert_int_equal(again.doors[0].port, 6817);
	rain_guard_job_release(&again);
	assert_int_equal(rain_guard_job_read(json, "boot-2", &again, &err), 1);
	json_object_set_new(json, "nodes", json_pack("[s]", "evil"));
	assert_int_equal(rain_guard_job_read(json, "boot-1", &again, &err), -1);
	json_decref(json);
}

static json_t *manifest_json(void)
{
	static const char sha[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

	return json_pack("{s:{s:s,s:i}, s:{s:s,s:i}, s:[{s:s,s:i}], s:[s], s:[s]}", "script",
			 "sha256", sha, "size", 10, "environment", "sha256", sha, "size", 0,
			 "inputs", "sha256", sha, "size", 5, "args", "a b", "stage_out",
			 "results/*");
}

static void test_manifest(void **state)
{
	struct rain_agent_manifest manifest;
	json_t *json = manifest_json();

	(void)state;
	assert_int_equal(rain_agent_manifest_read(json, &manifest, &err), 0);
	assert_int_equal(manifest.input_count, 1);
	assert_string_equal(manifest.args[0], "a b");
	assert_null(manifest.args[1]);
	assert_string_equal(manifest.stage_out[0], "results/*");
	rain_agent_manifest_release(&manifest);
	json_object_set_new(json, "stage_out", json_pack("[s]", "/etc/passwd"));
	assert_int_equal(rain_agent_manifest_read(json, &manifest, &err), -1);
	json_decref(json);
	json = manifest_json();
	json_object_set_new(json_object_get(json, "script"), "sha256",
			    json_string("../../etc/passwd"));
	assert_int_equal(rain_agent_manifest_read(json, &manifest, &err), -1);
	json_decref(json);
	json = manifest_json();
	json_object_set_new(json_object_get(json, "script"), "size", json_integer(1 << 30));
	assert_int_equal(rain_agent_manifest_read(json, &manifest, &err), -1);
	json_decref(json);
}

static void test_cache_key(void **state)
{
	struct rain_digest one = {.size = 1}, two = {.size = 2};
	struct rain_digest both[] = {one, two};
	struct rain_digest turned[] = {two, one};
	struct rain_digests single = {&one, 1}, pair = {both, 2}, reverse = {turned, 2};
	char key[RAIN_DIGEST_SIZE], other[RAIN_DIGEST_SIZE];

	(void)state;
	memset(one.sha256, 'a', RAIN_DIGEST_SIZE - 1);
	memset(two.sha256, 'b', RAIN_DIGEST_SIZE - 1);
	both[0] = turned[1] = one;
	both[1] = turned[0] = two;
	assert_int_equal(rain_guest_cache_key(&pair, key), 0);
	assert_true(rain_digest_is_valid(key));
	assert_int_equal(rain_guest_cache_key(&pair, other), 0);
	assert_string_equal(key, other);
	rain_guest_cache_key(&reverse, other);
	assert_string_not_equal(key, other);
	rain_guest_cache_key(&single, other);
	assert_string_not_equal(key, other);
	/* Of one part it isn't the part's own name. */
	assert_string_not_equal(one.sha256, other);
}

static void test_cache_choose(void **state)
{
	const struct rain_guest_cache_entry all[] = {
		{.name = "old", .bytes = 1, .used_s = 10},
		{.name = "used", .bytes = 40, .used_s = 20, .in_use = true},
		{.name = "newest", .bytes = 40, .used_s = 900},
		{.name = "middle", .bytes = 40, .used_s = 500},
	};
	struct {
		struct rain_guest_cache_bounds bounds;
		bool goes[4];
	} cases[] = {
		{{.bytes_max = 1000, .free = 50, .free_min = 50, .now_s = 1000, .age_max_s = 990},
		 {false, false, false, false}},
		{{.bytes_max = 1000, .free = 50, .free_min = 50, .now_s = 1000, .age_max_s = 600},
		 {true, false, false, false}},
		{{.bytes_max = 90, .free = 50, .free_min = 50, .now_s = 1000, .age_max_s = 2000},
		 {true, false, false, true}},
		{{.bytes_max = 1000, .free = 10, .free_min = 50, .now_s = 1000, .age_max_s = 2000},
		 {true, false, false, true}},
		{{.bytes_max = 1000, .free = 50, .free_min = 50, .now_s = 1000, .age_max_s = 2000, .entries_max = 2},
		 {true, false, false, true}},
		/* What is in use stays, even if it is too much. */
		{{.bytes_max = 0, .free = 50, .free_min = 1000, .now_s = 1000, .age_max_s = 2000},
		 {true, false, true, true}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rain_guest_cache_entry entries[4];

		if (cases[i].bounds.entries_max == 0)
			cases[i].bounds.entries_max = 4;
		memcpy(entries, all, sizeof(all));
		rain_guest_cache_choose(entries, 4, &cases[i].bounds);
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(entries[j].goes, cases[i].goes[j]);
	}
}

/* Many small ones: the longest unused go until there are as many as may be. */
static void test_cache_choose_many(void **state)
{
	const struct rain_guest_cache_bounds bounds = {
		.bytes_max = INT64_MAX, .entries_max = 4096, .now_s = 10000, .age_max_s = 20000};
	static struct rain_guest_cache_entry entries[5000];
	const size_t count = sizeof(entries) / sizeof(*entries);

	(void)state;
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct rain_guest_cache_entry){
			.bytes = 1, .used_s = (int64_t)i, .in_use = i == 0};
	rain_guest_cache_choose(entries, count, &bounds);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(entries[i].goes, i > 0 && i <= count - 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment_travels),
		cmocka_unit_test(test_environment_codec),
		cmocka_unit_test(test_sandbox_argv),
		cmocka_unit_test(test_sandbox_shows_nothing_else),
		cmocka_unit_test(test_sandbox_accounts),
		cmocka_unit_test(test_guard_rules),
		cmocka_unit_test(test_guard_notes),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_cache_key),
		cmocka_unit_test(test_cache_choose),
		cmocka_unit_test(test_cache_choose_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
