/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_SERVER_H
#define RAIN_FEDERATION_HTTP_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct rain_gateway;
struct rain_peer;

/*
 * The gateway's HTTP server: three faces in one process, on the daemon's loop.
 *
 * A request runs through: route found, caller known (else 401/403/404/405),
 * route->begin when there is one, body, route->handler.  The handler answers
 * with exactly one rain_http_reply_…(), at once or later (rain_http_defer()).
 * Errors are {"error":"sentence"}.  The request is valid until it has been
 * answered or its `gone` callback was called.
 */
enum rain_http_face {
	RAIN_HTTP_PEER,	 /* TCP, mutual TLS 1.3; caller: a known peer */
	RAIN_HTTP_JOIN,	 /* the same listener; caller: an open invitation */
	RAIN_HTTP_JOB,	 /* Unix socket; caller: uid by SO_PEERCRED */
	RAIN_HTTP_AGENT, /* TCP in the cluster; caller: uid by munge */
};

struct rain_http_request;

typedef void (*rain_http_handler)(struct rain_gateway *gateway, struct rain_http_request *request);

struct rain_http_route {
	enum rain_http_face face; /* HEAD is answered by the GET route */
	const char *method;
	const char *path; /* "/v1/jobs/{job}/streams/{name}"; NULL ends a table */
	rain_http_handler handler;

	/* Bodies collected in memory: at most so many bytes (0: none). */
	size_t body_max;

	/* Bodies that stream: `begin` runs when the headers are in, before any
	 * byte of the body; it may answer (then the body is discarded and nothing
	 * else is called) or rain_http_request_set_data() its sink.  `write` gets
	 * the bytes; -1 with err ends the request with 400 and that text, or it
	 * may have answered itself.  Then `handler` runs.  Routes with `write` need
	 * begin. A route without `write` may have a `begin`, too. */
	rain_http_handler begin;
	int (*write)(struct rain_gateway *gateway, struct rain_http_request *request,
		     const void *data, size_t size, struct rain_error *err);
};

/* Who asks. */
enum rain_http_face rain_http_request_face(const struct rain_http_request *request);
const struct rain_peer *rain_http_request_peer(const struct rain_http_request *request); /* PEER */
const unsigned char *rain_http_request_key(const struct rain_http_request *request); /* PEER, JOIN: 32 bytes */
uid_t rain_http_request_uid(const struct rain_http_request *request); /* JOB, AGENT */
gid_t rain_http_request_gid(const struct rain_http_request *request);

/* What is asked. All borrowed until the answer; NULL when absent. */
const char *rain_http_request_method(const struct rain_http_request *request);
const char *rain_http_request_path(const struct rain_http_request *request);
const char *rain_http_request_param(const struct rain_http_request *request, const char *name);
const char *rain_http_request_query(const struct rain_http_request *request, const char *name);
const char *rain_http_request_header(const struct rain_http_request *request, const char *name);
/* Content-Length of the body, or -1 when the client didn't say. */
int64_t rain_http_request_content_length(const struct rain_http_request *request);

/* A number in the query: `fallback` when absent; -1 with err when it is no
 * number or out of bounds. */
int rain_http_request_query_int(const struct rain_http_request *request, const char *name,
				int64_t min, int64_t max, int64_t fallback, int64_t *value,
				struct rain_error *err);

/* The collected body: NUL-terminated, never NULL. */
const char *rain_http_request_body(const struct rain_http_request *request, size_t *size);

/* The collected body as one JSON object (an empty body is {}); borrowed.
 * NULL when it has been answered with 400: just return. */
const json_t *rain_http_request_json(struct rain_http_request *request);

/* The handlers' own data, and what frees it when the request ends in whatever
 * way (answered or cut off). */
void rain_http_request_set_data(struct rain_http_request *request, void *data,
				void (*destroy)(void *data));
void *rain_http_request_data(const struct rain_http_request *request);

/* Answers. Each ends the request. */
void rain_http_reply_json(struct rain_http_request *request, int status, json_t *value); /* steals value */
void rain_http_reply_text(struct rain_http_request *request, int status, const char *json); /* JSON; copies */
void rain_http_reply_empty(struct rain_http_request *request, int status);
void rain_http_reply_bytes(struct rain_http_request *request, int status, const void *data,
			   size_t size); /* copies; application/octet-stream */
/* `size` bytes of fd from `offset`; takes fd over and closes it. */
void rain_http_reply_file(struct rain_http_request *request, int status, int fd, int64_t offset,
			  int64_t size);
/* … and tells, to a peer, up to where of the file it is read; `name` is copied. */
typedef void (*rain_http_sent)(void *arg, const char *name, int64_t at);
void rain_http_reply_file_told(struct rain_http_request *request, int status, int fd,
			       int64_t offset, int64_t size, rain_http_sent sent, void *arg,
			       const char *name);
void rain_http_reply_error(struct rain_http_request *request, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 503 when the store is away, else `status`; the text of err. */
void rain_http_reply_store_error(struct rain_http_request *request, int status,
				 const struct rain_error *err);

/* A header for the answer that follows; copied. */
void rain_http_reply_header(struct rain_http_request *request, const char *name,
			    const char *value);

/* Long polls: the handler returns without an answer.  When nobody has answered
 * after wait_ms (bounded by RAIN_LIMIT_HTTP_WAIT_S), `expired` is called and
 * must answer.  `gone` is called instead when the connection or the server
 * ends; the request is not to be touched after it returned.  A client that
 * went away may be noticed only when it is answered. */
void rain_http_defer(struct rain_http_request *request, int64_t wait_ms,
		     void (*expired)(struct rain_http_request *request, void *arg),
		     void (*gone)(struct rain_http_request *request, void *arg), void *arg);

/* The server. `routes` is an array of `count` tables, each ended by a NULL
 * path; they stay owned by the caller. */
struct rain_http_server;
struct rain_http_server *rain_http_server_create(struct rain_gateway *gateway,
						 const struct rain_http_route *const routes[],
						 size_t count, struct rain_error *err);
/* Each may be called once; the faces that aren't opened don't exist.
 * `listen` is HOST:PORT. */
int rain_http_server_listen_peers(struct rain_http_server *server, const char *listen,
				  const char *certificate_pem, const char *key_pem,
				  struct rain_error *err);
int rain_http_server_listen_jobs(struct rain_http_server *server, const char *path,
				 struct rain_error *err);
int rain_http_server_listen_agents(struct rain_http_server *server, const char *listen,
				   struct rain_error *err);
void rain_http_server_destroy(struct rain_http_server *server);

#endif
