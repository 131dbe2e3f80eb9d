/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/message.h"

#define BURST "01234567-89ab-cdef-0123-456789abcdef"
#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static json_t *manifest(void)
{
	json_t *m = json_pack("{s:{s:s,s:i}, s:{s:s,s:i}, s:[s,s], s:[{s:s,s:i}], s:[s]}", "script", "sha256", SHA,
			      "size", 10, "environment", "sha256", SHA, "size", 20, "args", "a b", "$(reboot)",
			      "inputs", "sha256", SHA, "size", 30, "stage_out", "out/*.dat");
	assert_non_null(m);
	return m;
}

static void sample(enum rain_message_type type, enum rain_event_kind kind, struct rain_message *m)
{
	memset(m, 0, sizeof *m);
	m->type = type;
	m->kind = kind;
	strcpy(m->burst, BURST);
	m->shape = (struct rain_shape){ 4, 16, 1, 4, 30 };
	strcpy(m->user, "ada");
	strcpy(m->arch, "x86_64");
	m->terms = (struct rain_terms){ 1000, 100, 123456 };
	m->lease_ms = 5000;
	strcpy(m->reason, "no node is idle");
	m->capacity = true;
	m->room = true;
	m->free_nodes = 6;
	m->extra_nodes = 2;
	m->window_s = 600;
	m->seq = 7;
	m->signal = 15;
	m->job_id = 99;
	strcpy(m->nodes, "node[1-4]");
	m->outcome = RAIN_OUTCOME_EXITED;
	m->code = 3;
	m->run_ms = 777;
	m->stdout_bytes = 10;
	m->claimed_utok = 50;
	strcpy(m->receipt, "{}");
	strcpy(m->sha256, SHA);
	memset(m->signature, 'x', 86);
	m->amount_utok = 40;
	m->observed_utok = 41;
	if (type == RAIN_MESSAGE_EVENT && kind == RAIN_EVENT_INPUTS)
		m->manifest = manifest();
	if (type == RAIN_MESSAGE_FINISHED)
		m->outputs = json_pack("[{s:s,s:i,s:s}]", "sha256", SHA, "size", 5, "path", "out/a.dat");
}

/* Encoded, read and encoded again it is the same. */
static void round_trip(enum rain_message_type type, enum rain_event_kind kind)
{
	struct rain_message m, read;
	struct rain_error err;
	json_t *body, *again;

	sample(type, kind, &m);
	body = rain_message_encode(&m, &err);
	if (!body)
		fail_msg("%s", err.text);
	json_object_set_new(body, "something_new", json_string("ignored"));
	assert_int_equal(rain_message_parse(type, body, &read, &err), 0);
	json_object_del(body, "something_new");
	again = rain_message_encode(&read, &err);
	assert_non_null(again);
	assert_true(json_equal(body, again));
	json_decref(body);
	json_decref(again);
	rain_message_release(&m);
	rain_message_release(&read);
}

static void test_round_trips(void **state)
{
	(void)state;
	for (int type = 0; type < RAIN_MESSAGE_TYPES; type++) {
		assert_int_equal(rain_message_find(rain_message_name((enum rain_message_type)type)), type);
		if (type != RAIN_MESSAGE_EVENT)
			round_trip((enum rain_message_type)type, RAIN_EVENT_OTHER);
	}
	for (int kind = 0; kind < RAIN_EVENT_OTHER; kind++)
		round_trip(RAIN_MESSAGE_EVENT, (enum rain_event_kind)kind);
	assert_int_equal(rain_message_find("nonsense"), -1);
}

/* Replacing any field by things of another type never gets through as is. */
static void test_wrong_types(void **state)
{
	static const char *const values[] = { "-1", "1e3", "\"\"", "[]", "{}", "true", "null",
					      "9223372036854775807", "\"\\u0007\"", "[[[]]]" };
	(void)state;
	for (int type = 0; type < RAIN_MESSAGE_TYPES; type++) {
		struct rain_message m, read;
		json_t *body, *copy, *value;
		const char *key;

		sample((enum rain_message_type)type, RAIN_EVENT_INPUTS, &m);
		body = rain_message_encode(&m, NULL);
		assert_non_null(body);
		json_object_foreach(body, key, value) {
			for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
				struct rain_error err = { "" };
				json_t *bad = json_loads(values[i], JSON_DECODE_ANY, NULL);
				copy = json_deep_copy(body);
				json_object_set_new(copy, key, bad);
				if (rain_message_parse((enum rain_message_type)type, copy, &read, &err) == 0 &&
				    read.kind == RAIN_EVENT_OTHER && type == RAIN_MESSAGE_EVENT) {
					rain_message_release(&read); /* nothing that we would send */
				} else if (err.text[0] == '\0') {
					/* What was let in can be sent on: it is within bounds. */
					json_t *again = rain_message_encode(&read, &err);
					assert_non_null(again);
					json_decref(again);
					rain_message_release(&read);
				} else {
					assert_true(err.text[0] != '\0');
				}
				json_decref(copy);
			}
		}
		json_decref(body);
		rain_message_release(&m);
	}
}

