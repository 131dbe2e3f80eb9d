// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "federation/gateway.h"
#include "federation/http_internal.h"

static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	(void)mhd;
	return rain_http_request_create(cls, target);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)mhd;
	(void)why;
	if (*context)
		rain_http_request_end(*context);
	*context = NULL;
}

static void connection_end(struct rain_http_connection *connection)
{
	if (!connection)
		return;
	TAILQ_REMOVE(&connection->listener->connections, connection, entry);
	if (connection->handshake)
		event_free(connection->handshake);
	if (!connection->known)
		connection->listener->strangers--;
	free(connection);
}

/* Who is at the other end of the Unix socket; -1: too many of its kind. */
static int job_begin(struct rain_http_connection *connection)
{
	struct rain_http_connection *other;
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	size_t count = 0;

	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -1;
	connection->uid = credentials.uid;
	connection->gid = credentials.gid;
	TAILQ_FOREACH(other, &connection->listener->connections, entry)
		count += other->uid == connection->uid;
	return count > RAIN_LIMIT_HTTP_JOB_CONNECTIONS_EACH ? -1 : 0;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct rain_http_listener *listener = cls;
	struct rain_http_connection *connection;
	int result = 0;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		connection_end(*context);
		*context = NULL;
		return;
	}
	connection = calloc(1, sizeof(*connection));
	*context = connection;
	if (!connection) {
		shutdown(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
			 SHUT_RDWR);
		return;
	}
	connection->listener = listener;
	connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	connection->uid = connection->gid = (uid_t)-1;
	connection->known = listener->face != RAIN_HTTP_PEER;
	TAILQ_INSERT_TAIL(&listener->connections, connection, entry);
	if (listener->face == RAIN_HTTP_PEER)
		result = rain_http_tls_begin(connection, mhd);
	else if (listener->face == RAIN_HTTP_JOB)
		result = job_begin(connection);
	if (result < 0) {
		rain_log_warning("refused a connection: too many of its kind are open");
		shutdown(connection->fd, SHUT_RDWR);
	}
}

/* Lets MHD do what is due, and asks it when it wants to be called again. */
static void run(evutil_socket_t fd, short what, void *arg)
{
	struct rain_http_listener *listener = arg;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	(void)fd;
	(void)what;
	do {
		listener->resumed = false;
		MHD_run(listener->daemon);
	} while (listener->resumed);
	if (MHD_get_timeout(listener->daemon, &wait_ms) == MHD_YES) {
		struct timeval timeout = {(time_t)(wait_ms / 1000),
					  (suseconds_t)(wait_ms % 1000 * 1000)};

		evtimer_add(listener->timer, &timeout);
	} else {
		evtimer_del(listener->timer);
	}
}

static void log_mhd(void *cls, const char *fmt, va_list args)
{
	char text[256];

	(void)cls;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	rain_log_debug("libmicrohttpd: %s", text);
}

struct bounds {
	unsigned int connections, per_address;
	size_t memory;
};

static const struct bounds bounds_of[RAIN_HTTP_FACES] = {
	[RAIN_HTTP_PEER] = {RAIN_LIMIT_HTTP_PEER_CONNECTIONS,
			    RAIN_LIMIT_HTTP_PEER_CONNECTIONS_ADDRESS, RAIN_LIMIT_HTTP_PEER_MEMORY},
	[RAIN_HTTP_JOB] = {RAIN_LIMIT_HTTP_JOB_CONNECTIONS, 0, RAIN_LIMIT_HTTP_LOCAL_MEMORY},
	[RAIN_HTTP_AGENT] = {RAIN_LIMIT_HTTP_AGENT_CONNECTIONS,
			     RAIN_LIMIT_HTTP_AGENT_CONNECTIONS_EACH, RAIN_LIMIT_HTTP_LOCAL_MEMORY},
};

static struct MHD_Daemon *start(struct rain_http_listener *listener, struct MHD_OptionItem *tls)
{
	const struct bounds *bounds = &bounds_of[listener->face];
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	if (tls)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(
		flags, 0, NULL, NULL, rain_http_on_access, listener, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
		MHD_OPTION_LISTEN_SOCKET, listener->fd, MHD_OPTION_CONNECTION_LIMIT,
		bounds->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, bounds->per_address,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)RAIN_LIMIT_HTTP_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, bounds->memory, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, listener, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, tls ? tls : none, MHD_OPTION_END);
}

