/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/test/fake_gateway.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "federation/digest.h"

struct stream {
	char *data;
	size_t size;
	bool ended;
};

struct fake_gateway {
	char socket_path[108], host[64], directory[256];
	int port;
	struct MHD_Daemon *daemons[2];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char state[32];
	json_t *inputs, *exit, *signals;
	struct stream streams[2];
	bool delivered, stopping;
	unsigned int fault_each, requests;
	int64_t uploaded;
	int last_signal;
	const char *busy;
};

struct body {
	char *data;
	size_t size, room;
	bool cut;
};

static void wait_changed(struct fake_gateway *gateway, const struct timespec *until)
{
	struct timespec now, slice;

	/* In slices: a stop must not wait for a long poll. */
	clock_gettime(CLOCK_REALTIME, &now);
	slice = now;
	slice.tv_nsec += 100000000;
	if (slice.tv_nsec >= 1000000000) {
		slice.tv_sec++;
		slice.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&gateway->changed, &gateway->lock,
			       slice.tv_sec < until->tv_sec ? &slice : until);
}

static bool expired(const struct timespec *until)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > until->tv_sec ||
	       (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

static long query(struct MHD_Connection *connection, const char *name, long fallback)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

	return text ? strtol(text, NULL, 10) : fallback;
}

static struct timespec wait_until(struct MHD_Connection *connection)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += query(connection, "wait", 0);
	return until;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned int status,
			     const void *data, size_t size, const char *name, long value)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, (void *)data, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	if (name)
		MHD_add_response_header(response, name, text);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result reply_json(struct MHD_Connection *connection, unsigned int status,
				  json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	enum MHD_Result result = reply(connection, status, text, strlen(text), NULL, 0);

	free(text);
	json_decref(json);
	return result;
}

static enum MHD_Result reply_empty(struct MHD_Connection *connection, unsigned int status)
{
	return reply(connection, status, "", 0, NULL, 0);
}

/* --- blobs */

static enum MHD_Result blob_get(struct fake_gateway *gateway, struct MHD_Connection *connection,
				const char *sha, bool head)
{
	const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
	char path[400], part[410];
	struct MHD_Response *response;
	enum MHD_Result result;
	struct stat st;
	off_t from = range ? strtoll(range + 6, NULL, 10) : 0;
	int fd;

	if (gateway->busy && !strcmp(sha, gateway->busy))
		return reply_empty(connection, 503);
	snprintf(path, sizeof(path), "%s/%s", gateway->directory, sha);
	snprintf(part, sizeof(part), "%s.part", path);
	if (stat(path, &st) < 0)
		return reply(connection, 404, "", 0, "Rain-Offset",
			     stat(part, &st) < 0 ? 0 : st.st_size);
	if (head) {
		response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
		result = MHD_queue_response(connection, 200, response);
	} else {
		fd = open(path, O_RDONLY);
		response = MHD_create_response_from_fd_at_offset64((uint64_t)(st.st_size - from),
								   fd, (uint64_t)from);
		result = MHD_queue_response(connection, from ? 206 : 200, response);
	}
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result blob_put(struct fake_gateway *gateway, struct MHD_Connection *connection,
				const char *sha, const struct body *body)
{
	const char *range =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Range");
	const char *slash = range ? strchr(range, '/') : NULL;
	long long from = range ? strtoll(range + 6, NULL, 10) : 0;
	long long size = slash ? strtoll(slash + 1, NULL, 10) : (long long)body->size;
	char path[400], part[410];
	struct rain_digest digest;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", gateway->directory, sha);
	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_RDWR | O_CREAT, 0600);
	if (pwrite(fd, body->data, body->size, from) != (ssize_t)body->size || fstat(fd, &st) < 0)
		abort();
	gateway->uploaded += (int64_t)body->size;
	if (st.st_size < size) {
		close(fd);
		return reply(connection, 202, "", 0, "Rain-Offset", st.st_size);
	}
	rain_digest_file(fd, &digest, NULL);
	close(fd);
	if (strcmp(digest.sha256, sha) != 0)
		return reply_json(connection, 422, json_pack("{s:s}", "error", "another SHA-256"));
	rename(part, path);
	return reply_empty(connection, 201);
}

