/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-relay against a gateway of one burst; this test plays the lender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/agent.h"
#include "federation/local_bundle.h"
#include "federation/test/fake_gateway.h"
#include "federation/tree.h"

#define RELAY "rain-relay"

struct room {
	char path[300], socket[320], store[320];
	int top, home; /* directories */
	struct fake_gateway *gateway;
	struct rain_local_client *client;
	struct rain_error err;
	long max_rss_kib;
};

static void put(int dir, const char *name, const char *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static char *get(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY);
	size_t size;
	char *text;

	assert_true(fd >= 0);
	text = rain_file_read_fd(fd, name, 1 << 28, &size, NULL);
	close(fd);
	return text;
}

static int setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	char cwd[200];

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(room->path, sizeof(room->path), "%s/test-relay-XXXXXX", cwd);
	assert_non_null(mkdtemp(room->path));
	/* Socket paths are short. */
	snprintf(room->socket, sizeof(room->socket), "/tmp/%s.sock", strrchr(room->path, '/') + 1);
	snprintf(room->store, sizeof(room->store), "%s/store", room->path);
	room->top = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(room->top, "home", 0755), 0);
	assert_int_equal(mkdirat(room->top, "store", 0755), 0);
	room->home = openat(room->top, "home", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	room->gateway = fake_gateway_start(room->socket, NULL, 0, room->store);
	room->client = rain_local_client_create(room->socket, NULL, &room->err);
	put(room->home, "script", "#!/bin/sh\necho hi\n", 18);
	*state = room;
	return 0;
}

static int teardown(void **state)
{
	struct room *room = *state;
	int cwd = open(".", O_RDONLY | O_DIRECTORY);

	rain_local_client_destroy(room->client);
	fake_gateway_destroy(room->gateway);
	close(room->top);
	close(room->home);
	assert_int_equal(rain_tree_remove(cwd, strrchr(room->path, '/') + 1, &room->err), 0);
	close(cwd);
	free(room);
	return 0;
}

