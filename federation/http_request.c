// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests and their answers, as handlers see them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/gateway.h"
#include "federation/http_date.h"
#include "federation/http_internal.h"

/* Larger than a TLS record, so that files travel in full ones. */
#define FILE_BLOCK 65536

struct rain_http_request *rain_http_request_create(struct rain_http_listener *listener,
						   const char *target)
{
	struct rain_http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->listener = listener;
	request->target = strdup(target);
	if (!request->target) {
		free(request);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&listener->requests, request, entry);
	return request;
}

static void free_headers(struct rain_http_request *request)
{
	while (request->headers) {
		struct rain_http_header *header = request->headers;

		request->headers = header->next;
		free(header->name);
		free(header->value);
		free(header);
	}
}

static void stop_waiting(struct rain_http_request *request)
{
	if (request->deadline)
		event_free(request->deadline);
	request->deadline = NULL;
	request->gone = NULL;
	request->expired = NULL;
}

void rain_http_request_end(struct rain_http_request *request)
{
	void (*gone)(struct rain_http_request *, void *) = request->gone;

	stop_waiting(request);
	if (gone)
		gone(request, request->defer_arg);
	if (request->destroy_data)
		request->destroy_data(request->data);
	if (request->response)
		MHD_destroy_response(request->response);
	TAILQ_REMOVE(&request->listener->requests, request, entry);
	free_headers(request);
	json_decref(request->json);
	free(request->body);
	free(request->method);
	free(request->path);
	free(request->target);
	free(request);
}

enum rain_http_face rain_http_request_face(const struct rain_http_request *request)
{
	return request->route->face;
}

const struct rain_peer *rain_http_request_peer(const struct rain_http_request *request)
{
	return request->connection->peer;
}

const unsigned char *rain_http_request_key(const struct rain_http_request *request)
{
	return request->connection->key;
}

uid_t rain_http_request_uid(const struct rain_http_request *request)
{
	return request->uid;
}

gid_t rain_http_request_gid(const struct rain_http_request *request)
{
	return request->gid;
}

const char *rain_http_request_method(const struct rain_http_request *request)
{
	return request->method;
}

const char *rain_http_request_path(const struct rain_http_request *request)
{
	return request->path;
}

const char *rain_http_request_param(const struct rain_http_request *request, const char *name)
{
	return rain_http_params_get(&request->params, name);
}

const char *rain_http_request_query(const struct rain_http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *rain_http_request_header(const struct rain_http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

int64_t rain_http_request_content_length(const struct rain_http_request *request)
{
	const char *text = rain_http_request_header(request, "Content-Length");
	int64_t length;

	return text && rain_http_number_parse(text, &length) == 0 ? length : -1;
}

int rain_http_request_query_int(const struct rain_http_request *request, const char *name,
				int64_t min, int64_t max, int64_t fallback, int64_t *value,
				struct rain_error *err)
{
	const char *text = rain_http_request_query(request, name);

	*value = fallback;
	if (!text)
		return 0;
	if (rain_http_number_parse(text, value) == 0 && *value >= min && *value <= max)
		return 0;
	return rain_error_set(err, "\"%s\" in the query must be a whole number from %lld to %lld",
			      name, (long long)min, (long long)max);
}

const char *rain_http_request_body(const struct rain_http_request *request, size_t *size)
{
	if (size)
		*size = request->body_size;
	return request->body ? request->body : "";
}

const json_t *rain_http_request_json(struct rain_http_request *request)
{
	struct rain_error err = {{0}};

	if (request->json)
		return request->json;
	if (request->body_size == 0)
		request->json = json_object();
	else
		request->json = rain_json_parse(request->body, request->body_size,
						request->route->body_max, &err);
	if (!request->json)
		rain_http_reply_error(request, 400, "the body of the request is wrong: %s", err.text);
	return request->json;
}

void rain_http_request_set_data(struct rain_http_request *request, void *data,
				void (*destroy)(void *data))
{
	request->data = data;
	request->destroy_data = destroy;
}

void *rain_http_request_data(const struct rain_http_request *request)
{
	return request->data;
}

void rain_http_reply_header(struct rain_http_request *request, const char *name, const char *value)
{
	struct rain_http_header *header = calloc(1, sizeof(*header));

	if (!header)
		return;
	header->name = strdup(name);
	header->value = strdup(value);
	header->next = request->headers;
	request->headers = header;
}

/* The one way out: takes the response over; on a request that waits, MHD goes on. */
static void answer(struct rain_http_request *request, int status, struct MHD_Response *response,
		   const char *type)
{
	char date[RAIN_HTTP_DATE_SIZE];

	if (request->status) { /* a second answer is a fault of the handler's */
		rain_log_error("a handler answered twice path=%s", request->path);
		MHD_destroy_response(response);
		return;
	}
	stop_waiting(request);
	request->status = status;
	request->response = response;
	if (response)
		MHD_add_response_header(response, "Date", rain_http_date(date));
	if (response && type)
		MHD_add_response_header(response, "Content-Type", type);
	for (struct rain_http_header *header = request->headers; response && header;
	     header = header->next)
		if (header->name && header->value)
			MHD_add_response_header(response, header->name, header->value);
	if (request->suspended) {
		request->suspended = false;
		MHD_resume_connection(request->mhd);
		request->listener->resumed = true;
		event_active(request->listener->timer, EV_TIMEOUT, 0);
	}
}

void rain_http_reply_json(struct rain_http_request *request, int status, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	if (!text) {
		rain_http_reply_error(request, 500, "the gateway is out of memory");
		return;
	}
	answer(request, status,
	       MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE),
	       "application/json");
}

void rain_http_reply_text(struct rain_http_request *request, int status, const char *json)
{
	answer(request, status,
	       MHD_create_response_from_buffer(strlen(json), (void *)json, MHD_RESPMEM_MUST_COPY),
	       "application/json");
}

void rain_http_reply_empty(struct rain_http_request *request, int status)
{
	answer(request, status, MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT), NULL);
}

