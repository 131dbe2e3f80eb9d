// SPDX-License-Identifier: GPL-2.0-or-later
/* The gateway's HTTP server and client on loopback, with real TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/gateway.h"
#include "federation/http_date.h"
#include "federation/limits.h"
#include "federation/peers_internal.h"

#define BIG (3 * 1024 * 1024)

static char directory[64];
static struct rain_config config;
static const struct rain_gateway_module *const no_modules[] = {NULL};
static struct rain_gateway gateway = {.config = &config, .modules = no_modules};
static struct rain_identity friend, stranger, invited, impostor;
static char address[32];
static struct rain_http_request *waiting;
static int gone;
static size_t streamed;

/* ---- the server's handlers ---- */

static void on_echo(struct rain_gateway *gw, struct rain_http_request *request)
{
	const json_t *body = rain_http_request_json(request);

	(void)gw;
	if (body)
		rain_http_reply_json(request, 200,
				     json_pack("{s:s,s:s,s:O}", "peer",
					       rain_http_request_peer(request)->name, "word",
					       rain_http_request_param(request, "word"), "body", body));
}

static void on_expired(struct rain_http_request *request, void *arg)
{
	(void)arg;
	waiting = NULL;
	rain_http_reply_json(request, 200, json_pack("{s:s}", "word", "nothing"));
}

static void on_gone(struct rain_http_request *request, void *arg)
{
	(void)request;
	(void)arg;
	waiting = NULL;
	gone++;
}

static void on_wait(struct rain_gateway *gw, struct rain_http_request *request)
{
	struct rain_error err;
	int64_t ms;

	(void)gw;
	if (rain_http_request_query_int(request, "ms", 0, 60000, 50, &ms, &err) < 0) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return;
	}
	waiting = request;
	rain_http_defer(request, ms, on_expired, on_gone, NULL);
}

static void on_file(struct rain_gateway *gw, struct rain_http_request *request)
{
	char path[128];
	int fd;

	(void)gw;
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	rain_http_reply_file(request, 200, fd, 10, BIG - 10);
}

static void sink_begin(struct rain_gateway *gw, struct rain_http_request *request)
{
	(void)gw;
	streamed = 0;
	if (rain_http_request_query(request, "no"))
		rain_http_reply_error(request, 403, "not this one");
}

static int sink_write(struct rain_gateway *gw, struct rain_http_request *request, const void *data,
		      size_t size, struct rain_error *err)
{
	(void)gw;
	(void)data;
	if (rain_http_request_query(request, "full"))
		return rain_error_set(err, "the sink is full");
	streamed += size;
	return 0;
}

static void sink_end(struct rain_gateway *gw, struct rain_http_request *request)
{
	(void)gw;
	rain_http_reply_json(request, 201, json_pack("{s:I}", "size", (json_int_t)streamed));
}

static void on_join(struct rain_gateway *gw, struct rain_http_request *request)
{
	(void)gw;
	rain_http_reply_empty(request, 204);
}

static const struct rain_http_route routes[] = {
	{RAIN_HTTP_PEER, "POST", "/v1/echo/{word}", on_echo, 1000, NULL, NULL},
	{RAIN_HTTP_PEER, "GET", "/v1/wait", on_wait, 0, NULL, NULL},
	{RAIN_HTTP_PEER, "GET", "/v1/file", on_file, 0, NULL, NULL},
	{RAIN_HTTP_PEER, "PUT", "/v1/sink", sink_end, 0, sink_begin, sink_write},
	{RAIN_HTTP_JOIN, "POST", "/v1/join", on_join, 0, NULL, NULL},
	{0},
};

/* ---- set-up ---- */

static void know(const char *name, const struct rain_identity *identity)
{
	struct rain_card card = {.protocol = 1};
	json_t *object = json_object();

	memcpy(card.key, identity->key, sizeof(card.key));
	assert_non_null(rain_peers_add(&gateway, (int64_t)gateway.peers->count + 1, name, &card, object));
	json_decref(object);
}

/* "127.0.0.1:PORT" of a port that nobody has. */
static void choose_address(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	socklen_t size = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
	close(fd);
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(any.sin_port));
}

