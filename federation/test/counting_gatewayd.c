// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway whose messages only count, for test_gateways.sh: the transport of
 * rain-gatewayd, whole, with a module of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/gateway.h"
#include "federation/limits.h"

/* ---- messages: each stores its number ---- */

static int apply_count(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		       const json_t *body, struct rain_error *err)
{
	char number[RAIN_STORE_INT64_SIZE];
	int64_t n;

	(void)gateway;
	if (rain_json_int(body, "n", 1, 1000000, &n, err) < 0)
		return -1;
	return rain_store_execute(tx, err,
				  "INSERT INTO federation.test_received (peer, n) VALUES ($1, $2::bigint)",
				  2, peer->name, rain_store_format_int64(n, number));
}

static const struct rain_message_handler messages[] = {
	{"count", apply_count},
	{NULL, NULL},
};

struct posting {
	struct rain_gateway *gateway;
	const struct rain_peer *peer;
	const char *type;
	json_t *body;
};

static int post_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct posting *posting = arg;

	return rain_mailbox_post(posting->gateway, tx, posting->peer, posting->type, posting->body,
				 err);
}

static json_t *op_post(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct posting posting = {gateway};
	const char *peer;
	int64_t from, to;

	(void)caller;
	if (rain_json_string(request, "peer", 16, &peer, err) < 0 ||
	    rain_json_string_or(request, "type", 32, "count", &posting.type, err) < 0 ||
	    rain_json_int(request, "from", 0, 1000000, &from, err) < 0 ||
	    rain_json_int(request, "to", 0, 1000000, &to, err) < 0)
		return NULL;
	posting.peer = rain_peers_by_name(gateway->peers, peer);
	if (!posting.peer) {
		rain_error_set(err, "no such peer");
		return NULL;
	}
	for (int64_t n = from; n <= to; n++) {
		int status;

		posting.body = json_pack("{s:I}", "n", (json_int_t)n);
		status = rain_store_transaction(gateway->store, post_work, &posting, err);
		json_decref(posting.body);
		if (status < 0)
			return NULL;
	}
	return json_null();
}

/* ---- blobs: everything is allowed; a move reports into a table of results ---- */

static char results[16][512];
static int result_count;

static bool allow(struct rain_gateway *gateway, const struct rain_peer *peer, const char *sha256,
		  bool write, const char *burst, struct rain_blob_leave *leave, struct rain_error *err)
{
	(void)gateway;
	(void)peer;
	(void)write;
	(void)burst;
	leave->size_max = RAIN_LIMIT_BLOB;
	/* A hash that no file of a test has. */
	if (strspn(sha256, "0") != RAIN_BLOB_NAME_SIZE - 1)
		return true;
	rain_error_set(err, "this blob isn't for you");
	return false;
}

static void moved(void *arg, const char *error)
{
	snprintf(arg, sizeof(results[0]), "%s", error ? error : "done");
}

static json_t *op_move(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
		       struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	const char *name, *sha256, *op;
	struct rain_blob_move *move;
	struct rain_peer *peer;

	(void)caller;
	if (rain_json_string(request, "op", 16, &op, err) < 0 ||
	    rain_json_string(request, "peer", 16, &name, err) < 0 ||
	    rain_json_string(request, "sha256", 64, &sha256, err) < 0)
		return NULL;
	peer = rain_peers_by_name(gateway->peers, name);
	if (!peer || result_count == 16) {
		rain_error_set(err, "no such peer, or too many moves");
		return NULL;
	}
	strcpy(results[result_count], "moving");
	if (strcmp(op, "push") == 0)
		move = rain_blob_push(gateway, peer, sha256, "", moved, results[result_count], err);
	else
		move = rain_blob_pull(gateway, peer, sha256, "peer-test", RAIN_LIMIT_BLOB, moved,
				      results[result_count], err);
	return move ? json_pack("{s:i}", "move", result_count++) : NULL;
}

static json_t *op_moved(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			struct rain_error *err)
{
	int64_t number;

	(void)arg;
	(void)caller;
	if (rain_json_int(request, "move", 0, 15, &number, err) < 0)
		return NULL;
	return json_pack("{s:s}", "state", results[number]);
}

static const struct rain_rpc_op ops[] = {
	{"post", op_post}, {"push", op_move}, {"pull", op_move}, {"moved", op_moved}, {NULL, NULL},
};

/* ---- the local faces ---- */

static void on_who(struct rain_gateway *gateway, struct rain_http_request *request)
{
	(void)gateway;
	rain_http_reply_json(request, 200,
			     json_pack("{s:I,s:s}", "uid", (json_int_t)rain_http_request_uid(request),
				       "param", rain_http_request_param(request, "name")));
}

static void put_begin(struct rain_gateway *gateway, struct rain_http_request *request)
{
	rain_blob_http_put_begin(gateway, request, rain_http_request_param(request, "sha256"), "uid-0",
				 RAIN_LIMIT_BLOB);
}

static void get_blob(struct rain_gateway *gateway, struct rain_http_request *request)
{
	rain_blob_http_get(gateway, request, rain_http_request_param(request, "sha256"), "");
}

static const struct rain_http_route routes[] = {
	{RAIN_HTTP_JOB, "GET", "/v1/who/{name}", on_who, 0, NULL, NULL},
	{RAIN_HTTP_AGENT, "GET", "/v1/who/{name}", on_who, 0, NULL, NULL},
	{RAIN_HTTP_JOB, "GET", "/v1/blobs/{sha256}", get_blob, 0, NULL, NULL},
	{RAIN_HTTP_JOB, "PUT", "/v1/blobs/{sha256}", rain_blob_http_put_end, 0, put_begin,
	 rain_blob_http_put_write},
	{0},
};

static const struct rain_gateway_module counting = {
	.name = "counting",
	.messages = messages,
	.ops = ops,
	.routes = routes,
	.blob_allow = allow,
};

int main(int argc, char *argv[])
{
	static const struct rain_gateway_module *const modules[] = {&counting, NULL};

	if (argc != 2)
		return 2;
	rain_log_open("counting-gatewayd", RAIN_LOG_DEBUG);
	return rain_gateway_run(argv[1], modules);
}
