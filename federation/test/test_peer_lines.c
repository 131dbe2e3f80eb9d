// SPDX-License-Identifier: GPL-2.0-or-later
/* What strangers write: invitation lines, cards, batches, paths, ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/card.h"
#include "federation/envelope.h"
#include "federation/http_route.h"
#include "federation/invitation.h"
#include "federation/limits.h"

static void make_invitation(struct rain_invitation *invitation)
{
	static char *addresses[] = {"192.0.2.2:7246", "[2001:db8::1]:7246", "head.example.org:1"};

	memset(invitation, 0, sizeof(*invitation));
	strcpy(invitation->name, "alpha");
	invitation->addresses = addresses;
	invitation->address_count = 3;
	memset(invitation->key, 7, sizeof(invitation->key));
	memset(invitation->seed, 9, sizeof(invitation->seed));
	invitation->valid_s = 3600;
}

static void invitation_survives_the_line(void **state)
{
	struct rain_invitation in, out;
	struct rain_error err;
	char *line, wrapped[RAIN_LIMIT_INVITATION_LINE + 16];

	(void)state;
	make_invitation(&in);
	line = rain_invitation_format(&in, &err);
	assert_non_null(line);
	assert_true(strncmp(line, "rain-peer1:", 11) == 0);
	/* As mail mangles it. */
	snprintf(wrapped, sizeof(wrapped), "  %.40s\r\n %s\n", line, line + 40);
	assert_int_equal(rain_invitation_parse(wrapped, &out, &err), 0);
	assert_string_equal(out.name, "alpha");
	assert_int_equal(out.address_count, 3);
	assert_string_equal(out.addresses[1], "[2001:db8::1]:7246");
	assert_memory_equal(out.key, in.key, sizeof(in.key));
	assert_memory_equal(out.seed, in.seed, sizeof(in.seed));
	assert_int_equal(out.valid_s, 3600);
	rain_invitation_release(&out);
	free(line);
}

/* The JSON in a line. */
static char *line_of(const char *json)
{
	char *encoded = rain_identity_base64(json, strlen(json));
	char *line = malloc(strlen(encoded) + 32);

	sprintf(line, "rain-peer1:%s", encoded);
	free(encoded);
	return line;
}

static void wrong_lines_are_refused(void **state)
{
#define KEY "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
	static const struct {
		const char *json, *words;
	} cases[] = {
		{"{}", "'v'"},
		{"[]", "damaged"},
		{"{\"v\":2}", "'v'"},
		{"{\"v\":1,\"n\":\"Alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":1,\"a\":[\"h:1\"]}", "\"n\""},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"short\",\"s\":\"" KEY "\",\"e\":1,\"a\":[\"h:1\"]}", "\"k\""},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":0,\"a\":[\"h:1\"]}", "'e'"},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":1,\"a\":[]}", "address"},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":1,\"a\":[\"h:0\"]}", "port"},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":1,\"a\":[\"u@h/x:1\"]}", "host"},
		{"{\"v\":1,\"n\":\"alpha\",\"k\":\"" KEY "\",\"s\":\"" KEY "\",\"e\":1,\"a\":[7]}", "text"},
	};
	struct rain_invitation out;
	struct rain_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *line = line_of(cases[i].json);

		assert_int_equal(rain_invitation_parse(line, &out, &err), -1);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: %s", cases[i].json, err.text);
		assert_null(out.addresses);
		free(line);
	}
	assert_int_equal(rain_invitation_parse("", &out, &err), -1);
	assert_int_equal(rain_invitation_parse("rain-peer2:AAAA", &out, &err), -1);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(rain_invitation_parse("rain-peer1:!!!!", &out, &err), -1);
}

static void long_lines_are_refused(void **state)
{
	char line[RAIN_LIMIT_INVITATION_LINE + 2];
	struct rain_invitation out;
	struct rain_error err;

	(void)state;
	memset(line, 'A', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "rain-peer1:", 11);
	assert_int_equal(rain_invitation_parse(line, &out, &err), -1);
	assert_non_null(strstr(err.text, "longer"));
}