static int set_up(void **state)
{
	static const struct rain_http_route *const tables[] = {routes};
	struct rain_error err;

	(void)state;
	choose_address();
	rain_log_open("test_http", RAIN_LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	strcpy(directory, "/tmp/rain-test-XXXXXX");
	config.gateway.state = mkdtemp(directory);
	config.cluster_name = (char *)"alpha";
	gateway.base = event_base_new();
	gateway.store = rain_store_create("host=/nowhere");
	if (rain_identity_load(&gateway.identity, directory, "alpha", &err) < 0 ||
	    rain_identity_init(&friend, NULL, "friend", &err) < 0 ||
	    rain_identity_init(&stranger, NULL, "stranger", &err) < 0 ||
	    rain_identity_init(&invited, NULL, "invited", &err) < 0 ||
	    rain_identity_init(&impostor, NULL, "impostor", &err) < 0 ||
	    !(gateway.client = rain_http_client_create(gateway.base, directory, &err)) ||
	    !(gateway.mailbox = rain_mailbox_create(&gateway, &err)) ||
	    !(gateway.peers = rain_peers_create(&gateway, &err)) ||
	    !(gateway.server = rain_http_server_create(&gateway, tables, 1, &err)) ||
	    rain_http_server_listen_peers(gateway.server, address, gateway.identity.certificate_pem,
					  gateway.identity.key_pem, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	know("self", &gateway.identity); /* the client's own certificate */
	know("friend", &friend);
	return rain_peers_invitation_add(gateway.peers, invited.key, 60000);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	rain_http_server_destroy(gateway.server);
	rain_mailbox_destroy(gateway.mailbox);
	rain_peers_destroy(gateway.peers);
	rain_http_client_destroy(gateway.client);
	rain_store_destroy(gateway.store);
	rain_identity_release(&gateway.identity);
	rain_identity_release(&friend);
	rain_identity_release(&stranger);
	rain_identity_release(&invited);
	rain_identity_release(&impostor);
	event_base_free(gateway.base);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"identity.pem", "certificate.pem", "file"};

		snprintf(command, sizeof(command), "%s/%s", directory, names[i]);
		unlink(command);
	}
	return rmdir(directory);
}

/* ---- asking ---- */

struct answer {
	bool done;
	int status;
	bool connected;
	char error[512], body[2048], kind[64];
	size_t size, taken;
	unsigned sum;
};

static void on_done(void *arg, const struct rain_http_result *result)
{
	struct answer *answer = arg;
	const char *kind = rain_http_result_header(result, "content-type");

	answer->done = true;
	answer->status = result->status;
	answer->connected = result->connected;
	answer->size = result->size;
	snprintf(answer->error, sizeof(answer->error), "%s", result->error ? result->error : "");
	snprintf(answer->body, sizeof(answer->body), "%s", result->body);
	snprintf(answer->kind, sizeof(answer->kind), "%s", kind ? kind : "");
}

static void run_until(const bool *done)
{
	int64_t end = rain_clock_monotonic_ms() + 20000;

	while (!*done && rain_clock_monotonic_ms() < end)
		event_base_loop(gateway.base, EVLOOP_ONCE);
	assert_true(*done);
}

static struct answer ask(struct rain_http_call call)
{
	struct answer answer = {0};
	struct rain_error err;

	if (!call.address)
		call.address = address;
	if (!call.key)
		call.key = gateway.identity.key;
	if (!call.timeout_ms)
		call.timeout_ms = 15000;
	call.done = on_done;
	call.arg = &answer;
	assert_non_null(rain_http_client_start(gateway.client, &call, &err));
	assert_false(answer.done);
	run_until(&answer.done);
	return answer;
}

static struct rain_http_call echo(const char *body)
{
	return (struct rain_http_call){.method = "POST", .path = "/v1/echo/hi", .body = body,
				       .body_size = (int64_t)strlen(body)};
}

/* ---- tests ---- */

static void a_known_peer_is_served(void **state)
{
	struct rain_http_call call = echo("{\"a\":1}");
	struct answer answer;

	(void)state;
	call.certificate_pem = friend.certificate_pem;
	call.key_pem = friend.key_pem;
	answer = ask(call);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"peer\":\"friend\",\"word\":\"hi\",\"body\":{\"a\":1}}");
	assert_string_equal(answer.kind, "application/json");
	answer = ask(echo("{}"));
	assert_non_null(strstr(answer.body, "\"self\""));
}

static void an_unknown_key_is_refused(void **state)
{
	struct rain_http_call call = echo("{}");
	struct answer answer;

	(void)state;
	call.certificate_pem = stranger.certificate_pem;
	call.key_pem = stranger.key_pem;
	answer = ask(call);
	assert_int_equal(answer.status, 0);
	assert_string_not_equal(answer.error, "");
}

static void an_invitation_opens_one_door(void **state)
{
	struct rain_http_call call = {.method = "POST", .path = "/v1/join",
				      .certificate_pem = invited.certificate_pem,
				      .key_pem = invited.key_pem};

	(void)state;
	assert_int_equal(ask(call).status, 204);
	call.path = "/v1/echo/hi";
	assert_int_equal(ask(call).status, 404);
	call.certificate_pem = friend.certificate_pem;
	call.key_pem = friend.key_pem;
	call.path = "/v1/join";
	assert_int_equal(ask(call).status, 404);
}

