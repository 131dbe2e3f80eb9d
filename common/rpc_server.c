// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/rpc_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "common/rpc.h"

#define CONNECTIONS_MAX 256
/* Of one connection: */
#define UNANSWERED_MAX 64 /* requests */
#define LINES_AT_ONCE 16 /* then others have their turn */
#define ANSWERS_MAX (1024 * 1024) /* bytes not sent yet: then it waits */

/* A request that waits for its answer, or for the answers before it. */
struct rain_rpc_answer {
	struct connection *connection; /* NULL: the caller has gone */
	struct rain_rpc_answer *next;
	bool known;
	char *text; /* of a known one; NULL: there was no memory for it */
};

struct connection {
	struct rain_rpc_server *server;
	struct connection *next, **self;
	struct bufferevent *stream;
	struct rain_rpc_caller caller;
	struct rain_rpc_answer *first, **end; /* in the order of the requests */
	int unanswered;
	size_t waiting; /* bytes of known answers behind one that isn't */
	struct event *turn; /* goes on with a paused connection */
	bool put_off; /* by the handler that is being called */
	bool paused; /* nothing is read until its next turn */
	int closing; /* once all is sent that is still to be answered */
};

struct rain_rpc_server {
	struct event_base *base;
	struct evconnlistener *listener;
	char *path;
	const struct rain_rpc_op *ops;
	void *arg;
	struct connection *connections;
	unsigned count;
};

static void connection_destroy(struct connection *connection)
{
	struct rain_rpc_answer *answer = connection->first, *next;

	for (; answer; answer = next) {
		next = answer->next;
		answer->connection = NULL;
		if (answer->known) { /* else whoever works at it frees it */
			free(answer->text);
			free(answer);
		}
	}
	*connection->self = connection->next;
	if (connection->next)
		connection->next->self = connection->self;
	connection->server->count--;
	event_free(connection->turn);
	bufferevent_free(connection->stream);
	free(connection);
}

static json_t *dispatch(struct connection *connection, const json_t *request,
			struct rain_error *err)
{
	const char *name;

	if (rain_json_string(request, "op", 64, &name, err) < 0)
		return NULL;
	for (const struct rain_rpc_op *op = connection->server->ops; op->name; op++)
		if (strcmp(op->name, name) == 0)
			return op->handler(connection->server->arg, &connection->caller, request,
					   err);
	rain_error_set(err, "unknown operation '%s'", name);
	return NULL;
}

/* The line to send. NULL: no memory. */
static char *line_of(json_t *result, const char *error)
{
	json_t *reply = result ? json_pack("{s:b, s:O}", "ok", 1, "result", result)
			       : json_pack("{s:b, s:s}", "ok", 0, "error", error);
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	/* A result that can't be told is an error that can. */
	if (!text || strlen(text) >= RAIN_RPC_ANSWER_MAX) {
		free(text);
		text = strdup("{\"ok\":false,\"error\":\"the answer is too large or not UTF-8\"}");
	}
	json_decref(reply);
	return text;
}

static void send_line(struct connection *connection, const char *text)
{
	static const char no_memory[] = "{\"ok\":false,\"error\":\"no memory for the answer\"}";

	if (!text)
		text = no_memory;
	bufferevent_write(connection->stream, text, strlen(text));
	bufferevent_write(connection->stream, "\n", 1);
}

static bool may_ask(const struct connection *connection)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(connection->stream));

	return !connection->closing && connection->unanswered < UNANSWERED_MAX &&
	       unsent + connection->waiting < ANSWERS_MAX;
}

/* A turn is a timer that is over: the loop looks at all sockets before it. */
static void resume(struct connection *connection)
{
	static const struct timeval now;

	if (connection->paused && may_ask(connection))
		event_add(connection->turn, &now);
}

/* Sends what is known, up to the first that isn't. */
static void send_known(struct connection *connection)
{
	struct rain_rpc_answer *answer;

	while ((answer = connection->first) && answer->known) {
		connection->first = answer->next;
		if (!connection->first)
			connection->end = &connection->first;
		connection->unanswered--;
		connection->waiting -= answer->text ? strlen(answer->text) : 0;
		send_line(connection, answer->text);
		free(answer->text);
		free(answer);
	}
	resume(connection);
}

/* Makes `text` (NULL: there was no memory) the answer; takes it. */
static void know(struct rain_rpc_answer *answer, char *text)
{
	answer->text = text;
	answer->known = true;
	answer->connection->waiting += text ? strlen(text) : 0;
}

static struct rain_rpc_answer *answer_create(struct connection *connection)
{
	struct rain_rpc_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return NULL;
	answer->connection = connection;
	*connection->end = answer;
	connection->end = &answer->next;
	connection->unanswered++;
	return answer;
}

struct rain_rpc_answer *rain_rpc_put_off(const struct rain_rpc_caller *caller)
{
	struct connection *connection =
		(struct connection *)((char *)caller - offsetof(struct connection, caller));
	struct rain_rpc_answer *answer = answer_create(connection);

	connection->put_off = answer != NULL;
	return answer;
}

void rain_rpc_answer(struct rain_rpc_answer *answer, json_t *result, const char *error)
{
	if (!answer->connection) {
		free(answer);
		return;
	}
	know(answer, line_of(result, error));
	send_known(answer->connection);
}

