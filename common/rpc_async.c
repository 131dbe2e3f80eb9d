// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/rpc_async.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/rpc.h"

struct pending {
	struct pending *next;
	rain_rpc_done done;
	void *arg;
	int64_t deadline;
};

/* Answers come in the order of the requests, so a queue is all it takes. */
struct rain_rpc_client {
	struct event_base *base;
	char *path;
	struct bufferevent *stream; /* NULL: not connected */
	struct event *timer;	    /* the deadline of the oldest call */
	struct event *failer;	    /* tells callers of a failed connection later */
	struct pending *first, **last;
	unsigned count;
	struct rain_error why;
};

static struct pending *take_first(struct rain_rpc_client *client)
{
	struct pending *call = client->first;

	client->first = call->next;
	if (!client->first)
		client->last = &client->first;
	client->count--;
	return call;
}

static void disconnect(struct rain_rpc_client *client)
{
	if (client->stream)
		bufferevent_free(client->stream);
	client->stream = NULL;
	event_del(client->timer);
}

/* Gives up the connection and fails every call that waited on it; calls that
 * the callbacks add go to a new connection. */
static void fail_all(struct rain_rpc_client *client)
{
	struct rain_error why = client->why;
	unsigned waiting = client->count;

	disconnect(client);
	while (waiting-- > 0 && client->first) {
		struct pending *call = take_first(client);

		call->done(call->arg, NULL, why.text);
		free(call);
	}
}

static void arm_timer(struct rain_rpc_client *client)
{
	struct timeval delay = {0};
	int64_t left;

	if (!client->first) {
		event_del(client->timer);
		return;
	}
	left = client->first->deadline - rain_clock_monotonic_ms();
	if (left < 0)
		left = 0;
	delay.tv_sec = left / 1000;
	delay.tv_usec = left % 1000 * 1000;
	event_add(client->timer, &delay);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct rain_rpc_client *client = arg;

	(void)fd;
	(void)what;
	rain_error_set(&client->why, "%s does not answer", client->path);
	fail_all(client);
}

static void on_fail(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fail_all(arg);
}

/* Returns -1 when the line is no answer. */
static int deliver(struct rain_rpc_client *client, const char *line, size_t size)
{
	json_t *reply = rain_json_parse(line, size, RAIN_RPC_ANSWER_MAX, NULL);
	struct pending *call;

	if (!reply || !client->first) {
		json_decref(reply);
		return -1;
	}
	call = take_first(client);
	arm_timer(client);
	if (json_is_true(json_object_get(reply, "ok"))) {
		const json_t *result = json_object_get(reply, "result");

		call->done(call->arg, result ? result : json_null(), NULL);
	} else {
		const char *error = json_string_value(json_object_get(reply, "error"));

		call->done(call->arg, NULL, error ? error : "it failed without saying why");
	}
	free(call);
	json_decref(reply);
	return 0;
}

static void on_readable(struct bufferevent *stream, void *arg)
{
	struct rain_rpc_client *client = arg;
	size_t size;
	char *line;

	/* A callback may have lost or replaced the connection. */
	while (client->stream == stream &&
	       (line = evbuffer_readln(bufferevent_get_input(stream), &size, EVBUFFER_EOL_LF))) {
		int rc = deliver(client, line, size);

		free(line);
		if (rc < 0) {
			rain_error_set(&client->why, "%s sent no valid answer", client->path);
			fail_all(client);
			return;
		}
	}
	if (client->stream == stream &&
	    evbuffer_get_length(bufferevent_get_input(stream)) > RAIN_RPC_ANSWER_MAX) {
		rain_error_set(&client->why, "the answer of %s is too large", client->path);
		fail_all(client);
	}
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct rain_rpc_client *client = arg;

	(void)stream;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	if (what & BEV_EVENT_EOF)
		rain_error_set(&client->why, "%s closed the connection", client->path);
	else
		rain_error_set(&client->why, "%s is lost: %s", client->path, strerror(errno));
	fail_all(client);
}

static int connect_stream(struct rain_rpc_client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(client->path) >= sizeof(address.sun_path))
		return rain_error_set(&client->why, "the socket path %.200s is too long",
				      client->path);
	strcpy(address.sun_path, client->path);
	client->stream = bufferevent_socket_new(client->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!client->stream)
		return rain_error_set(&client->why, "no memory for a connection");
	if (bufferevent_socket_connect(client->stream, (struct sockaddr *)&address,
				       sizeof(address)) < 0) {
		rain_error_set(&client->why, "can't reach %s: %s (is its daemon running?)",
			       client->path, strerror(errno));
		bufferevent_free(client->stream);
		client->stream = NULL;
		return -1;
	}
	bufferevent_setcb(client->stream, on_readable, NULL, on_event, client);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	return 0;
}

struct rain_rpc_client *rain_rpc_client_create(struct event_base *base, const char *path)
{
	struct rain_rpc_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->base = base;
	client->last = &client->first;
	client->path = strdup(path);
	client->timer = evtimer_new(base, on_deadline, client);
	client->failer = evtimer_new(base, on_fail, client);
	if (!client->path || !client->timer || !client->failer) {
		rain_rpc_client_destroy(client);
		return NULL;
	}
	return client;
}

int rain_rpc_client_call(struct rain_rpc_client *client, json_t *request, int timeout_ms,
			 rain_rpc_done done, void *arg, struct rain_error *err)
{
	struct pending *call;
	char *text;

	if (client->count >= RAIN_RPC_PENDING_MAX)
		return rain_error_set(err, "%d calls to %s are under way already",
				      RAIN_RPC_PENDING_MAX, client->path);
	text = json_dumps(request, JSON_COMPACT);
	call = calloc(1, sizeof(*call));
	if (!text || !call) {
		free(text);
		free(call);
		return rain_error_set(err, "can't encode a request to %s", client->path);
	}
	call->done = done;
	call->arg = arg;
	call->deadline = rain_clock_monotonic_ms() + timeout_ms;
	*client->last = call;
	client->last = &call->next;
	client->count++;
	if (!client->stream && connect_stream(client) < 0) {
		/* Told from the loop: never before this call has returned. */
		event_active(client->failer, EV_TIMEOUT, 0);
	} else {
		bufferevent_write(client->stream, text, strlen(text));
		bufferevent_write(client->stream, "\n", 1);
		if (client->count == 1)
			arm_timer(client);
	}
	free(text);
	return 0;
}

void rain_rpc_client_destroy(struct rain_rpc_client *client)
{
	if (!client)
		return;
	if (client->timer)
		disconnect(client);
	while (client->first)
		free(take_first(client));
	if (client->timer)
		event_free(client->timer);
	if (client->failer)
		event_free(client->failer);
	free(client->path);
	free(client);
}