static void cards_are_read(void **state)
{
	json_t *object = json_pack("{s:[iii],s:s,s:s,s:[s],s:s,s:{s:i},s:i}", "protocol", 3, 1, 9, "name",
				   "bravo", "key", KEY, "addresses", "192.0.2.3:7246", "software",
				   "rain 9", "capabilities", "cores", 4, "unknown", 1);
	struct rain_card card;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_card_parse(object, &card, &err), 0);
	assert_string_equal(card.name, "bravo");
	assert_int_equal(card.protocol, 1);
	assert_int_equal(card.address_count, 1);
	assert_int_equal(json_integer_value(json_object_get(card.capabilities, "cores")), 4);
	rain_card_release(&card);
	/* Only newer versions: readable, but nothing in common. */
	json_object_set_new(object, "protocol", json_pack("[i]", 2));
	assert_int_equal(rain_card_parse(object, &card, &err), 0);
	assert_int_equal(card.protocol, 0);
	rain_card_release(&card);
	json_object_set_new(object, "protocol", json_pack("[s]", "1"));
	assert_int_equal(rain_card_parse(object, &card, &err), -1);
	json_object_set_new(object, "protocol", json_pack("[i]", 1));
	json_object_set_new(object, "capabilities", json_integer(1));
	assert_int_equal(rain_card_parse(object, &card, &err), -1);
	assert_int_equal(rain_card_parse(NULL, &card, &err), -1);
	json_decref(object);
}

static int envelope(const char *text, struct rain_error *err)
{
	struct rain_envelope out;
	int result = rain_envelope_parse(text, strlen(text), &out, err);

	if (result < 0)
		assert_null(out.messages);
	rain_envelope_release(&out);
	return result;
}

static void batches_are_read(void **state)
{
	static const char *const wrong[] = {
		"", "{", "[]", "{}", "{\"messages\":1}", "{\"messages\":[1]}",
		"{\"messages\":[{\"seq\":0,\"type\":\"a\",\"body\":{}}]}",
		"{\"messages\":[{\"seq\":9007199254740992,\"type\":\"a\",\"body\":{}}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"A\",\"body\":{}}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"\",\"body\":{}}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"a\",\"body\":[]}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"a\"}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"a\",\"body\":{}},{\"seq\":3,\"type\":\"a\",\"body\":{}}]}",
		"{\"messages\":[{\"seq\":1,\"type\":\"a\",\"body\":{}},{\"seq\":1,\"type\":\"a\",\"body\":{}}]}",
	};
	struct rain_error err;
	int64_t applied;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (envelope(wrong[i], &err) == 0)
			fail_msg("accepted: %s", wrong[i]);
	assert_int_equal(envelope("{\"messages\":[]}", &err), 0);
	assert_int_equal(envelope("{\"messages\":[{\"seq\":4,\"type\":\"order\",\"body\":{}},"
				  "{\"seq\":5,\"type\":\"x-1\",\"body\":{\"a\":1}}],\"dials\":true}", &err), 0);
	assert_int_equal(rain_envelope_applied("{\"applied\":7}", 13, &applied, &err), 0);
	assert_int_equal(applied, 7);
	assert_int_equal(rain_envelope_applied("{\"applied\":-1}", 14, &applied, &err), -1);
}

static void too_many_messages_are_refused(void **state)
{
	json_t *list = json_array(), *object = json_pack("{s:o}", "messages", list);
	struct rain_error err;
	char *text;

	(void)state;
	for (int i = 1; i <= RAIN_LIMIT_MESSAGE_BATCH + 1; i++)
		json_array_append_new(list, json_pack("{s:i,s:s,s:{}}", "seq", i, "type", "a", "body"));
	text = json_dumps(object, 0);
	assert_int_equal(envelope(text, &err), -1);
	free(text);
	json_array_remove(list, 0);
	text = json_dumps(object, 0);
	assert_int_equal(envelope(text, &err), 0);
	free(text);
	json_decref(object);
}

