// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/rpc.h"
#include "common/rpc_async.h"
#include "common/rpc_server.h"

static char directory[] = "/tmp/rain-test-rpc-XXXXXX";
static char path[64];

static json_t *op_echo(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	(void)arg;
	(void)err;
	return json_pack("{s:O, s:i, s:i}", "said", json_object_get(request, "say"), "uid",
			 (int)caller->uid, "pid", (int)caller->pid);
}

/* {size} -> a text of so many bytes */
static json_t *op_fill(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	size_t size = (size_t)json_integer_value(json_object_get(request, "say"));
	char *text = malloc(size);
	json_t *answer;

	(void)arg;
	(void)caller;
	(void)err;
	memset(text, 'a', size);
	answer = json_stringn(text, size);
	free(text);
	return answer;
}

static json_t *op_fail(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	(void)arg;
	(void)caller;
	(void)request;
	rain_error_set(err, "no such account");
	return NULL;
}

static json_t *op_stop(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	(void)caller;
	(void)request;
	(void)err;
	event_base_loopexit(arg, NULL);
	return json_null();
}

/* Requests whose answers are put off until "release"; more than one connection may have. */
enum { HELD_MAX = 200 };
static struct rain_rpc_answer *held[HELD_MAX];
static int held_count;

static json_t *op_later(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			struct rain_error *err)
{
	(void)arg;
	(void)request;
	rain_error_set(err, "what is returned is ignored");
	if (held_count < HELD_MAX)
		held[held_count++] = rain_rpc_put_off(caller);
	return NULL;
}

/* Answers the newest first. */
static json_t *op_release(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			  struct rain_error *err)
{
	json_t *number;
	int count = held_count;

	(void)arg;
	(void)caller;
	(void)request;
	(void)err;
	while (held_count > 0) {
		number = json_integer(--held_count);
		rain_rpc_answer(held[held_count], held_count % 5 ? number : NULL, "every fifth");
		json_decref(number);
	}
	return json_integer(count);
}

static json_t *op_held(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	(void)arg;
	(void)caller;
	(void)request;
	(void)err;
	return json_integer(held_count);
}

enum { NUMBER_SIZE = 1000 };
static int numbered;

/* A long text with the number that was said. */
static json_t *op_number(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			 struct rain_error *err)
{
	(void)arg;
	(void)caller;
	(void)err;
	numbered++;
	return json_sprintf("%0*d", NUMBER_SIZE,
			    (int)json_integer_value(json_object_get(request, "say")));
}

static const struct rain_rpc_op ops[] = {
	{"number", op_number},
	{"later", op_later}, {"release", op_release}, {"held", op_held}, {"echo", op_echo}, {"fill", op_fill}, {"fail", op_fail},
	 {"stop", op_stop}, {NULL, NULL}};

static struct event_base *base;
static struct rain_rpc_server *server;
static pthread_t thread;

static void *serve(void *arg)
{
	event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
	return arg;
}

static json_t *call(const char *op, json_t *say, struct rain_error *err)
{
	json_t *request = json_pack("{s:s, s:o*}", "op", op, "say", say);
	json_t *result = rain_rpc_call(path, request, 5000, err);

	json_decref(request);
	return result;
}

static int start(void **state)
{
	struct rain_error err;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/test.sock", directory);
	base = event_base_new();
	server = rain_rpc_server_create(base, path, 0600, ops, base, &err);
	return server ? pthread_create(&thread, NULL, serve, NULL) : -1;
}

static int stop(void **state)
{
	(void)state;
	json_decref(call("stop", NULL, NULL));
	pthread_join(thread, NULL);
	rain_rpc_server_destroy(server);
	event_base_free(base);
	return rmdir(directory);
}