static void refuses(const char *key, json_t *value, enum rain_message_type type, enum rain_event_kind kind,
		    const char *says)
{
	struct rain_message m, read;
	struct rain_error err = { "" };
	json_t *body;

	sample(type, kind, &m);
	body = rain_message_encode(&m, &err);
	json_object_set_new(body, key, value);
	assert_int_equal(rain_message_parse(type, body, &read, &err), -1);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, says);
	json_decref(body);
	rain_message_release(&m);
}

static void test_bounds(void **state)
{
	(void)state;
	refuses("nodes", json_integer(RAIN_NODES_MAX + 1), RAIN_MESSAGE_ASK, RAIN_EVENT_OTHER, "nodes");
	refuses("tasks", json_integer(0), RAIN_MESSAGE_ORDER, RAIN_EVENT_OTHER, "tasks");
	refuses("tasks", json_integer(65536), RAIN_MESSAGE_ORDER, RAIN_EVENT_OTHER, "don't fit");
	refuses("user", json_string(""), RAIN_MESSAGE_ASK, RAIN_EVENT_OTHER, "user");
	refuses("burst", json_string("../../../../etc/passwd-0123456789012"), RAIN_MESSAGE_ASK, RAIN_EVENT_OTHER, "burst");
	refuses("burst", json_string("01234567-89AB-cdef-0123-456789abcdef"), RAIN_MESSAGE_ASK, RAIN_EVENT_OTHER, "UUID");
	refuses("outcome", json_string("none"), RAIN_MESSAGE_FINISHED, RAIN_EVENT_OTHER, "outcome");
	refuses("code", json_integer(256), RAIN_MESSAGE_FINISHED, RAIN_EVENT_OTHER, "code");
	refuses("signal", json_integer(65), RAIN_MESSAGE_EVENT, RAIN_EVENT_SIGNAL, "signal");
	refuses("receipt_sha256", json_string("abc"), RAIN_MESSAGE_COUNTERSIGNED, RAIN_EVENT_OTHER, "receipt_sha256");
	refuses("amount_utok", json_integer(-1), RAIN_MESSAGE_COUNTERSIGNED, RAIN_EVENT_OTHER, "amount_utok");
	refuses("signature", json_string("zz"), RAIN_MESSAGE_RECEIPT, RAIN_EVENT_OTHER, "signature");
	refuses("manifest", json_object(), RAIN_MESSAGE_EVENT, RAIN_EVENT_INPUTS, "script");
}

static void test_unknown_kind_is_no_error(void **state)
{
	json_t *body = json_pack("{s:s, s:i, s:s}", "burst", BURST, "seq", 1, "kind", "checkpointed");
	struct rain_message m;

	(void)state;
	assert_int_equal(rain_message_parse(RAIN_MESSAGE_EVENT, body, &m, NULL), 0);
	assert_int_equal(m.kind, RAIN_EVENT_OTHER);
	json_decref(body);
}

static void test_texts_can_be_shown(void **state)
{
	json_t *body = json_pack("{s:s, s:s}", "burst", BURST, "reason", "red\x1b[31m\nalert");
	struct rain_message m;

	(void)state;
	assert_int_equal(rain_message_parse(RAIN_MESSAGE_REFUSE, body, &m, NULL), 0);
	assert_string_equal(m.reason, "red?[31m?alert");
	json_decref(body);
}

static void test_paths(void **state)
{
	static const char *const good[] = { "a", "a/b", ".hidden", "a/..b", "...", "ä/ö x" };
	static const char *const bad[] = { "", "/", "/etc/passwd", "..", "a/..", "a/../b", "./a", "a//b", "a/", "a/.",
					   "a\nb", "a/./b" };
	char longest[RAIN_MANIFEST_TEXT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(rain_path_is_safe(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(rain_path_is_safe(bad[i]));
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_false(rain_path_is_safe(longest));
}

static int count_blob(void *arg, const char *sha256, int64_t size)
{
	assert_string_equal(sha256, SHA);
	*(int64_t *)arg += size;
	return 0;
}

static void test_manifest(void **state)
{
	json_t *m = manifest(), *read, *many;
	struct rain_error err;
	int64_t total = 0;

	(void)state;
	read = rain_manifest_parse(m, &err);
	assert_true(json_equal(m, read));
	rain_manifest_blobs(read, count_blob, &total);
	assert_int_equal(total, 60);
	json_decref(read);
	json_object_del(m, "args");
	read = rain_manifest_parse(m, &err);
	assert_int_equal(json_array_size(json_object_get(read, "args")), 0);
	json_decref(read);
	many = json_array();
	for (int i = 0; i < RAIN_MANIFEST_INPUTS_MAX + 1; i++)
		json_array_append_new(many, json_pack("{s:s,s:i}", "sha256", SHA, "size", 1));
	json_object_set_new(m, "inputs", many);
	assert_null(rain_manifest_parse(m, &err));
	json_object_del(m, "inputs");
	many = json_array();
	for (int i = 0; i < 20; i++) {
		char *text = malloc(4001);
		memset(text, 'x', 4000);
		text[4000] = '\0';
		json_array_append_new(many, json_string(text));
		free(text);
	}
	json_object_set_new(m, "args", many);
	assert_null(rain_manifest_parse(m, &err));
	assert_non_null(strstr(err.text, "larger than"));
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),	cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_bounds),		cmocka_unit_test(test_unknown_kind_is_no_error),
		cmocka_unit_test(test_texts_can_be_shown), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_manifest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