/* A body that was cut: what has come is kept, as the real one does. */
static void blob_keep(struct fake_gateway *gateway, const char *url, const char *method,
		      struct body *body)
{
	char part[410];
	int fd;

	if (strcmp(method, "PUT") || !strstr(url, "/blobs/"))
		return;
	snprintf(part, sizeof(part), "%s/%s.part", gateway->directory, strrchr(url, '/') + 1);
	if (access(part, F_OK) == 0)
		return;
	fd = open(part, O_WRONLY | O_CREAT, 0600);
	if (write(fd, body->data, body->size / 2) < 0)
		abort();
	close(fd);
}

/* --- the job side */

static json_t *job_json(struct fake_gateway *gateway)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:b}", "burst", "b", "state", gateway->state,
				 "peer", "bravo", "parts", 1, "requeue", 1);

	if (gateway->exit) {
		json_t *more =
			json_pack("{s:O, s:O, s:O}", "stdout_bytes",
				  json_object_get(gateway->exit, "stdout_bytes"), "stderr_bytes",
				  json_object_get(gateway->exit, "stderr_bytes"), "outputs",
				  json_object_get(gateway->exit, "outputs"));

		json_object_set_new(json, "exit",
				    json_pack("{s:O, s:O}", "code",
					      json_object_get(gateway->exit, "code"), "signal",
					      json_object_get(gateway->exit, "signal")));

		json_object_update(json, more);
		json_decref(more);
	}
	return json;
}

static enum MHD_Result job_get(struct fake_gateway *gateway, struct MHD_Connection *connection)
{
	const char *seen = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "state");
	struct timespec until = wait_until(connection);

	while (seen && !strcmp(seen, gateway->state) && !gateway->stopping && !expired(&until))
		wait_changed(gateway, &until);
	return reply_json(connection, 200, job_json(gateway));
}

static enum MHD_Result stream_get(struct fake_gateway *gateway, struct MHD_Connection *connection,
				  struct stream *stream)
{
	size_t after = (size_t)query(connection, "after", 0), size;
	struct timespec until = wait_until(connection);

	while (after >= stream->size && !stream->ended && !gateway->stopping && !expired(&until))
		wait_changed(gateway, &until);
	size = after < stream->size ? stream->size - after : 0;
	return reply(connection, 200, stream->data + after, size > 100000 ? 100000 : size,
		     "Rain-Offset", (long)after);
}

static enum MHD_Result job_side(struct fake_gateway *gateway, struct MHD_Connection *connection,
				const char *method, const char *rest, json_t *json)
{
	if (!*rest && !strcmp(method, "GET"))
		return job_get(gateway, connection);
	if (!strcmp(rest, "/inputs")) {
		json_decref(gateway->inputs);
		gateway->inputs = json_incref(json);
	} else if (!strcmp(rest, "/signal")) {
		int number = (int)json_integer_value(json_object_get(json, "signal"));

		gateway->last_signal = number;
		json_array_append_new(gateway->signals,
				      json_pack("{s:I, s:i}", "seq",
						(json_int_t)json_array_size(gateway->signals) + 1,
						"signal", number));
	} else if (!strcmp(rest, "/delivered")) {
		gateway->delivered = true;
	} else if (!strncmp(rest, "/streams/", 9)) {
		return stream_get(gateway, connection,
				  &gateway->streams[!strcmp(rest + 9, "stderr")]);
	} else {
		return reply_empty(connection, 404);
	}
	pthread_cond_broadcast(&gateway->changed);
	return reply_json(connection, 200, json_object());
}

/* --- the agent side */

static enum MHD_Result stream_put(struct fake_gateway *gateway, struct MHD_Connection *connection,
				  struct stream *stream, const struct body *body)
{
	size_t offset = (size_t)query(connection, "offset", 0);

	if (offset != stream->size)
		return reply(connection, 409, "", 0, "Rain-Offset", (long)stream->size);
	stream->data = realloc(stream->data, stream->size + body->size + 1);
	memcpy(stream->data + stream->size, body->data, body->size);
	stream->size += body->size;
	pthread_cond_broadcast(&gateway->changed);
	return reply(connection, 200, "", 0, "Rain-Offset", (long)stream->size);
}