static void test_call(void **state)
{
	struct rain_error err = {""};
	json_t *result = call("echo", json_string("Grüße"), &err);
	struct stat info;

	(void)state;
	assert_non_null(result);
	assert_string_equal(json_string_value(json_object_get(result, "said")), "Grüße");
	assert_int_equal(json_integer_value(json_object_get(result, "uid")), getuid());
	assert_int_equal(json_integer_value(json_object_get(result, "pid")), getpid());
	json_decref(result);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_errors(void **state)
{
	struct rain_error err = {""};
	json_t *request = json_pack("{s:s}", "op", "echo");

	(void)state;
	assert_null(call("fail", NULL, &err));
	assert_string_equal(err.text, "no such account");
	assert_null(call("nonsense", NULL, &err));
	assert_non_null(strstr(err.text, "unknown operation 'nonsense'"));
	assert_null(rain_rpc_call("/nonexistent.sock", request, 100, &err));
	assert_non_null(strstr(err.text, "/nonexistent.sock"));
	json_decref(request);
	assert_true(rain_rpc_listens(path, "echod", &err));
	assert_false(rain_rpc_listens("/nonexistent.sock", "echod", &err));
	assert_non_null(strstr(err.text, "echod isn't running here: /nonexistent.sock"));
}

/* A daemon whose queue of callers is full is waited for, not taken for dead. */
static void test_busy(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *request = json_pack("{s:s}", "op", "echo");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), first = socket(AF_UNIX, SOCK_STREAM, 0);
	struct rain_error err = {""};

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/busy.sock", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_null(rain_rpc_call(address.sun_path, request, 50, &err));
	assert_non_null(strstr(err.text, "does not answer"));
	assert_true(rain_rpc_listens(address.sun_path, "busyd", &err));
	close(first);
	close(fd);
	unlink(address.sun_path);
	json_decref(request);
}

static void test_large(void **state)
{
	struct rain_error err = {""};
	size_t size = RAIN_RPC_LINE_MAX + 100;
	char *text = malloc(size + 1);
	json_t *result;

	(void)state;
	memset(text, 'a', size);
	text[size] = '\0';
	assert_null(call("echo", json_string(text), &err));
	result = call("fill", json_integer(RAIN_RPC_ANSWER_MAX - 1000), &err);
	assert_int_equal(json_string_length(result), RAIN_RPC_ANSWER_MAX - 1000);
	json_decref(result);
	assert_null(call("fill", json_integer(RAIN_RPC_ANSWER_MAX), &err));
	assert_non_null(strstr(err.text, "too large"));
	text[RAIN_RPC_LINE_MAX - 1000] = '\0';
	result = call("echo", json_string(text), &err);
	assert_non_null(result);
	json_decref(result);
	free(text);
}

struct answers {
	struct event_base *base;
	unsigned wanted, good, bad;
};

static void on_answer(void *arg, const json_t *result, const char *error)
{
	struct answers *answers = arg;

	if (result)
		answers->good++;
	else if (error)
		answers->bad++;
	if (answers->good + answers->bad == answers->wanted)
		event_base_loopexit(answers->base, NULL);
}

static void test_async(void **state)
{
	struct answers answers = {.base = event_base_new(), .wanted = 20};
	struct rain_rpc_client *client = rain_rpc_client_create(answers.base, path);

	(void)state;
	for (int i = 0; i < 20; i++) {
		json_t *request = json_pack("{s:s, s:i}", "op", i % 4 ? "echo" : "fail", "say", i);

		assert_int_equal(rain_rpc_client_call(client, request, 5000, on_answer, &answers, NULL), 0);
		json_decref(request);
	}
	assert_int_equal(answers.good + answers.bad, 0);
	event_base_dispatch(answers.base);
	assert_int_equal(answers.good, 15);
	assert_int_equal(answers.bad, 5);
	rain_rpc_client_destroy(client);
	event_base_free(answers.base);
}