static void another_server_key_is_refused(void **state)
{
	struct rain_http_call call = echo("{}");
	struct answer answer;

	(void)state;
	call.key = impostor.key;
	answer = ask(call);
	assert_int_equal(answer.status, 0);
	assert_false(answer.connected);
	assert_non_null(strstr(answer.error, "isn't the cluster"));
}

static void nobody_is_not_reached(void **state)
{
	struct rain_http_call call = echo("{}");
	struct answer answer;

	(void)state;
	call.address = "127.0.0.1:1";
	answer = ask(call);
	assert_int_equal(answer.status, 0);
	assert_false(answer.connected);
}

/* A client of our own in another process: 0 when it read a byte of HTTP. */
static int knock(const char *priorities, const struct rain_identity *identity)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	char byte[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0), code;

	to.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	gnutls_certificate_allocate_credentials(&credentials);
	if (identity) {
		gnutls_datum_t certificate = {(unsigned char *)identity->certificate_pem,
					      (unsigned)strlen(identity->certificate_pem)};
		gnutls_datum_t key = {(unsigned char *)identity->key_pem,
				      (unsigned)strlen(identity->key_pem)};

		gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
	}
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_priority_set_direct(session, priorities, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 2;
	gnutls_transport_set_int(session, fd);
	do
		code = gnutls_handshake(session);
	while (code < 0 && !gnutls_error_is_fatal(code));
	if (code < 0)
		return 1;
	gnutls_record_send(session, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n", 35);
	do
		code = (int)gnutls_record_recv(session, byte, sizeof(byte));
	while (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED);
	return code > 0 ? 0 : 1;
}

static int knock_from_outside(const char *priorities, const struct rain_identity *identity)
{
	int64_t end = rain_clock_monotonic_ms() + 20000;
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(knock(priorities, identity));
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct timeval soon = {0, 10000};

		event_base_loopexit(gateway.base, &soon);
		event_base_dispatch(gateway.base);
		assert_true(rain_clock_monotonic_ms() < end);
	}
	return WEXITSTATUS(status);
}

static void old_tls_and_no_certificate_are_refused(void **state)
{
	(void)state;
	assert_int_equal(knock_from_outside("NORMAL", &friend), 0);
	assert_int_equal(knock_from_outside("NORMAL", NULL), 1);
	assert_int_equal(knock_from_outside("NORMAL", &stranger), 1);
	assert_int_equal(knock_from_outside("NORMAL:-VERS-ALL:+VERS-TLS1.2", &friend), 1);
}

static void bodies_and_paths_are_bounded(void **state)
{
	struct rain_http_call call;
	char body[1200], path[RAIN_LIMIT_HTTP_PATH + 100];
	char header[RAIN_LIMIT_HTTP_HEADERS + 100];
	const char *headers[] = {header, NULL};

	(void)state;
	memset(body, ' ', sizeof(body));
	body[sizeof(body) - 1] = '\0';
	assert_int_equal(ask(echo(body)).status, 413);
	assert_int_equal(ask(echo("no json")).status, 400);
	assert_int_equal(ask(echo("[]")).status, 400);
	call = echo("{}");
	memset(path, 'x', sizeof(path));
	memcpy(path, "/v1/echo/", 9);
	path[sizeof(path) - 1] = '\0';
	call.path = path;
	assert_int_equal(ask(call).status, 414);
	call.path = "/v1/nothing";
	assert_int_equal(ask(call).status, 404);
	call.path = "/v1/wait";
	assert_int_equal(ask(call).status, 405);
	memset(header, 'x', sizeof(header));
	memcpy(header, "X-Long: ", 8);
	header[sizeof(header) - 1] = '\0';
	call.headers = headers;
	assert_int_equal(ask(call).status, 431);
	/* And then all is well again. */
	assert_int_equal(ask(echo("{}")).status, 200);
}