static enum MHD_Result signals_get(struct fake_gateway *gateway, struct MHD_Connection *connection)
{
	size_t after = (size_t)query(connection, "after", 0);
	struct timespec until = wait_until(connection);
	json_t *list = json_array();

	while (json_array_size(gateway->signals) <= after && !gateway->stopping && !expired(&until))
		wait_changed(gateway, &until);
	for (size_t i = after; i < json_array_size(gateway->signals); i++)
		json_array_append(list, json_array_get(gateway->signals, i));
	return reply_json(connection, 200, json_pack("{s:o}", "signals", list));
}

static enum MHD_Result agent_side(struct fake_gateway *gateway, struct MHD_Connection *connection,
				  const char *method, const char *rest, json_t *json,
				  const struct body *body)
{
	if (!*rest && !strcmp(method, "GET")) {
		struct timespec until = wait_until(connection);

		while (!gateway->inputs && !gateway->stopping && !expired(&until))
			wait_changed(gateway, &until);
		return reply_json(connection, 200,
				  gateway->inputs ? json_incref(gateway->inputs) : json_object());
	}
	if (!strncmp(rest, "/streams/", 9))
		return stream_put(gateway, connection,
				  &gateway->streams[!strcmp(rest + 9, "stderr")], body);
	if (!strcmp(rest, "/signals"))
		return signals_get(gateway, connection);
	if (!strcmp(rest, "/started")) {
		strcpy(gateway->state, "running");
	} else if (!strcmp(rest, "/exit")) {
		json_decref(gateway->exit); /* it may come twice */
		gateway->exit = json_incref(json);
		gateway->streams[0].ended = gateway->streams[1].ended = true;
		strcpy(gateway->state, "ended");
	} else {
		return reply_empty(connection, 404);
	}
	pthread_cond_broadcast(&gateway->changed);
	return reply_json(connection, 200, json_object());
}

static enum MHD_Result answer(struct fake_gateway *gateway, struct MHD_Connection *connection,
			      const char *url, const char *method, const struct body *body)
{
	const char *blobs = strstr(url, "/blobs/"), *rest;
	json_t *json = json_loadb(body->data ? body->data : "", body->size, 0, NULL);
	enum MHD_Result result;

	if (strlen(url) > 6 && !strcmp(url + strlen(url) - 6, "/blobs")) /* is there room? */
		result = reply_json(connection, 200, json_object());
	else if (blobs && !strcmp(method, "PUT"))
		result = blob_put(gateway, connection, blobs + 7, body);
	else if (blobs)
		result = blob_get(gateway, connection, blobs + 7, !strcmp(method, "HEAD"));
	else if (!strncmp(url, "/v1/jobs/", 9))
		rest = strchrnul(url + 9, '/'),
		result = job_side(gateway, connection, method, rest, json);
	else if (!strncmp(url, "/v1/loans/", 10))
		rest = strchrnul(url + 10, '/'),
		result = agent_side(gateway, connection, method, rest, json, body);
	else
		result = reply_empty(connection, 404);
	json_decref(json);
	return result;
}

/* --- microhttpd */

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **context)
{
	struct fake_gateway *gateway = arg;
	struct body *body = *context;
	enum MHD_Result result;

	(void)version;
	if (!body) {
		*context = body = calloc(1, sizeof(*body));
		pthread_mutex_lock(&gateway->lock);
		gateway->requests++;
		body->cut = gateway->fault_each && gateway->requests % gateway->fault_each == 0;
		pthread_mutex_unlock(&gateway->lock);
		return MHD_YES;
	}
	if (*size > 0) {
		if (body->size + *size > body->room) {
			body->room = 2 * (body->size + *size);
			body->data = realloc(body->data, body->room);
		}
		memcpy(body->data + body->size, data, *size);
		body->size += *size;
		*size = 0;
		return MHD_YES;
	}
	pthread_mutex_lock(&gateway->lock);
	if (body->cut)
		blob_keep(gateway, url, method, body);
	result = body->cut ? MHD_NO : answer(gateway, connection, url, method, body);
	pthread_mutex_unlock(&gateway->lock);
	return result;
}

