// SPDX-License-Identifier: GPL-2.0-or-later
/* The way of a request: route, caller, body, handler, answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/munge_cred.h"
#include "federation/gateway.h"
#include "federation/http_internal.h"
#include "federation/limits.h"

/* Up to here an unwanted body is read and dropped, so that the connection can
 * be kept; a larger one isn't read at all. */
#define DISCARD_MAX 65536

/* The route, or NULL with the status that says why there is none. */
static const struct rain_http_route *find_route(const struct rain_http_server *server,
						enum rain_http_face face, const char *method,
						const char *path, struct rain_http_params *params,
						int *status)
{
	const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;

	*status = 404;
	for (size_t i = 0; i < server->route_tables; i++)
		for (const struct rain_http_route *route = server->routes[i]; route->path; route++) {
			if (route->face != face ||
			    !rain_http_route_match(route->path, path, params))
				continue;
			if (strcmp(route->method, want) == 0)
				return route;
			*status = 405;
		}
	return NULL;
}

/* Checks "Authorization: Munge <credential>", made for this very request. */
static int authorize(struct rain_http_request *request)
{
	const char *header = rain_http_request_header(request, "Authorization");
	struct rain_error err = {{0}};
	char *payload = NULL, *expected = NULL;
	int result = -1;

	if (!header || strncmp(header, "Munge ", 6) != 0 ||
	    strlen(header) > RAIN_LIMIT_MUNGE_CREDENTIAL) {
		rain_http_reply_error(request, 401, "this needs a munge credential "
						    "(Authorization: Munge …)");
		return -1;
	}
	if (rain_munge_decode(header + 6, &payload, &request->uid, &request->gid, &err) < 0)
		rain_http_reply_error(request, 401, "the munge credential is refused: %s", err.text);
	else if (asprintf(&expected, "%s %s", request->method, request->target) < 0)
		rain_http_reply_error(request, 500, "the gateway is out of memory");
	else if (strcmp(payload, expected) != 0)
		rain_http_reply_error(request, 401, "the munge credential was made for another "
						    "request");
	else
		result = 0;
	free(payload);
	free(expected);
	return result;
}

static enum rain_http_face face_of(const struct rain_http_request *request)
{
	if (request->listener->face == RAIN_HTTP_PEER && !request->connection->peer)
		return RAIN_HTTP_JOIN;
	return request->listener->face;
}

static void seen(struct rain_gateway *gateway, const struct rain_http_request *request)
{
	struct rain_peer *peer = (struct rain_peer *)request->connection->peer;

	rain_mailbox_contact(gateway->mailbox, peer);
	rain_peers_hear_clock(peer, rain_http_request_header(request, "Date"));
}

/* Headers are in: who, what, and may it be?  Answers when it may not. */
static void admit(struct rain_http_request *request)
{
	struct rain_http_server *server = request->listener->server;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	int64_t length = rain_http_request_content_length(request);
	int status;

	request->uid = request->connection->uid;
	request->gid = request->connection->gid;
	if (info && info->header_size > RAIN_LIMIT_HTTP_HEADERS) {
		rain_http_reply_error(request, 431, "the headers are larger than %d bytes",
				      RAIN_LIMIT_HTTP_HEADERS);
		return;
	}
	if (strlen(request->target) > RAIN_LIMIT_HTTP_PATH) {
		rain_http_reply_error(request, 414, "the path is longer than %d bytes",
				      RAIN_LIMIT_HTTP_PATH);
		return;
	}
	if (request->connection->peer && request->connection->peer->removed) {
		rain_http_reply_error(request, 403, "this cluster is no peer any more");
		return;
	}
	if (request->listener->face == RAIN_HTTP_AGENT && authorize(request) < 0)
		return;
	request->route = find_route(server, face_of(request), request->method, request->path,
				    &request->params, &status);
	if (!request->route) {
		rain_http_reply_error(request, status, status == 405
					      ? "this path doesn't know the method %s"
					      : "there is nothing here for %s under this path",
				      request->method);
		return;
	}
	if (!request->route->write && length > (int64_t)request->route->body_max) {
		rain_http_reply_error(request, 413, "the body is larger than %zu bytes",
				      request->route->body_max);
		return;
	}
	if (request->connection->peer)
		seen(server->gateway, request);
	if (request->route->begin)
		request->route->begin(server->gateway, request);
}

static int collect(struct rain_http_request *request, const char *data, size_t size)
{
	if (request->body_size + size > request->route->body_max) {
		rain_http_reply_error(request, 413, "the body is larger than %zu bytes",
				      request->route->body_max);
		return 0;
	}
	if (request->body_size + size + 1 > request->body_space) {
		size_t space = 2 * (request->body_size + size) + 1024;
		char *body = realloc(request->body, space);

		if (!body)
			return -1;
		request->body = body;
		request->body_space = space;
	}
	memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	request->body[request->body_size] = '\0';
	return 0;
}

/* A piece of the body. */
static enum MHD_Result receive(struct rain_http_request *request, const char *data, size_t size)
{
	struct rain_error err = {{0}};

	if (request->status) {
		request->discarded += size;
		return request->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
	}
	if (!request->route->write)
		return collect(request, data, size) < 0 ? MHD_NO : MHD_YES;
	if (request->route->write(request->listener->server->gateway, request, data, size, &err) < 0 &&
	    !request->status)
		rain_http_reply_error(request, 400, "%s", err.text);
	return MHD_YES;
}

static enum MHD_Result queue(struct rain_http_request *request)
{
	enum MHD_Result result;

	if (!request->response)
		return MHD_NO; /* no memory even for an error: cut */
	result = MHD_queue_response(request->mhd, (unsigned int)request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

/* True when the body is worth refusing before it comes. */
static bool has_large_body(const struct rain_http_request *request)
{
	return rain_http_request_header(request, "Transfer-Encoding") ||
	       rain_http_request_content_length(request) > DISCARD_MAX;
}

enum MHD_Result rain_http_on_access(void *cls, struct MHD_Connection *mhd, const char *path,
				 const char *method, const char *version, const char *data,
				 size_t *size, void **context)
{
	struct rain_http_listener *listener = cls;
	struct rain_http_request *request = *context;

	(void)version;
	if (!request)
		return MHD_NO;
	if (!request->admitted) {
		request->admitted = true;
		request->mhd = mhd;
		request->connection =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
		request->path = strdup(path);
		request->method = strdup(method);
		if (!request->path || !request->method || !request->connection)
			return MHD_NO;
		admit(request);
		return request->status && has_large_body(request) ? queue(request) : MHD_YES;
	}
	if (*size) {
		size_t count = *size;

		*size = 0;
		return receive(request, data, count);
	}
	if (!request->status && !request->handled) {
		request->handled = true;
		request->route->handler(listener->server->gateway, request);
	}
	if (request->status)
		return queue(request);
	if (!request->expired) {
		rain_http_reply_error(request, 500, "the gateway had no answer");
		return queue(request);
	}
	request->suspended = true;
	MHD_suspend_connection(mhd);
	return MHD_YES;
}