static void paths_are_matched(void **state)
{
	struct rain_http_params params;
	char path[RAIN_LIMIT_HTTP_PARAM_LENGTH + 16];

	(void)state;
	assert_true(rain_http_route_match("/v1/jobs/{job}/streams/{name}", "/v1/jobs/7/streams/stdout",
					  &params));
	assert_string_equal(rain_http_params_get(&params, "job"), "7");
	assert_string_equal(rain_http_params_get(&params, "name"), "stdout");
	assert_null(rain_http_params_get(&params, "other"));
	assert_false(rain_http_route_match("/v1/jobs/{job}", "/v1/jobs/", &params));
	assert_false(rain_http_route_match("/v1/jobs/{job}", "/v1/jobs/7/", &params));
	assert_false(rain_http_route_match("/v1/jobs/{job}", "/v1/jobs/7/x", &params));
	assert_false(rain_http_route_match("/v1/jobs/{job}", "/v1/jobs", &params));
	assert_false(rain_http_route_match("/v1/jobs", "/v1/job", &params));
	assert_false(rain_http_route_match("/v1/jobs", "", &params));
	assert_false(rain_http_route_match("/v1/jobs", "*", &params));
	memset(path, 'x', sizeof(path));
	memcpy(path, "/a/", 3);
	path[3 + RAIN_LIMIT_HTTP_PARAM_LENGTH + 1] = '\0';
	assert_false(rain_http_route_match("/a/{b}", path, &params));
	path[3 + RAIN_LIMIT_HTTP_PARAM_LENGTH] = '\0';
	assert_true(rain_http_route_match("/a/{b}", path, &params));
}

static void ranges_are_read(void **state)
{
	int64_t start, end, size;

	(void)state;
	assert_int_equal(rain_http_range_parse("bytes=10-", 100, &start, &end), 0);
	assert_int_equal(start, 10);
	assert_int_equal(end, 100);
	assert_int_equal(rain_http_range_parse("bytes=10-19", 100, &start, &end), 0);
	assert_int_equal(end, 20);
	assert_int_equal(rain_http_range_parse("bytes=10-999", 100, &start, &end), 0);
	assert_int_equal(end, 100);
	assert_int_equal(rain_http_range_parse("bytes=100-", 100, &start, &end), -1);
	assert_int_equal(rain_http_range_parse("bytes=5-4", 100, &start, &end), -1);
	assert_int_equal(rain_http_range_parse("bytes=-4", 100, &start, &end), -1);
	assert_int_equal(rain_http_range_parse("bytes=1-2,4-5", 100, &start, &end), -1);
	assert_int_equal(rain_http_range_parse("bytes=99999999999999999999-", 100, &start, &end), -1);
	assert_int_equal(rain_http_content_range_parse("bytes 5-9/20", &start, &end, &size), 0);
	assert_int_equal(start, 5);
	assert_int_equal(end, 10);
	assert_int_equal(size, 20);
	assert_int_equal(rain_http_content_range_parse("bytes 5-20/20", &start, &end, &size), -1);
	assert_int_equal(rain_http_content_range_parse("bytes 9-5/20", &start, &end, &size), -1);
	assert_int_equal(rain_http_content_range_parse("bytes 5-9/*", &start, &end, &size), -1);
	assert_int_equal(rain_http_content_range_parse("bytes 5-9/9999999999999", &start, &end, &size), -1);
	assert_int_equal(rain_http_number_parse("12", &start), 0);
	assert_int_equal(rain_http_number_parse("12 ", &start), -1);
	assert_int_equal(rain_http_number_parse("-1", &start), -1);
	assert_int_equal(rain_http_number_parse("", &start), -1);
}

static void join_bytes_depend_on_everything(void **state)
{
	json_t *card = json_pack("{s:i}", "x", 1), *other = json_pack("{s:i}", "x", 2);
	unsigned char a[32] = {1}, b[32] = {2};
	char *one = rain_card_join_bytes(card, a, b), *two = rain_card_join_bytes(other, a, b);
	char *three = rain_card_join_bytes(card, b, b), *four = rain_card_join_bytes(card, a, a);

	(void)state;
	assert_string_not_equal(one, two);
	assert_string_not_equal(one, three);
	assert_string_not_equal(one, four);
	free(one);
	free(two);
	free(three);
	free(four);
	json_decref(card);
	json_decref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invitation_survives_the_line),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(cards_are_read),
		cmocka_unit_test(batches_are_read),
		cmocka_unit_test(too_many_messages_are_refused),
		cmocka_unit_test(paths_are_matched),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(join_bytes_depend_on_everything),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