/* At once, or behind those that aren't known yet. */
static void answer_now(struct connection *connection, json_t *result, const char *error)
{
	struct rain_rpc_answer *answer = connection->first ? answer_create(connection) : NULL;
	char *text = line_of(result, error);

	if (answer) {
		know(answer, text);
		return;
	}
	if (connection->first) /* no memory: rather none than one for another request */
		connection->closing = 1;
	else
		send_line(connection, text);
	free(text);
}

static void serve_line(struct connection *connection, const char *line, size_t size)
{
	struct rain_error err = {"it failed without saying why"};
	json_t *request = rain_json_parse(line, size, RAIN_RPC_LINE_MAX, &err);
	json_t *result;

	connection->put_off = false;
	result = request ? dispatch(connection, request, &err) : NULL;
	if (!connection->put_off)
		answer_now(connection, result, err.text);
	json_decref(result);
	json_decref(request);
}

/* Serves a few of the lines that have arrived. */
static void serve(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	char *line;
	size_t size;

	for (int i = 0; i < LINES_AT_ONCE && may_ask(connection); i++) {
		line = evbuffer_readln(input, &size, EVBUFFER_EOL_LF);
		if (!line && evbuffer_get_length(input) >= RAIN_RPC_LINE_MAX) {
			answer_now(connection, NULL, "the request is larger than 1 MiB");
			connection->closing = 1;
		}
		if (!line)
			return;
		serve_line(connection, line, size);
		free(line);
	}
	if (connection->closing)
		return;
	connection->paused = true;
	bufferevent_disable(connection->stream, EV_READ);
	resume(connection);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
	struct connection *connection = arg;
	struct evbuffer *input = bufferevent_get_input(stream);

	if (connection->closing)
		evbuffer_drain(input, evbuffer_get_length(input));
	else if (!connection->paused)
		serve(connection);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct connection *connection = arg;

	(void)fd;
	(void)what;
	connection->paused = false;
	serve(connection);
	if (!connection->paused)
		bufferevent_enable(connection->stream, EV_READ);
}

static void on_written(struct bufferevent *stream, void *arg)
{
	struct connection *connection = arg;

	(void)stream;
	if (connection->closing && !connection->first)
		connection_destroy(connection);
	else
		resume(connection);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	(void)stream;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		connection_destroy(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *address, int length, void *arg)
{
	struct rain_rpc_server *server = arg;
	struct connection *connection = NULL;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct timeval write_limit = {.tv_sec = 30};

	(void)listener;
	(void)address;
	(void)length;
	if (server->count >= CONNECTIONS_MAX) {
		rain_log_warning("too many connections at %s: one was closed", server->path);
		goto refuse;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		goto refuse;
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		goto refuse;
	connection->turn = evtimer_new(server->base, on_turn, connection);
	if (!connection->turn)
		goto refuse;
	connection->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection->stream)
		goto refuse;
	connection->server = server;
	connection->end = &connection->first;
	connection->caller = (struct rain_rpc_caller){peer.uid, peer.gid, peer.pid};
	connection->next = server->connections;
	connection->self = &server->connections;
	if (connection->next)
		connection->next->self = &connection->next;
	server->connections = connection;
	server->count++;
	bufferevent_setcb(connection->stream, on_readable, on_written, on_event, connection);
	/* Who asks and does not read the answer is let go. */
	bufferevent_set_timeouts(connection->stream, NULL, &write_limit);
	bufferevent_setwatermark(connection->stream, EV_READ, 0, RAIN_RPC_LINE_MAX);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
	return;
refuse:
	if (connection && connection->turn)
		event_free(connection->turn);
	free(connection);
	close(fd);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct rain_rpc_server *server = arg;

	(void)listener;
	rain_log_warning("can't accept a connection at %s: %s", server->path, strerror(errno));
}

static int listen_at(const char *path, mode_t mode, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return rain_error_set(err, "the socket path %.200s is too long", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	/* The directory belongs to this daemon alone, so whatever is there is
	 * what a former run left. */
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, mode) < 0 || listen(fd, 64) < 0) {
		rain_error_set(err, "can't listen at %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

struct rain_rpc_server *rain_rpc_server_create(struct event_base *base, const char *path,
					       mode_t mode, const struct rain_rpc_op *ops,
					       void *arg, struct rain_error *err)
{
	struct rain_rpc_server *server = calloc(1, sizeof(*server));
	int fd = -1;

	if (server)
		server->path = strdup(path);
	if (!server || !server->path) {
		rain_error_set(err, "no memory for the server at %s", path);
		goto fail;
	}
	server->base = base;
	server->ops = ops;
	server->arg = arg;
	fd = listen_at(path, mode, err);
	if (fd < 0)
		goto fail;
	server->listener = evconnlistener_new(base, on_accept, server,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!server->listener) {
		rain_error_set(err, "no memory for the server at %s", path);
		close(fd);
		goto fail;
	}
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	return server;
fail:
	rain_rpc_server_destroy(server);
	return NULL;
}

void rain_rpc_server_destroy(struct rain_rpc_server *server)
{
	if (!server)
		return;
	while (server->connections)
		connection_destroy(server->connections);
	if (server->listener) {
		evconnlistener_free(server->listener);
		unlink(server->path);
	}
	free(server->path);
	free(server);
}