static pid_t relay_start(struct room *room, const char *const options[])
{
	char program[300], cache[400], *argv[16] = {program};
	int n = 1;
	pid_t pid;

	assert_non_null(getcwd(program, 200));
	strcat(program, "/" RELAY);
	snprintf(cache, sizeof(cache), "XDG_CACHE_HOME=%s/cache", room->path);
	argv[n++] = (char *)"--socket";
	argv[n++] = room->socket;
	for (int i = 0; options[i]; i++)
		argv[n++] = (char *)options[i];
	argv[n++] = (char *)"--";
	argv[n++] = (char *)"script";
	argv[n++] = (char *)"an argument";
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		char *environment[] = {(char *)"SLURM_JOB_ID=42", (char *)"HOME=/home/ada",
				       (char *)"COLOUR=red", (char *)"MY_SECRET=x", cache, NULL};

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to outlive this test */
		if (fchdir(room->home) < 0)
			_exit(99);
		dup2(openat(room->top, "out", O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
		dup2(openat(room->top, "err", O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
		execve(program, argv, environment);
		_exit(98);
	}
	return pid;
}

static int relay_wait(struct room *room, pid_t pid)
{
	struct rusage usage;
	int status;

	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	room->max_rss_kib = usage.ru_maxrss;
	return status;
}

/* The lender: takes the inputs, and checks them. */
static void lender_take(struct room *room, struct rain_agent_manifest *manifest, int into)
{
	json_t *json = NULL;

	for (int i = 0; i < 100 && !json_object_get(json, "script"); i++) {
		json_decref(json);
		json = rain_local_json(room->client, "GET", "/v1/loans/u?wait=5", NULL, 5, NULL,
				       &room->err);
		assert_non_null(json);
	}
	assert_int_equal(rain_agent_manifest_read(json, manifest, &room->err), 0);
	json_decref(json);
	for (size_t i = 0; i < manifest->input_count; i++)
		assert_int_equal(rain_local_bundle_get(room->client, "/v1/loans/u/blobs", "",
						       &manifest->inputs[i], into, NULL, NULL,
						       &room->err),
				 0);
}

static void lender_post(struct room *room, const char *what, json_t *json)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/loans/u/%s", what);
	json_decref(rain_local_json(room->client, "POST", path, json, 0, NULL, &room->err));
	json_decref(json);
}

static int64_t lender_print(struct room *room, const char *stream, int64_t offset, const char *text)
{
	struct rain_local_answer answer = {0};
	char path[128];

	snprintf(path, sizeof(path), "/v1/loans/u/streams/%s?offset=%lld", stream,
		 (long long)offset);
	assert_int_equal(rain_local_call(room->client, "PUT", path, text, strlen(text), 0, 1000,
					 &answer, &room->err),
			 0);
	offset = answer.offset;
	rain_local_answer_release(&answer);
	return offset;
}

static json_t *lender_output(struct room *room, int dir, const char *item)
{
	struct rain_local_target target = {.client = room->client, .blobs = "/v1/loans/u/blobs",
					   .query = "", .spool = room->top};
	struct rain_bundle_summary summary;
	struct rain_digests parts = {0};
	json_t *json;

	assert_int_equal(rain_local_bundle_send(&target, dir, &item, 1, false, NULL, &parts, &summary,
						&room->err),
			 0);
	json = rain_local_digests_json(&parts);
	rain_digests_release(&parts);
	json_object_set_new(json, "path", json_string("outputs"));
	return json;
}

static json_t *exit_json(int code, int number, int64_t out, int64_t errors)
{
	return json_pack("{s:i,s:i,s:I,s:I,s:[]}", "code", code, "signal", number, "stdout_bytes",
			 (json_int_t)out, "stderr_bytes", (json_int_t)errors, "outputs");
}

static const char *const no_options[] = {NULL};

/* One whole burst; with an interruption of the gateway when asked. */
static void whole_burst(struct room *room, bool interrupt)
{
	static const char *const options[] = {"--stage-in=data,one", "--stage-out=results/*", NULL};
	int lender, code = 3;
	struct rain_agent_manifest manifest;
	int64_t offset = 0;
	json_t *json;
	char *text;
	pid_t pid;

	assert_int_equal(mkdirat(room->top, "lender", 0755), 0);
	lender = openat(room->top, "lender", O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(room->home, "data", 0755), 0);
	put(room->home, "data/a", "alpha", 5);
	put(room->home, "one", "1", 1);
	pid = relay_start(room, options);
	lender_take(room, &manifest, lender);
	assert_string_equal(manifest.args[0], "an argument");
	assert_string_equal(manifest.stage_out[0], "results/*");
	text = get(lender, "data/a");
	assert_string_equal(text, "alpha");
	free(text);
	rain_agent_manifest_release(&manifest);
	lender_post(room, "started", json_object());
	offset = lender_print(room, "stdout", offset, "first\n");
	if (interrupt) {
		fake_gateway_stop(room->gateway);
		fake_gateway_resume(room->gateway);
	}
	for (int i = 0; i < 50; i++)
		offset = lender_print(room, "stdout", offset,
				      "a line of output that is to come once\n");
	assert_int_equal(mkdirat(lender, "results", 0755), 0);
	put(lender, "results/r", "42", 2);
	json = exit_json(code, 0, offset, lender_print(room, "stderr", 0, "oops\n"));
	json_array_append_new(json_object_get(json, "outputs"),
			      lender_output(room, lender, "results/r"));
	lender_post(room, "exit", json);
	assert_int_equal(WEXITSTATUS(relay_wait(room, pid)), code);
	assert_true(fake_gateway_wait_delivered(room->gateway, 1000));
	text = get(room->top, "out");
	assert_int_equal(strlen(text), offset);
	assert_int_equal(strncmp(text, "first\na line", 12), 0);
	free(text);
	text = get(room->top, "err");
	assert_string_equal(text, "oops\n");
	free(text);
	text = get(room->home, "results/r");
	assert_string_equal(text, "42");
	free(text);
	close(lender);
}

static void test_burst(void **state)
{
	whole_burst(*state, false);
}

static void test_faults(void **state)
{
	struct room *room = *state;

	fake_gateway_set_faults(room->gateway, 4);
	whole_burst(room, true);
}

static void test_environment(void **state)
{
	struct room *room = *state;
	struct rain_agent_manifest manifest;
	pid_t pid = relay_start(room, no_options);
	char *text;
	int store = open(room->store, O_RDONLY | O_DIRECTORY);

	lender_take(room, &manifest, -1);
	text = get(store, manifest.environment.sha256);
	assert_int_equal(manifest.environment.size, 11);
	assert_string_equal(text, "COLOUR=red");
	free(text);
	text = get(store, manifest.script.sha256);
	assert_string_equal(text, "#!/bin/sh\necho hi\n");
	free(text);
	close(store);
	rain_agent_manifest_release(&manifest);
	lender_post(room, "exit", exit_json(0, 0, 0, 0));
	assert_int_equal(relay_wait(room, pid), 0);
}

static void test_signals(void **state)
{
	struct room *room = *state;
	struct rain_agent_manifest manifest;
	pid_t pid = relay_start(room, no_options);
	json_t *json = NULL;
	int status;

	lender_take(room, &manifest, -1);
	rain_agent_manifest_release(&manifest);
	lender_post(room, "started", json_object());
	lender_print(room, "stdout", 0, "x");
	for (int i = 0; i < 100; i++) { /* until it streams, so that it listens */
		char *text = get(room->top, "out");
		bool there = *text;

		free(text);
		if (there)
			break;
		rain_local_client_pause(room->client, 20);
	}
	kill(pid, SIGUSR1);
	json = rain_local_json(room->client, "GET", "/v1/loans/u/signals?after=0&wait=10", NULL, 10,
			       NULL, &room->err);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(json, "signals"), 0), "signal")),
			 SIGUSR1);
	json_decref(json);
	lender_post(room, "exit", exit_json(0, SIGKILL, 1, 0));
	status = relay_wait(room, pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_void(void **state)
{
	struct room *room = *state;
	struct rain_agent_manifest manifest;
	pid_t pid = relay_start(room, no_options);
	char *text = NULL;
	int status;

	lender_take(room, &manifest, -1);
	rain_agent_manifest_release(&manifest);
	fake_gateway_set_state(room->gateway, "void");
	for (int i = 0; i < 200; i++) {
		free(text);
		text = get(room->top, "err");
		if (strstr(text, "queue"))
			break;
		rain_local_client_pause(room->client, 20);
	}
	assert_string_equal(
		text, "rain: bravo won't run this job to its end; it goes back to the queue\n");
	free(text);
	/* It waits for Slurm, which ends it so. */
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGTERM);
	status = relay_wait(room, pid);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(fake_gateway_signal(room->gateway), 0);
}

