/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/json.h"
#include "panel/listen.h"

#define TIME_MAX_S (INT64_C(1) << 40)
#define STEP_HOURS_MAX 8784

int rain_panel_server_init(struct rain_panel_server *server, const char *listen,
			   const char *local_path, const struct rain_panel_server_calls *calls,
			   struct rain_error *err)
{
	memset(server, 0, sizeof(*server));
	server->tcp_fd = -1;
	server->local_fd = -1;
	server->calls = *calls;
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	if (listen && *listen) {
		server->tcp_fd = rain_panel_listen_tcp(listen, err);
		if (server->tcp_fd < 0)
			return rain_error_prefix(err, "panel.listen");
	}
	server->local_fd = rain_panel_listen_unix(local_path, SOCK_STREAM, err);
	if (server->local_fd < 0)
		return -1;
	server->local_path = strdup(local_path);
	return server->local_path ? 0 : rain_error_set(err, "out of memory");
}

static void drop(struct rain_panel_client *client)
{
	close(client->fd);
	free(client->backlog);
	memset(client, 0, sizeof(*client));
	client->fd = -1;
}

size_t rain_panel_server_poll(const struct rain_panel_server *server,
			      struct pollfd fds[static RAIN_PANEL_SERVER_FDS],
			      int64_t *deadline_ms)
{
	size_t count = 0;

	if (server->tcp_fd >= 0)
		fds[count++] = (struct pollfd){.fd = server->tcp_fd, .events = POLLIN};
	if (server->local_fd >= 0)
		fds[count++] = (struct pollfd){.fd = server->local_fd, .events = POLLIN};
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++) {
		const struct rain_panel_client *client = &server->clients[i];

		if (client->fd < 0)
			continue;
		fds[count].fd = client->fd;
		fds[count].events = client->backlog ? POLLIN | POLLOUT : POLLIN;
		fds[count++].revents = 0;
		if (!client->watches && client->heard_ms + RAIN_PANEL_SILENCE_MS < *deadline_ms)
			*deadline_ms = client->heard_ms + RAIN_PANEL_SILENCE_MS;
	}
	return count;
}

/* A blink must not wait for an acknowledgement, and a viewer whose machine
 * vanished must not keep his place. */
static void tune_tcp(int fd)
{
	int one = 1, idle_s = 60;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

static void accept_all(struct rain_panel_server *server, int listener, bool local,
		       int64_t now_ms)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct rain_panel_client *client = NULL;

		for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX && !client; i++) {
			if (server->clients[i].fd < 0)
				client = &server->clients[i];
		}
		if (!client) {
			close(fd);
			continue;
		}
		if (!local)
			tune_tcp(fd);
		client->fd = fd;
		client->local = local;
		client->heard_ms = now_ms;
	}
}

/* Sends what it can and keeps the rest, within the bound. False: dropped. */
static bool send_text(struct rain_panel_client *client, const char *text, size_t size)
{
	ssize_t sent = 0;
	char *larger;

	if (!client->backlog) {
		sent = send(client->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN) {
			drop(client);
			return false;
		}
		if (sent < 0)
			sent = 0;
		if ((size_t)sent == size)
			return true;
	}
	text += sent;
	size -= (size_t)sent;
	larger = client->backlog_size + size > RAIN_PANEL_BACKLOG_MAX
			 ? NULL
			 : realloc(client->backlog, client->backlog_size + size);
	if (!larger) {
		drop(client);
		return false;
	}
	client->backlog = larger;
	memcpy(client->backlog + client->backlog_size, text, size);
	client->backlog_size += size;
	return true;
}

static bool flush_backlog(struct rain_panel_client *client)
{
	ssize_t sent;

	sent = send(client->fd, client->backlog, client->backlog_size,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN) {
		drop(client);
		return false;
	}
	if (sent <= 0)
		return true;
	client->backlog_size -= (size_t)sent;
	memmove(client->backlog, client->backlog + sent, client->backlog_size);
	if (client->backlog_size == 0) {
		free(client->backlog);
		client->backlog = NULL;
	}
	return true;
}

/* Takes the reply over. */
static bool send_json(struct rain_panel_client *client, json_t *reply)
{
	char *line = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	bool alive;

	json_decref(reply);
	if (!line) {
		drop(client);
		return false;
	}
	/* The newline takes the place of the NUL. */
	size_t length = strlen(line);
	line[length] = '\n';
	alive = send_text(client, line, length + 1);
	free(line);
	return alive;
}

static bool send_error(struct rain_panel_client *client, const struct rain_error *err)
{
	return send_json(client, json_pack("{s:b,s:s}", "ok", 0, "error", err->text));
}

static bool send_frame(struct rain_panel_server *server, struct rain_panel_client *client)
{
	char *line = server->calls.frame(server->calls.arg);
	bool alive;

	if (!line) {
		drop(client);
		return false;
	}
	alive = send_text(client, line, strlen(line));
	free(line);
	return alive;
}

