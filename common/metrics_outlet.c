// SPDX-License-Identifier: GPL-2.0-or-later
/* As little HTTP as a scraper needs: GET /metrics, one answer, the end. */
#include "common/metrics_outlet.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/file.h"
#include "common/log.h"

#define REQUEST_MAX 8192
#define CONNECTIONS_MAX 16
#define TIMEOUT_S 10
#define FILE_S 15

struct rain_metrics_outlet {
	struct event_base *base;
	const char *section;
	struct evconnlistener *listener;
	struct event *file_timer;
	const char *file; /* borrowed; "": none */
	char *(*text)(void *arg);
	void *arg;
	struct bufferevent *connections[CONNECTIONS_MAX];
};

static void connection_close(struct rain_metrics_outlet *outlet, struct bufferevent *connection)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (outlet->connections[i] == connection)
			outlet->connections[i] = NULL;
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

static void answer(struct rain_metrics_outlet *outlet, struct bufferevent *connection,
		   const char *status, const char *type, const char *text)
{
	struct evbuffer *out = bufferevent_get_output(connection);

	bufferevent_disable(connection, EV_READ);
	bufferevent_setcb(connection, NULL, on_written, on_event, outlet);
	evbuffer_add_printf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n\r\n", status, type, strlen(text));
	evbuffer_add(out, text, strlen(text));
}

static void on_readable(struct bufferevent *connection, void *arg)
{
	struct rain_metrics_outlet *outlet = arg;
	struct evbuffer *in = bufferevent_get_input(connection);
	static const char wanted[] = "GET /metrics ";
	char first[sizeof(wanted) - 1] = {0}, *text;

	if (evbuffer_search(in, "\r\n\r\n", 4, NULL).pos < 0) {
		if (evbuffer_get_length(in) > REQUEST_MAX)
			answer(outlet, connection, "431 Request Header Fields Too Large", "text/plain",
			       "the request is too long\n");
		return;
	}
	evbuffer_copyout(in, first, sizeof(first));
	if (memcmp(first, wanted, sizeof(first)) != 0) {
		answer(outlet, connection, "404 Not Found", "text/plain", "there is only GET /metrics\n");
		return;
	}
	text = outlet->text(outlet->arg);
	if (text)
		answer(outlet, connection, "200 OK",
		       "application/openmetrics-text; version=1.0.0; charset=utf-8", text);
	else
		answer(outlet, connection, "500 Internal Server Error", "text/plain", "no memory\n");
	free(text);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *arg)
{
	static const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct rain_metrics_outlet *outlet = arg;
	struct bufferevent *connection = NULL;
	size_t i = 0;

	(void)listener;
	(void)address;
	(void)length;
	while (i < CONNECTIONS_MAX && outlet->connections[i])
		i++;
	if (i < CONNECTIONS_MAX)
		connection = bufferevent_socket_new(outlet->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection) {
		evutil_closesocket(fd);
		return;
	}
	outlet->connections[i] = connection;
	bufferevent_setcb(connection, on_readable, NULL, on_event, outlet);
	bufferevent_set_timeouts(connection, &timeout, &timeout);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static int listen_on(struct rain_metrics_outlet *outlet, const char *address, const char *host,
		     const char *port, struct rain_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return rain_error_set(err, "%s.metrics: %s: %s", outlet->section, address,
				      gai_strerror(rc));
	outlet->listener = evconnlistener_new_bind(
		outlet->base, on_accept, outlet,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 16,
		found->ai_addr, (int)found->ai_addrlen);
	rc = errno;
	freeaddrinfo(found);
	if (!outlet->listener)
		return rain_error_set(err, "can't listen on %s (%s.metrics): %s", address,
				      outlet->section, strerror(rc));
	return 0;
}

static int listen_at(struct rain_metrics_outlet *outlet, const char *address, struct rain_error *err)
{
	char *host = NULL, *port = NULL;
	int rc = rain_config_address_split(address, &host, &port, err);

	if (rc == 0)
		rc = listen_on(outlet, address, host, port, err);
	free(host);
	free(port);
	return rc;
}

/* All or nothing for who reads it. It is no loss when the power goes, so nobody waits
 * for the disk here. */
static int replace(const char *path, const char *text)
{
	char temporary[PATH_MAX];
	int fd, saved;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fchmod(fd, 0640) == 0 && rain_file_write_fd(fd, text, strlen(text), NULL) == 0 &&
	    rename(temporary, path) == 0) {
		close(fd);
		return 0;
	}
	saved = errno;
	close(fd);
	unlink(temporary);
	errno = saved;
	return -1;
}

static void on_file(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval delay = {.tv_sec = FILE_S};
	struct rain_metrics_outlet *outlet = arg;
	char *text;

	(void)fd;
	(void)events;
	if (!outlet->file[0])
		return;
	evtimer_add(outlet->file_timer, &delay);
	text = outlet->text(outlet->arg);
	if (!text)
		rain_log_warning("no memory for the metrics");
	else if (replace(outlet->file, text) < 0)
		rain_log_warning("can't write %s (%s.metrics-file): %s", outlet->file,
				 outlet->section, strerror(errno));
	free(text);
}

void rain_metrics_outlet_file(struct rain_metrics_outlet *outlet, const char *path)
{
	outlet->file = path;
	event_active(outlet->file_timer, EV_TIMEOUT, 0);
}

struct rain_metrics_outlet *rain_metrics_outlet_create(struct event_base *base, const char *section,
						       const char *address, char *(*text)(void *arg),
						       void *arg, struct rain_error *err)
{
	struct rain_metrics_outlet *outlet = calloc(1, sizeof(*outlet));

	if (!outlet) {
		rain_error_set(err, "no memory for the metrics");
		return NULL;
	}
	*outlet = (struct rain_metrics_outlet){.base = base, .section = section, .file = "",
					       .text = text, .arg = arg};
	outlet->file_timer = evtimer_new(base, on_file, outlet);
	if (!outlet->file_timer)
		rain_error_set(err, "no memory for the metrics");
	if (!outlet->file_timer || (address[0] && listen_at(outlet, address, err) < 0)) {
		rain_metrics_outlet_destroy(outlet);
		return NULL;
	}
	return outlet;
}

void rain_metrics_outlet_destroy(struct rain_metrics_outlet *outlet)
{
	if (!outlet)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (outlet->connections[i])
			bufferevent_free(outlet->connections[i]);
	if (outlet->listener)
		evconnlistener_free(outlet->listener);
	if (outlet->file_timer)
		event_free(outlet->file_timer);
	free(outlet);
}