static void test_missing_file(void **state)
{
	static const char *const options[] = {"--stage-in=nothing-*", NULL};
	struct room *room = *state;
	int status = relay_wait(room, relay_start(room, options));
	char *text = get(room->top, "err");

	assert_int_equal(WEXITSTATUS(status), 125);
	assert_string_equal(text, "rain-relay: --stage-in: nothing-*: there is no such file\n");
	assert_false(fake_gateway_has_inputs(room->gateway));
	free(text);
}

/* What comes back is what was asked for, whatever the lender sends. */
static void test_unasked_output(void **state)
{
	static const char *const options[] = {"--stage-out=results", NULL};
	struct room *room = *state;
	struct rain_agent_manifest manifest;
	pid_t pid = relay_start(room, options);
	json_t *json = exit_json(0, 0, 0, 0);
	char *text;

	lender_take(room, &manifest, -1);
	rain_agent_manifest_release(&manifest);
	put(room->top, ".bashrc", "evil", 4);
	json_array_append_new(json_object_get(json, "outputs"),
			      lender_output(room, room->top, ".bashrc"));
	lender_post(room, "exit", json);
	assert_int_equal(WEXITSTATUS(relay_wait(room, pid)), 125);
	text = get(room->top, "err");
	assert_non_null(strstr(text, "what was not asked for: .bashrc"));
	free(text);
	assert_int_equal(faccessat(room->home, ".bashrc", F_OK, 0), -1);
}