/* Answers what the daemon keeps of that time. */
static bool send_record(struct rain_panel_server *server, struct rain_panel_client *client,
			const json_t *request)
{
	int64_t since_s, until_s, step_hours;
	struct rain_error err = {0};
	char *line = NULL;
	bool alive;

	if (rain_json_int(request, "since", 0, TIME_MAX_S, &since_s, &err) == 0 &&
	    rain_json_int(request, "until", since_s + 1, TIME_MAX_S, &until_s, &err) == 0 &&
	    rain_json_int_or(request, "step_hours", 0, STEP_HOURS_MAX, 0, &step_hours, &err) == 0)
		line = server->calls.record(server->calls.arg, since_s, until_s, step_hours, &err);
	alive = line ? send_text(client, line, strlen(line)) : send_error(client, &err);
	free(line);
	return alive;
}

static bool send_code(struct rain_panel_server *server, struct rain_panel_client *client,
		      const json_t *request)
{
	struct rain_error err;
	const char *code;
	int64_t uid;

	if (rain_json_int(request, "uid", 0, UINT32_MAX - 1, &uid, &err) < 0 ||
	    server->calls.code(server->calls.arg, (uid_t)uid, &code, &err) < 0)
		return send_error(client, &err);
	return send_json(client, json_pack("{s:b,s:{s:I,s:s*}}", "ok", 1, "result", "uid",
					   (json_int_t)uid, "code", code));
}

static bool answer(struct rain_panel_server *server, struct rain_panel_client *client,
		   const char *text, size_t size)
{
	struct rain_error err = {0};
	json_t *request = rain_json_parse(text, size, RAIN_PANEL_REQUEST_MAX, &err);
	const char *op, *mode;
	bool alive;

	if (!request || rain_json_string(request, "op", 16, &op, &err) < 0) {
		alive = send_error(client, &err);
	} else if (strcmp(op, "frame") == 0 || strcmp(op, "watch") == 0) {
		client->watches = client->watches || *op == 'w';
		alive = send_frame(server, client);
	} else if (strcmp(op, "record") == 0) {
		alive = send_record(server, client, request);
	} else if (strcmp(op, "code") == 0) {
		alive = send_code(server, client, request);
	} else if (strcmp(op, "mode") == 0 && client->local) {
		if (rain_json_string(request, "mode", 16, &mode, &err) < 0 ||
		    server->calls.turn_switch(server->calls.arg, mode, &err) < 0)
			alive = send_error(client, &err);
		else
			alive = send_frame(server, client);
	} else {
		rain_error_set(&err, "op \"%s\" is unknown here: allowed are \"frame\", \"watch\", \"record\", \"code\"%s",
			       op, client->local ? ", \"mode\"" : "");
		alive = send_error(client, &err);
	}
	json_decref(request);
	return alive;
}

static void serve_client(struct rain_panel_server *server, struct rain_panel_client *client,
			 int64_t now_ms)
{
	ssize_t got = recv(client->fd, client->request + client->request_size,
			   sizeof(client->request) - client->request_size, MSG_DONTWAIT);
	char *end;

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		drop(client);
		return;
	}
	if (got < 0)
		return;
	client->request_size += (size_t)got;
	client->heard_ms = now_ms;
	while ((end = memchr(client->request, '\n', client->request_size))) {
		size_t length = (size_t)(end - client->request);

		if (!answer(server, client, client->request, length))
			return;
		client->request_size -= length + 1;
		memmove(client->request, end + 1, client->request_size);
	}
	if (client->request_size == sizeof(client->request)) {
		struct rain_error err;

		rain_error_set(&err, "the request is longer than %d bytes",
			       RAIN_PANEL_REQUEST_MAX - 1);
		if (send_error(client, &err))
			drop(client);
	}
}

void rain_panel_server_serve(struct rain_panel_server *server, const struct pollfd *fds,
			     size_t count, int64_t now_ms)
{
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++) {
		struct rain_panel_client *client = &server->clients[i];
		short ready = 0;

		if (client->fd < 0)
			continue;
		for (size_t k = 0; k < count; k++) {
			if (fds[k].fd == client->fd)
				ready = fds[k].revents;
		}
		if ((ready & POLLOUT) && client->backlog && !flush_backlog(client))
			continue;
		if (ready & (POLLIN | POLLHUP | POLLERR))
			serve_client(server, client, now_ms);
		else if (!client->watches && now_ms >= client->heard_ms + RAIN_PANEL_SILENCE_MS)
			drop(client);
	}
	/* Last, so that a new client never answers to an old descriptor's events. */
	for (size_t k = 0; k < count; k++) {
		if (!(fds[k].revents & POLLIN))
			continue;
		if (fds[k].fd == server->tcp_fd)
			accept_all(server, server->tcp_fd, false, now_ms);
		else if (fds[k].fd == server->local_fd)
			accept_all(server, server->local_fd, true, now_ms);
	}
}

bool rain_panel_server_is_watched(const struct rain_panel_server *server)
{
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd >= 0 && server->clients[i].watches)
			return true;
	}
	return false;
}

void rain_panel_server_publish(struct rain_panel_server *server, const char *line)
{
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd >= 0 && server->clients[i].watches)
			send_text(&server->clients[i], line, strlen(line));
	}
}

void rain_panel_server_release(struct rain_panel_server *server)
{
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd >= 0)
			drop(&server->clients[i]);
	}
	if (server->tcp_fd >= 0)
		close(server->tcp_fd);
	if (server->local_fd >= 0)
		close(server->local_fd);
	if (server->local_path)
		unlink(server->local_path);
	free(server->local_path);
	server->tcp_fd = -1;
	server->local_fd = -1;
	server->local_path = NULL;
}
