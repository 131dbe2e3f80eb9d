/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_INTERNAL_H
#define RAIN_FEDERATION_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "federation/http_route.h"
#include "federation/http_server.h"
#include "federation/identity.h"

/* What the files of the HTTP server share; nobody else includes this. */

enum { RAIN_HTTP_FACES = RAIN_HTTP_AGENT + 1 };

struct rain_http_listener;

/* One accepted socket. */
struct rain_http_connection {
	TAILQ_ENTRY(rain_http_connection) entry;
	struct rain_http_listener *listener;
	int fd;
	bool known; /* the handshake named a peer or an invitation; true without TLS */
	const struct rain_peer *peer;
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	uid_t uid;
	gid_t gid;
	struct event *handshake; /* time-out */
};

struct rain_http_request {
	TAILQ_ENTRY(rain_http_request) entry;
	struct rain_http_listener *listener;
	struct rain_http_connection *connection;
	struct MHD_Connection *mhd;
	char *target; /* as it came: path?query */
	char *path;   /* decoded, without the query */
	char *method;
	const struct rain_http_route *route;
	struct rain_http_params params;
	uid_t uid;
	gid_t gid;

	char *body;
	size_t body_size, body_space;
	size_t discarded;
	json_t *json;

	void *data;
	void (*destroy_data)(void *data);

	struct MHD_Response *response;
	int status; /* != 0: answered */
	struct rain_http_header {
		char *name, *value;
		struct rain_http_header *next;
	} *headers;

	bool admitted, handled, suspended;
	struct event *deadline;
	void (*expired)(struct rain_http_request *request, void *arg);
	void (*gone)(struct rain_http_request *request, void *arg);
	void *defer_arg;
};

/* One MHD daemon on the loop. */
struct rain_http_listener {
	struct rain_http_server *server;
	enum rain_http_face face;
	struct MHD_Daemon *daemon;
	int fd;
	struct event *readable, *timer;
	bool resumed; /* MHD doesn't notice by itself: it must run once more */
	size_t strangers; /* connections whose handshake isn't done */
	TAILQ_HEAD(, rain_http_connection) connections;
	TAILQ_HEAD(, rain_http_request) requests;
};

struct rain_http_server {
	struct rain_gateway *gateway;
	const struct rain_http_route **routes;
	size_t route_tables;
	struct rain_http_listener *listeners[RAIN_HTTP_FACES]; /* JOIN: the PEER one's */
};

/* http_request.c */
struct rain_http_request *rain_http_request_create(struct rain_http_listener *listener,
						   const char *target);
/* Frees it; tells `gone` when it was still waiting for its answer. */
void rain_http_request_end(struct rain_http_request *request);

/* http_access.c: MHD's access handler. */
enum MHD_Result rain_http_on_access(void *cls, struct MHD_Connection *mhd, const char *path,
				    const char *method, const char *version, const char *data,
				    size_t *size, void **context);

/* http_listen.c: descriptors that listen, or -1 with err. */
int rain_http_listen_tcp(const char *address, struct rain_error *err);
int rain_http_listen_unix(const char *path, struct rain_error *err);

/* http_tls.c: called when MHD has accepted a connection of the peers' face.
 * -1: drop it. */
int rain_http_tls_begin(struct rain_http_connection *connection, struct MHD_Connection *mhd);

#endif