void rain_http_reply_bytes(struct rain_http_request *request, int status, const void *data,
			   size_t size)
{
	answer(request, status,
	       MHD_create_response_from_buffer(size, (void *)data, MHD_RESPMEM_MUST_COPY),
	       "application/octet-stream");
}

struct file_reply {
	int fd;
	int64_t offset;
	rain_http_sent sent; /* or NULL */
	void *arg;
	char name[RAIN_LIMIT_HTTP_PARAM_LENGTH + 1];
};

static ssize_t read_file(void *cls, uint64_t position, char *buffer, size_t max)
{
	struct file_reply *file = cls;
	ssize_t got;

	do
		got = pread(file->fd, buffer, max, file->offset + (int64_t)position);
	while (got < 0 && errno == EINTR);
	if (got > 0 && file->sent)
		file->sent(file->arg, file->name, file->offset + (int64_t)position + got);
	/* MHD cuts the connection, so that the reader sees that it isn't whole. */
	return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_file(void *cls)
{
	struct file_reply *file = cls;

	close(file->fd);
	free(file);
}

void rain_http_reply_file(struct rain_http_request *request, int status, int fd, int64_t offset,
			  int64_t size)
{
	rain_http_reply_file_told(request, status, fd, offset, size, NULL, NULL, "");
}

void rain_http_reply_file_told(struct rain_http_request *request, int status, int fd,
			       int64_t offset, int64_t size, rain_http_sent sent, void *arg,
			       const char *name)
{
	struct file_reply *file;
	struct MHD_Response *response;

	if (size == 0) {
		close(fd);
		rain_http_reply_bytes(request, status, "", 0);
		return;
	}
	if (request->listener->face != RAIN_HTTP_PEER) { /* no TLS: sendfile */
		response = MHD_create_response_from_fd_at_offset64((uint64_t)size, fd,
								   (uint64_t)offset);
		if (!response)
			close(fd);
		answer(request, status, response, "application/octet-stream");
		return;
	}
	file = malloc(sizeof(*file));
	if (!file) {
		close(fd);
		rain_http_reply_error(request, 500, "the gateway is out of memory");
		return;
	}
	*file = (struct file_reply){.fd = fd, .offset = offset, .sent = sent, .arg = arg};
	snprintf(file->name, sizeof(file->name), "%s", name);
	response = MHD_create_response_from_callback((uint64_t)size, FILE_BLOCK, read_file, file,
						     close_file);
	if (!response)
		close_file(file);
	answer(request, status, response, "application/octet-stream");
}

void rain_http_reply_error(struct rain_http_request *request, int status, const char *fmt, ...)
{
	struct rain_error err;
	va_list args;
	json_t *value;
	char *text;

	va_start(args, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, args);
	va_end(args);
	if (request->method && strcmp(request->method, "HEAD") == 0) { /* has no body */
		for (char *c = err.text; *c; c++)
			if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
				*c = '?';
		rain_http_reply_header(request, "Rain-Error", err.text);
	}
	value = json_pack("{s:s}", "error", err.text);
	if (!value) /* text of a stranger that is no UTF-8 */
		value = json_pack("{s:s}", "error", "the request is wrong in a way that can't be shown");
	text = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	answer(request, status,
	       text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL,
	       "application/json");
}

void rain_http_reply_store_error(struct rain_http_request *request, int status,
				 const struct rain_error *err)
{
	if (rain_store_is_transient(request->listener->server->gateway->store))
		status = 503;
	rain_http_reply_error(request, status, "%s", err->text);
}

static void deadline_passed(evutil_socket_t fd, short what, void *arg)
{
	struct rain_http_request *request = arg;
	void (*expired)(struct rain_http_request *, void *) = request->expired;

	(void)fd;
	(void)what;
	request->gone = NULL;
	expired(request, request->defer_arg);
	if (!request->status)
		rain_http_reply_error(request, 500, "the gateway had no answer");
}

void rain_http_defer(struct rain_http_request *request, int64_t wait_ms,
		     void (*expired)(struct rain_http_request *request, void *arg),
		     void (*gone)(struct rain_http_request *request, void *arg), void *arg)
{
	struct timeval timeout;

	if (wait_ms > RAIN_LIMIT_HTTP_WAIT_S * 1000)
		wait_ms = RAIN_LIMIT_HTTP_WAIT_S * 1000;
	if (wait_ms < 0)
		wait_ms = 0;
	timeout = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	if (!request->deadline)
		request->deadline = evtimer_new(request->listener->server->gateway->base,
						deadline_passed, request);
	if (!request->deadline) {
		rain_http_reply_error(request, 500, "the gateway is out of memory");
		return;
	}
	request->expired = expired;
	request->gone = gone;
	request->defer_arg = arg;
	evtimer_add(request->deadline, &timeout);
}