/* Until the file system's clock has gone on so far that another change could
 * be told from the last one. */
static void settle(struct room *room, int fd)
{
	struct stat changed, now;

	assert_int_equal(fstat(fd, &changed), 0);
	do {
		put(room->top, "clock", "", 0);
		assert_int_equal(fstatat(room->top, "clock", &now, 0), 0);
		usleep(10000);
	} while ((now.st_ctim.tv_sec - changed.st_ctim.tv_sec) * 1000 +
			 (now.st_ctim.tv_nsec - changed.st_ctim.tv_nsec) / 1000000 < 100);
}

/* It comes in parts, of which a cut costs what it cut off; the same input twice
 * travels once, and memory stays small. */
static void test_large_input(void **state)
{
	static const char *const options[] = {"--stage-in=large", NULL};
	const size_t size = 96 << 20;
	struct room *room = *state;
	struct rain_agent_manifest manifest;
	unsigned int seed = 1;
	int64_t before;
	pid_t pid;
	int fd = openat(room->home, "large", O_WRONLY | O_CREAT, 0600);

	for (size_t i = 0; i < size; i += 4096) {
		unsigned int block[1024];

		for (int j = 0; j < 1024; j++)
			block[j] = seed = seed * 1664525 + 1013904223;
		assert_int_equal(write(fd, block, 4096), 4096);
	}
	settle(room, fd);
	close(fd);
	for (int round = 0; round < 2; round++) {
		before = fake_gateway_uploaded(room->gateway);
		fake_gateway_set_faults(room->gateway, 5);
		pid = relay_start(room, options);
		lender_take(room, &manifest, room->top);
		assert_in_range(manifest.inputs[0].count, 12, 13);
		rain_agent_manifest_release(&manifest);
		lender_post(room, "exit", exit_json(0, 0, 0, 0));
		assert_int_equal(relay_wait(room, pid), 0);
#if !defined(__SANITIZE_ADDRESS__)
		/* Later on what the gateway's half has had counts, too: it is inherited. */
		if (round == 0)
			assert_true(room->max_rss_kib < 32 * 1024);
#endif
		/* What came before a cut isn't counted, and isn't sent again. */
		if (round == 0)
			assert_in_range(fake_gateway_uploaded(room->gateway) - before, size / 2,
					size + size / 64);
		else
			assert_int_equal(fake_gateway_uploaded(room->gateway), before);
		fake_gateway_destroy(room->gateway);
		room->gateway = fake_gateway_start(room->socket, NULL, 0, room->store);
	}
}

/* The second part never comes, but the first is no bundle already. */
static void test_unpacking_fails_at_once(void **state)
{
	static const char busy[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
	static const char rubbish[] = "this was never packed by anybody";
	struct room *room = *state;
	int store = openat(room->top, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct rain_digest parts[2] = {{.size = 0}, {.size = 10}};
	const struct rain_digests digests = {parts, 2};

	memcpy(parts[1].sha256, busy, sizeof(busy));
	assert_int_equal(rain_digest_bytes(rubbish, strlen(rubbish), &parts[0], &room->err), 0);
	put(store, parts[0].sha256, rubbish, strlen(rubbish));
	fake_gateway_set_busy(room->gateway, busy);
	assert_int_equal(rain_local_bundle_get(room->client, "/v1/loans/u/blobs", "", &digests,
					       room->home, NULL, NULL, &room->err),
			 -1);
	assert_non_null(strstr(room->err.text, "zstd"));
	/* The client is none the worse for it. */
	assert_false(rain_local_client_is_cancelled(room->client));
	close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_burst),          TEST(test_faults),      TEST(test_environment),
		TEST(test_signals),        TEST(test_void),        TEST(test_missing_file),
		TEST(test_unasked_output), TEST(test_large_input), TEST(test_unpacking_fails_at_once),
	};

	alarm(120); /* a relay that never ends must not hold up everything */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