static void answers_may_wait(void **state)
{
	struct rain_http_call call = {.method = "GET", .path = "/v1/wait?ms=30"};
	struct answer answer, late = {0};
	struct rain_error err;
	int64_t start;

	(void)state;
	answer = ask(call);
	assert_string_equal(answer.body, "{\"word\":\"nothing\"}");
	call.path = "/v1/wait?ms=x";
	assert_int_equal(ask(call).status, 400);
	/* Answered from elsewhere: at once, not when something else happens. */
	call.path = "/v1/wait?ms=10000";
	call.address = address;
	call.key = gateway.identity.key;
	call.timeout_ms = 15000;
	call.done = on_done;
	call.arg = &late;
	assert_non_null(rain_http_client_start(gateway.client, &call, &err));
	while (!waiting)
		event_base_loop(gateway.base, EVLOOP_ONCE);
	start = rain_clock_monotonic_ms();
	rain_http_reply_json(waiting, 200, json_pack("{s:s}", "word", "now"));
	run_until(&late.done);
	assert_string_equal(late.body, "{\"word\":\"now\"}");
	assert_true(rain_clock_monotonic_ms() - start < 1000);
}

static int take(void *arg, const void *data, size_t size)
{
	struct answer *answer = arg;

	for (size_t i = 0; i < size; i++)
		answer->sum = answer->sum * 31 + ((const unsigned char *)data)[i];
	answer->taken += size;
	return 0;
}

static void files_stream_both_ways(void **state)
{
	struct rain_http_call call = {.method = "GET", .path = "/v1/file", .write = take, .bulk = true};
	unsigned char *data = malloc(BIG);
	struct answer answer;
	unsigned sum = 0;
	char path[128];
	int fd;

	(void)state;
	for (size_t i = 0; i < BIG; i++) {
		data[i] = (unsigned char)(i * 2654435761u >> 24);
		if (i >= 10)
			sum = sum * 31 + data[i];
	}
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, data, BIG), BIG);
	answer = ask(call);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.taken, BIG - 10);
	assert_int_equal(answer.sum, sum);
	call = (struct rain_http_call){.method = "PUT", .path = "/v1/sink", .body_fd = fd,
				       .body_offset = 7, .body_size = BIG - 7, .bulk = true};
	answer = ask(call);
	assert_int_equal(answer.status, 201);
	assert_int_equal(streamed, BIG - 7);
	call.path = "/v1/sink?no=1";
	answer = ask(call);
	assert_int_equal(answer.status, 403);
	assert_string_equal(answer.error, "not this one");
	assert_int_equal(streamed, 0);
	close(fd);
	free(data);
}

static void an_answer_is_bounded(void **state)
{
	struct rain_http_call call = {.method = "GET", .path = "/v1/file", .reply_max = 1000};
	struct answer answer = ask(call);

	(void)state;
	assert_int_equal(answer.status, 0);
	assert_non_null(strstr(answer.error, "larger than 1000"));
}

static void the_end_tells_who_waits(void **state)
{
	struct rain_http_call call = {.method = "GET", .path = "/v1/wait?ms=10000", .address = address,
				      .key = gateway.identity.key, .timeout_ms = 15000,
				      .done = on_done};
	struct answer cancelled = {0};
	struct rain_error err;

	(void)state;
	call.arg = &cancelled;
	waiting = NULL;
	gone = 0;
	assert_non_null(rain_http_client_start(gateway.client, &call, &err));
	while (!waiting)
		event_base_loop(gateway.base, EVLOOP_ONCE);
	rain_http_server_destroy(gateway.server);
	gateway.server = NULL;
	assert_int_equal(gone, 1);
}

static void test_date(void **state)
{
	char text[RAIN_HTTP_DATE_SIZE];
	int64_t ahead;

	(void)state;
	assert_int_equal(rain_http_date_ahead("Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000), &ahead), 0);
	assert_int_equal(ahead, 500);
	assert_int_equal(rain_http_date_ahead("Sun, 06 Nov 1994 07:49:37 GMT", INT64_C(784111777500), &ahead), 0);
	assert_int_equal(ahead, -3600000);
	assert_int_equal(rain_http_date_ahead(rain_http_date(text), rain_clock_realtime_ms(), &ahead), 0);
	assert_in_range(ahead + 2000, 0, 4000);
	assert_int_equal(rain_http_date_ahead(NULL, 0, &ahead), -1);
	assert_int_equal(rain_http_date_ahead("yesterday, perhaps", 0, &ahead), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date),
		cmocka_unit_test(a_known_peer_is_served),
		cmocka_unit_test(an_unknown_key_is_refused),
		cmocka_unit_test(an_invitation_opens_one_door),
		cmocka_unit_test(another_server_key_is_refused),
		cmocka_unit_test(nobody_is_not_reached),
		cmocka_unit_test(old_tls_and_no_certificate_are_refused),
		cmocka_unit_test(bodies_and_paths_are_bounded),
		cmocka_unit_test(answers_may_wait),
		cmocka_unit_test(files_stream_both_ways),
		cmocka_unit_test(an_answer_is_bounded),
		cmocka_unit_test(the_end_tells_who_waits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
