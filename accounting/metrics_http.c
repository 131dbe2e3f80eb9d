// SPDX-License-Identifier: GPL-2.0-or-later
/* As little HTTP as a scraper needs: GET /metrics, one answer, the end. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "accounting/metrics.h"
#include "common/config.h"

#define REQUEST_MAX 8192
#define CONNECTIONS_MAX 16
#define TIMEOUT_S 10

struct rain_metrics_server {
	struct event_base *base;
	struct evconnlistener *listener;
	char *(*text)(void *arg);
	void *arg;
	struct bufferevent *connections[CONNECTIONS_MAX];
};

static void connection_close(struct rain_metrics_server *server, struct bufferevent *connection)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i] == connection)
			server->connections[i] = NULL;
	bufferevent_free(connection);
}

static void on_written(struct bufferevent *connection, void *arg)
{
	connection_close(arg, connection);
}

static void on_event(struct bufferevent *connection, short what, void *arg)
{
	(void)what; /* end, error or time-out: it is over */
	connection_close(arg, connection);
}

static void answer(struct rain_metrics_server *server, struct bufferevent *connection,
		   const char *status, const char *type, const char *text)
{
	struct evbuffer *out = bufferevent_get_output(connection);

	bufferevent_disable(connection, EV_READ);
	bufferevent_setcb(connection, NULL, on_written, on_event, server);
	evbuffer_add_printf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n\r\n", status, type, strlen(text));
	evbuffer_add(out, text, strlen(text));
}

static void on_readable(struct bufferevent *connection, void *arg)
{
	struct rain_metrics_server *server = arg;
	struct evbuffer *in = bufferevent_get_input(connection);
	static const char wanted[] = "GET /metrics ";
	char first[sizeof(wanted) - 1] = {0}, *text;

	if (evbuffer_search(in, "\r\n\r\n", 4, NULL).pos < 0) {
		if (evbuffer_get_length(in) > REQUEST_MAX)
			answer(server, connection, "431 Request Header Fields Too Large", "text/plain",
			       "the request is too long\n");
		return;
	}
	evbuffer_copyout(in, first, sizeof(first));
	if (memcmp(first, wanted, sizeof(first)) != 0) {
		answer(server, connection, "404 Not Found", "text/plain", "there is only GET /metrics\n");
		return;
	}
	text = server->text(server->arg);
	if (text)
		answer(server, connection, "200 OK",
		       "application/openmetrics-text; version=1.0.0; charset=utf-8", text);
	else
		answer(server, connection, "500 Internal Server Error", "text/plain", "no memory\n");
	free(text);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *arg)
{
	static const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct rain_metrics_server *server = arg;
	struct bufferevent *connection = NULL;
	size_t i = 0;

	(void)listener;
	(void)address;
	(void)length;
	while (i < CONNECTIONS_MAX && server->connections[i])
		i++;
	if (i < CONNECTIONS_MAX)
		connection = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection) {
		evutil_closesocket(fd);
		return;
	}
	server->connections[i] = connection;
	bufferevent_setcb(connection, on_readable, NULL, on_event, server);
	bufferevent_set_timeouts(connection, &timeout, &timeout);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static int listen_on(struct rain_metrics_server *server, const char *address, const char *host,
		     const char *port, struct rain_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return rain_error_set(err, "ledger.metrics: %s: %s", address, gai_strerror(rc));
	server->listener = evconnlistener_new_bind(
		server->base, on_accept, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 16,
		found->ai_addr, (int)found->ai_addrlen);
	rc = errno;
	freeaddrinfo(found);
	if (!server->listener)
		return rain_error_set(err, "can't listen on %s (ledger.metrics): %s", address,
				      strerror(rc));
	return 0;
}

struct rain_metrics_server *rain_metrics_server_create(struct event_base *base, const char *address,
						       char *(*text)(void *arg), void *arg,
						       struct rain_error *err)
{
	struct rain_metrics_server *server = calloc(1, sizeof(*server));
	char *host = NULL, *port = NULL;
	int rc;

	if (!server) {
		rain_error_set(err, "no memory for the metrics");
		return NULL;
	}
	*server = (struct rain_metrics_server){.base = base, .text = text, .arg = arg};
	rc = rain_config_address_split(address, &host, &port, err);
	if (rc == 0)
		rc = listen_on(server, address, host, port, err);
	free(host);
	free(port);
	if (rc < 0) {
		rain_metrics_server_destroy(server);
		return NULL;
	}
	return server;
}

void rain_metrics_server_destroy(struct rain_metrics_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i])
			bufferevent_free(server->connections[i]);
	if (server->listener)
		evconnlistener_free(server->listener);
	free(server);
}