static void completed(void *arg, struct MHD_Connection *connection, void **context,
		      enum MHD_RequestTerminationCode code)
{
	struct body *body = *context;

	(void)arg, (void)connection, (void)code;
	if (body)
		free(body->data);
	free(body);
}

static struct MHD_Daemon *serve(struct fake_gateway *gateway, int fd)
{
	listen(fd, 64);
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0,
				NULL, NULL, handle, gateway, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
}

void fake_gateway_resume(struct fake_gateway *gateway)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	gateway->stopping = false;
	unlink(gateway->socket_path);
	strcpy(local.sun_path, gateway->socket_path);
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		abort();
	chmod(gateway->socket_path, 0666);
	gateway->daemons[0] = serve(gateway, fd);
	if (gateway->port) {
		struct sockaddr_in address = {.sin_family = AF_INET,
					      .sin_port = htons((uint16_t)gateway->port)};

		inet_pton(AF_INET, gateway->host, &address.sin_addr);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			abort();
		gateway->daemons[1] = serve(gateway, fd);
	}
}

struct fake_gateway *fake_gateway_start(const char *socket_path, const char *host, int port,
					const char *directory)
{
	struct fake_gateway *gateway = calloc(1, sizeof(*gateway));

	strcpy(gateway->socket_path, socket_path);
	strcpy(gateway->directory, directory);
	strcpy(gateway->host, host ? host : "");
	gateway->port = port;
	strcpy(gateway->state, "placed");
	gateway->signals = json_array();
	gateway->streams[0].data = calloc(1, 1);
	gateway->streams[1].data = calloc(1, 1);
	pthread_mutex_init(&gateway->lock, NULL);
	pthread_cond_init(&gateway->changed, NULL);
	fake_gateway_resume(gateway);
	return gateway;
}

void fake_gateway_stop(struct fake_gateway *gateway)
{
	pthread_mutex_lock(&gateway->lock);
	gateway->stopping = true;
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->lock);
	for (int i = 0; i < 2; i++)
		if (gateway->daemons[i])
			MHD_stop_daemon(gateway->daemons[i]);
	gateway->daemons[0] = gateway->daemons[1] = NULL;
}

void fake_gateway_destroy(struct fake_gateway *gateway)
{
	fake_gateway_stop(gateway);
	unlink(gateway->socket_path);
	json_decref(gateway->inputs);
	json_decref(gateway->exit);
	json_decref(gateway->signals);
	free(gateway->streams[0].data);
	free(gateway->streams[1].data);
	free(gateway);
}

void fake_gateway_set_faults(struct fake_gateway *gateway, unsigned int each)
{
	pthread_mutex_lock(&gateway->lock);
	gateway->fault_each = each;
	pthread_mutex_unlock(&gateway->lock);
}

void fake_gateway_set_busy(struct fake_gateway *gateway, const char *sha256)
{
	pthread_mutex_lock(&gateway->lock);
	gateway->busy = sha256;
	pthread_mutex_unlock(&gateway->lock);
}

void fake_gateway_set_state(struct fake_gateway *gateway, const char *state)
{
	pthread_mutex_lock(&gateway->lock);
	strcpy(gateway->state, state);
	pthread_cond_broadcast(&gateway->changed);
	pthread_mutex_unlock(&gateway->lock);
}

int64_t fake_gateway_uploaded(struct fake_gateway *gateway)
{
	return gateway->uploaded;
}

bool fake_gateway_has_inputs(struct fake_gateway *gateway)
{
	return gateway->inputs != NULL;
}

int fake_gateway_signal(struct fake_gateway *gateway)
{
	return gateway->last_signal;
}

bool fake_gateway_wait_delivered(struct fake_gateway *gateway, int ms)
{
	struct timespec until;
	bool delivered;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000 + 1;
	pthread_mutex_lock(&gateway->lock);
	while (!gateway->delivered && !expired(&until))
		wait_changed(gateway, &until);
	delivered = gateway->delivered;
	pthread_mutex_unlock(&gateway->lock);
	return delivered;
}
