// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"

struct call {
	const char *path;
	int fd;
	int64_t deadline;
	char *line; /* received so far */
	size_t used, capacity;
};

/* Waits while the daemon's queue of callers is full, which a non-blocking
 * connect() can't. */
static int call_connect(struct call *call, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int64_t left = call->deadline - rain_clock_monotonic_ms();
	struct timeval timeout = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

	if (left <= 0)
		return rain_error_set(err, "%s does not answer", call->path);
	if (strlen(call->path) >= sizeof(address.sun_path))
		return rain_error_set(err, "the socket path %.200s is too long", call->path);
	strcpy(address.sun_path, call->path);
	call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (call->fd < 0 ||
	    setsockopt(call->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	while (connect(call->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return rain_error_set(err, "%s does not answer", call->path);
		return rain_error_set(err, "can't reach %s: %s (is its daemon running?)",
				      call->path, strerror(errno));
	}
	if (fcntl(call->fd, F_SETFL, O_NONBLOCK) < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	return 0;
}

static int call_wait(struct call *call, short events, struct rain_error *err)
{
	for (;;) {
		struct pollfd fd = {.fd = call->fd, .events = events};
		int64_t left = call->deadline - rain_clock_monotonic_ms();
		int n = left > 0 ? poll(&fd, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return rain_error_set(err, "%s does not answer", call->path);
		if (errno != EINTR)
			return rain_error_set(err, "can't wait for %s: %s", call->path,
					      strerror(errno));
	}
}

static int call_send(struct call *call, const char *data, size_t size, struct rain_error *err)
{
	while (size > 0) {
		ssize_t n = send(call->fd, data, size, MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (call_wait(call, POLLOUT, err) < 0)
				return -1;
		} else if (errno != EINTR) {
			return rain_error_set(err, "can't send to %s: %s", call->path,
					      strerror(errno));
		}
	}
	return 0;
}

/* Receives up to the first newline, which becomes a NUL. */
static int call_receive(struct call *call, struct rain_error *err)
{
	for (;;) {
		ssize_t n;
		char *end;

		if (call->capacity - call->used < 4096) {
			size_t capacity = call->capacity ? call->capacity * 2 : 8192;
			char *larger;

			if (call->used > RAIN_RPC_ANSWER_MAX)
				return rain_error_set(err, "the answer of %s is larger than %d bytes",
						      call->path, RAIN_RPC_ANSWER_MAX);
			larger = realloc(call->line, capacity);
			if (!larger)
				return rain_error_set(err, "no memory for the answer of %s",
						      call->path);
			call->line = larger;
			call->capacity = capacity;
		}
		n = recv(call->fd, call->line + call->used, call->capacity - call->used, 0);
		if (n == 0)
			return rain_error_set(err, "%s closed the connection without an answer",
					      call->path);
		if (n < 0 && errno == EAGAIN) {
			if (call_wait(call, POLLIN, err) < 0)
				return -1;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rain_error_set(err, "can't receive from %s: %s", call->path,
					      strerror(errno));
		end = memchr(call->line + call->used, '\n', (size_t)n);
		call->used += (size_t)n;
		if (end) {
			*end = '\0';
			call->used = (size_t)(end - call->line);
			return 0;
		}
	}
}

static json_t *call_result(struct call *call, struct rain_error *err)
{
	json_t *answer = rain_json_parse(call->line, call->used, RAIN_RPC_ANSWER_MAX, err);
	json_t *result = NULL;

	if (!answer) {
		rain_error_prefix(err, "%s sent no valid answer", call->path);
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok"))) {
		result = json_object_get(answer, "result");
		result = result ? json_incref(result) : json_null();
	} else {
		const char *error = json_string_value(json_object_get(answer, "error"));

		rain_error_set(err, "%s", error ? error : "it failed without saying why");
	}
	json_decref(answer);
	return result;
}

json_t *rain_rpc_ask(const char *socket_path, json_t *request, int timeout_ms, bool *told,
		     struct rain_error *err)
{
	struct call call = {.path = socket_path,
			    .fd = -1,
			    .deadline = rain_clock_monotonic_ms() + timeout_ms};
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *result = NULL;

	*told = true; /* nothing is asked yet */
	if (!text) {
		rain_error_set(err, "can't encode a request");
		return NULL;
	}
	if (call_connect(&call, err) == 0) {
		*told = call_send(&call, text, strlen(text), err) == 0 &&
			call_send(&call, "\n", 1, err) == 0 && call_receive(&call, err) == 0;
		result = *told ? call_result(&call, err) : NULL;
	}
	if (call.fd >= 0)
		close(call.fd);
	free(call.line);
	free(text);
	return result;
}

json_t *rain_rpc_call(const char *socket_path, json_t *request, int timeout_ms,
		      struct rain_error *err)
{
	bool told;

	return rain_rpc_ask(socket_path, request, timeout_ms, &told, err);
}

bool rain_rpc_listens(const char *socket_path, const char *daemon, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool connected;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	/* EAGAIN: somebody does, and is busy. */
	connected = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
				errno == EAGAIN);
	if (!connected)
		rain_error_set(err, "%s isn't running here: %s: %s", daemon, socket_path,
			       strerror(errno));
	if (fd >= 0)
		close(fd);
	return connected;
}