static void test_async_unreachable(void **state)
{
	struct answers answers = {.base = event_base_new(), .wanted = 2};
	struct rain_rpc_client *client = rain_rpc_client_create(answers.base, "/nonexistent.sock");
	json_t *request = json_pack("{s:s}", "op", "echo");

	(void)state;
	assert_int_equal(rain_rpc_client_call(client, request, 5000, on_answer, &answers, NULL), 0);
	assert_int_equal(rain_rpc_client_call(client, request, 5000, on_answer, &answers, NULL), 0);
	assert_int_equal(answers.bad, 0);
	event_base_dispatch(answers.base);
	assert_int_equal(answers.bad, 2);
	json_decref(request);
	rain_rpc_client_destroy(client);
	event_base_free(answers.base);
}

static int connection_to(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int connection(void)
{
	return connection_to(path);
}

static json_int_t number_of(const char *op)
{
	json_t *result = call(op, NULL, NULL);
	json_int_t number = json_integer_value(result);

	json_decref(result);
	return number;
}

static void wait_for_held(int wanted)
{
	while (number_of("held") != wanted)
		sched_yield();
}

static void say(int fd, const char *op)
{
	assert_true(dprintf(fd, "{\"op\":\"%s\",\"say\":\"now\"}\n", op) > 0);
}

/* Whoever is answered first: lines come in the order of the requests. */
static void test_put_off(void **state)
{
	int fd = connection();
	FILE *in = fdopen(fd, "r");
	char line[256];

	(void)state;
	say(fd, "later"); /* 0: an error */
	say(fd, "later"); /* 1 */
	say(fd, "echo");
	say(fd, "later"); /* 2 */
	wait_for_held(3);
	assert_int_equal(number_of("release"), 3);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line, "{\"ok\":false,\"error\":\"every fifth\"}\n");
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line, "{\"ok\":true,\"result\":1}\n");
	assert_non_null(fgets(line, sizeof(line), in));
	assert_non_null(strstr(line, "\"said\":\"now\""));
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line, "{\"ok\":true,\"result\":2}\n");
	fclose(in);
}

/* A connection has at most 64 unanswered requests; the others wait in it. */
static void test_put_off_many(void **state)
{
	int fd = connection(), answered = 0;
	FILE *in = fdopen(fd, "r");
	char line[256];

	(void)state;
	for (int i = 0; i < 150; i++)
		say(fd, "later");
	say(fd, "echo");
	while (answered < 150) {
		json_int_t released = 0;

		wait_for_held(150 - answered < 64 ? 150 - answered : 64);
		released = number_of("release");
		for (json_int_t i = 0; i < released; i++, answered++)
			assert_non_null(fgets(line, sizeof(line), in));
	}
	assert_non_null(fgets(line, sizeof(line), in));
	assert_non_null(strstr(line, "\"said\":\"now\""));
	fclose(in);
}

/* Who has gone by then gets nothing, and nobody else does. */
static void test_put_off_gone(void **state)
{
	int gone = connection(), stays = connection();
	FILE *in = fdopen(stays, "r");
	char line[256];

	(void)state;
	say(gone, "later");
	wait_for_held(1);
	say(stays, "later");
	wait_for_held(2);
	close(gone);
	assert_int_equal(number_of("release"), 2);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line, "{\"ok\":true,\"result\":1}\n");
	fclose(in);
}

/* One who asks and asks: `text` is what it still has to send and `got` what it has read. */
struct flood {
	int fd, count;
	char *text, *got;
	size_t size, sent, received;
};

static void flood_start(struct flood *flood, int count)
{
	FILE *out = open_memstream(&flood->text, &flood->size);

	for (int i = 0; i < count; i++)
		fprintf(out, "{\"op\":\"number\",\"say\":%d}\n", i);
	fclose(out);
	flood->count = count;
	flood->got = calloc((size_t)count, NUMBER_SIZE + 100);
	assert_non_null(flood->got);
}

