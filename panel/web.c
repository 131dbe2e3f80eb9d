/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/web.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "panel/address.h"
#include "panel/entitled.h"

#define IDLE_S 30
#define CONNECTIONS_MAX (2 * RAIN_WEB_VIEWERS_MAX)
#define MEMORY_OF_A_CONNECTION 16384

static const char policy[] = "default-src 'none'; style-src 'unsafe-inline'; "
			     "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
			     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct viewer {
	struct rain_web *web;
	struct viewer *next;
	struct MHD_Connection *connection;
	bool named, suspended, dropped;
	char *unread;
	size_t size;
};

struct rain_web {
	const struct rain_config *config;
	struct MHD_Daemon *daemon;
	const char *page;
	size_t page_size;
	rain_web_greeter greet;
	void *arg;
	struct viewer *viewers;
	size_t count;
};

static void wake(struct viewer *viewer)
{
	if (!viewer->suspended)
		return;
	viewer->suspended = false;
	MHD_resume_connection(viewer->connection);
}

void rain_web_add(void *to, const char *event, const char *text)
{
	struct viewer *viewer = to;
	size_t size = strlen(event) + strlen(text) + sizeof("event: \ndata: \n\n");
	char *larger = viewer->size + size > RAIN_WEB_UNREAD_MAX
			       ? NULL
			       : realloc(viewer->unread, viewer->size + size);

	if (larger) {
		viewer->unread = larger;
		viewer->size += (size_t)snprintf(larger + viewer->size, size,
						 "event: %s\ndata: %s\n\n", event, text);
	} else {
		viewer->dropped = true;
	}
	wake(viewer);
}

void rain_web_publish(struct rain_web *web, const char *event, const struct rain_web_event *both)
{
	for (struct viewer *viewer = web->viewers; viewer; viewer = viewer->next) {
		if (!viewer->dropped)
			rain_web_add(viewer, event, viewer->named ? both->named : both->nameless);
	}
}

/* MHD asks for bytes; with none to give, the connection sleeps. */
static ssize_t read_events(void *arg, uint64_t position, char *buffer, size_t max)
{
	struct viewer *viewer = arg;
	size_t size = viewer->size < max ? viewer->size : max;

	(void)position;
	if (viewer->dropped)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (size == 0) {
		viewer->suspended = true;
		MHD_suspend_connection(viewer->connection);
		return 0;
	}
	memcpy(buffer, viewer->unread, size);
	viewer->size -= size;
	memmove(viewer->unread, viewer->unread + size, viewer->size);
	return (ssize_t)size;
}

static void forget(void *arg)
{
	struct viewer *viewer = arg;

	for (struct viewer **at = &viewer->web->viewers; *at; at = &(*at)->next) {
		if (*at != viewer)
			continue;
		*at = viewer->next;
		viewer->web->count--;
		break;
	}
	free(viewer->unread);
	free(viewer);
}

static void add_headers(struct MHD_Response *response, const char *type)
{
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *type, const char *text, size_t size)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		size, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add_headers(response, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_sentence(struct MHD_Connection *connection, unsigned int status,
				     const char *sentence)
{
	return send_text(connection, status, "text/plain; charset=utf-8", sentence,
			 strlen(sentence));
}

static bool is_entitled(const struct rain_web *web, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	switch (web->config->panel.web_names) {
	case RAIN_WEB_NAMES_EVERYBODY:
		return true;
	case RAIN_WEB_NAMES_ADMINISTRATORS:
		return info && rain_panel_is_administrator(info->connect_fd, web->config);
	case RAIN_WEB_NAMES_NOBODY:
		break;
	}
	return false;
}

static enum MHD_Result send_events(struct rain_web *web, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	struct viewer *viewer;
	enum MHD_Result result;

	if (web->count == RAIN_WEB_VIEWERS_MAX)
		return send_sentence(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				     "So many are watching that there is no place left.\n");
	viewer = calloc(1, sizeof(*viewer));
	if (!viewer)
		return MHD_NO;
	viewer->web = web;
	viewer->connection = connection;
	viewer->named = is_entitled(web, connection);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_events, viewer,
						     forget);
	if (!response) {
		free(viewer);
		return MHD_NO;
	}
	viewer->next = web->viewers;
	web->viewers = viewer;
	web->count++;
	web->greet(web->arg, viewer->named, web, viewer);
	add_headers(response, "text/event-stream; charset=utf-8");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *data_size, void **state)
{
	struct rain_web *web = arg;

	(void)version, (void)data, (void)state;
	if (*data_size > 0) {
		*data_size = 0; /* nobody has anything to tell us */
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_sentence(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				     "This page can only be looked at.\n");
	if (!rain_panel_host_is_ours(
		    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
		    web->config->panel.web_listen))
		return send_sentence(connection, MHD_HTTP_FORBIDDEN,
				     "Another name than this machine's leads here.\n");
	if (strcmp(url, "/") == 0)
		return send_text(connection, MHD_HTTP_OK, "text/html; charset=utf-8", web->page,
				 web->page_size);
	if (strcmp(url, "/events") == 0 && strcmp(method, "GET") == 0)
		return send_events(web, connection);
	return send_sentence(connection, MHD_HTTP_NOT_FOUND, "There is nothing here.\n");
}

struct rain_web *rain_web_create(const struct rain_config *config, const char *page, size_t size,
				 rain_web_greeter greet, void *arg, struct rain_error *err)
{
	struct rain_web *web = calloc(1, sizeof(*web));
	struct sockaddr_storage address;
	char *host = NULL, *port = NULL;
	socklen_t length;

	if (!web) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	*web = (struct rain_web){.config = config, .page = page, .page_size = size,
				 .greet = greet, .arg = arg};
	if (rain_config_address_split(config->panel.web_listen, &host, &port, err) < 0 ||
	    rain_panel_address_parse(host, port, &address, &length) < 0) {
		rain_error_set(err, "panel.web-listen: %s must be an IP address and a port",
			       config->panel.web_listen);
	} else {
		unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

		if (address.ss_family == AF_INET6)
			flags |= MHD_USE_IPv6;
		web->daemon = MHD_start_daemon(
			flags, 0, NULL, NULL, handle, web, MHD_OPTION_SOCK_ADDR, &address,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_OF_A_CONNECTION,
			MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
		if (!web->daemon)
			rain_error_set(err, "can't listen on %s: is another program there?",
				       config->panel.web_listen);
	}
	free(host);
	free(port);
	if (web->daemon)
		return web;
	free(web);
	return NULL;
}

int rain_web_fd(const struct rain_web *web)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? info->epoll_fd : -1;
}

int64_t rain_web_timeout_ms(const struct rain_web *web)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	return MHD_get_timeout(web->daemon, &timeout) == MHD_YES ? (int64_t)timeout : -1;
}

void rain_web_run(struct rain_web *web)
{
	MHD_run(web->daemon);
}

size_t rain_web_viewers(const struct rain_web *web)
{
	return web->count;
}

void rain_web_destroy(struct rain_web *web)
{
	if (!web)
		return;
	for (struct viewer *viewer = web->viewers; viewer; viewer = viewer->next) {
		viewer->dropped = true;
		wake(viewer);
	}
	MHD_stop_daemon(web->daemon);
	free(web);
}