static void listener_destroy(struct rain_http_listener *listener)
{
	struct rain_http_request *request, *next;

	if (!listener)
		return;
	if (listener->daemon) {
		/* MHD must not be stopped while connections are suspended. */
		for (request = TAILQ_FIRST(&listener->requests); request; request = next) {
			void (*gone)(struct rain_http_request *, void *) = request->gone;

			next = TAILQ_NEXT(request, entry);
			request->gone = NULL;
			if (gone)
				gone(request, request->defer_arg);
			if (request->suspended)
				rain_http_reply_error(request, 503, "the gateway is stopping");
		}
		MHD_run(listener->daemon);
		MHD_stop_daemon(listener->daemon); /* closes listener->fd, too */
	} else if (listener->fd >= 0) {
		close(listener->fd);
	}
	if (listener->readable)
		event_free(listener->readable);
	if (listener->timer)
		event_free(listener->timer);
	free(listener);
}

/* Takes fd over, whatever happens. */
static int listener_create(struct rain_http_server *server, enum rain_http_face face, int fd,
			   struct MHD_OptionItem *tls, struct rain_error *err)
{
	struct rain_http_listener *listener = calloc(1, sizeof(*listener));
	struct event_base *base = server->gateway->base;
	const union MHD_DaemonInfo *info;

	if (!listener) {
		close(fd);
		return rain_error_set(err, "out of memory");
	}
	listener->server = server;
	listener->face = face;
	listener->fd = fd;
	TAILQ_INIT(&listener->connections);
	TAILQ_INIT(&listener->requests);
	listener->daemon = start(listener, tls);
	info = listener->daemon ? MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)
				: NULL;
	if (info) {
		listener->readable = event_new(base, info->epoll_fd, EV_READ | EV_PERSIST, run,
					       listener);
		listener->timer = evtimer_new(base, run, listener);
	}
	if (!listener->readable || !listener->timer || event_add(listener->readable, NULL) < 0) {
		listener_destroy(listener);
		return rain_error_set(err, "libmicrohttpd can't be started");
	}
	server->listeners[face] = listener;
	return 0;
}

struct rain_http_server *rain_http_server_create(struct rain_gateway *gateway,
						 const struct rain_http_route *const routes[],
						 size_t count, struct rain_error *err)
{
	struct rain_http_server *server = calloc(1, sizeof(*server));

	if (server)
		server->routes = calloc(count + 1, sizeof(*server->routes));
	if (!server || !server->routes) {
		free(server);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	server->gateway = gateway;
	server->route_tables = count;
	for (size_t i = 0; i < count; i++)
		server->routes[i] = routes[i];
	return server;
}

int rain_http_server_listen_peers(struct rain_http_server *server, const char *listen_on,
				  const char *certificate_pem, const char *key_pem,
				  struct rain_error *err)
{
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate_pem},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key_pem},
		{MHD_OPTION_END, 0, NULL},
	};
	int fd = rain_http_listen_tcp(listen_on, err);

	return fd < 0 ? -1 : listener_create(server, RAIN_HTTP_PEER, fd, tls, err);
}

int rain_http_server_listen_jobs(struct rain_http_server *server, const char *path,
				 struct rain_error *err)
{
	int fd = rain_http_listen_unix(path, err);

	return fd < 0 ? -1 : listener_create(server, RAIN_HTTP_JOB, fd, NULL, err);
}

int rain_http_server_listen_agents(struct rain_http_server *server, const char *listen_on,
				   struct rain_error *err)
{
	int fd = rain_http_listen_tcp(listen_on, err);

	return fd < 0 ? -1 : listener_create(server, RAIN_HTTP_AGENT, fd, NULL, err);
}

void rain_http_server_destroy(struct rain_http_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < RAIN_HTTP_FACES; i++)
		listener_destroy(server->listeners[i]);
	free(server->routes);
	free(server);
}