/* Sends what the socket takes, and reads if told to. Returns whether something moved. */
static bool flood_move(struct flood *flood, bool reads)
{
	ssize_t sent = send(flood->fd, flood->text + flood->sent, flood->size - flood->sent, MSG_DONTWAIT);
	ssize_t got = reads ? recv(flood->fd, flood->got + flood->received,
				   (size_t)flood->count * (NUMBER_SIZE + 100) - flood->received,
				   MSG_DONTWAIT)
			    : 0;

	flood->sent += sent > 0 ? (size_t)sent : 0;
	flood->received += got > 0 ? (size_t)got : 0;
	return sent > 0 || got > 0;
}

/* As long as anything moves; the server has a few more turns for what is between. */
static void flood_until_still(struct flood *flood, struct event_base *own, bool reads)
{
	int before;

	for (int still = 0; still < 20; still++) {
		before = numbered;
		if (flood_move(flood, reads))
			still = 0;
		event_base_loop(own, EVLOOP_NONBLOCK);
		if (numbered != before)
			still = 0;
	}
}

/* Who asks without end and reads nothing makes nobody wait and fills no memory; once it reads,
 * it has all answers in order. */
static void test_flood(void **state)
{
	enum { COUNT = 5000, A_FEW_TURNS = 100, MOST_BYTES = 2 << 20 };
	struct event_base *own = event_base_new();
	struct rain_rpc_server *flooded;
	struct flood flood = {0};
	static const char start[] = "{\"ok\":true,\"result\":\"";
	char other[80], line[256], *end, *at;
	struct rain_error err;
	int second;

	(void)state;
	numbered = 0;
	snprintf(other, sizeof(other), "%s/other.sock", directory);
	flooded = rain_rpc_server_create(own, other, 0600, ops, own, &err);
	assert_non_null(flooded);
	flood.fd = connection_to(other);
	flood_start(&flood, COUNT);
	second = connection_to(other);
	flood_move(&flood, false);
	say(second, "echo");
	while (recv(second, line, sizeof(line), MSG_DONTWAIT) < 0)
		event_base_loop(own, EVLOOP_ONCE);
	assert_in_range(numbered, 1, A_FEW_TURNS);

	flood_until_still(&flood, own, false);
	assert_in_range(numbered, 1, MOST_BYTES / NUMBER_SIZE);
	say(second, "echo");
	while (recv(second, line, sizeof(line), MSG_DONTWAIT) < 0)
		event_base_loop(own, EVLOOP_ONCE);
	close(second);

	flood_until_still(&flood, own, true);
	assert_int_equal(numbered, COUNT);
	at = flood.got;
	for (int i = 0; i < COUNT; i++) {
		assert_memory_equal(at, start, strlen(start));
		assert_int_equal(strtol(at + strlen(start), &end, 10), i);
		at = strchr(end, '\n') + 1;
	}
	assert_ptr_equal(at, flood.got + flood.received);
	close(flood.fd);
	rain_rpc_server_destroy(flooded);
	event_base_free(own);
	free(flood.text);
	free(flood.got);
}

/* The server may go before the answer is known. */
static void test_put_off_to_the_end(void **state)
{
	struct event_base *own = event_base_new();
	struct rain_rpc_server *short_lived;
	struct rain_error err;
	char other[80];
	int fd;

	(void)state;
	snprintf(other, sizeof(other), "%s/other.sock", directory);
	short_lived = rain_rpc_server_create(own, other, 0600, ops, own, &err);
	assert_non_null(short_lived);
	fd = connection_to(other);
	say(fd, "later");
	while (held_count == 0)
		event_base_loop(own, EVLOOP_ONCE);
	rain_rpc_server_destroy(short_lived);
	event_base_free(own);
	held_count = 0;
	rain_rpc_answer(held[0], NULL, "too late");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_put_off),
		cmocka_unit_test(test_put_off_many),
		cmocka_unit_test(test_put_off_gone),
		cmocka_unit_test(test_put_off_to_the_end),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_async),
		cmocka_unit_test(test_async_unreachable),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
