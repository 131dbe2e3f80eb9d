// SPDX-License-Identifier: GPL-2.0-or-later
/* Blobs over HTTP: what others fetch and bring. */
#include "federation/blob_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "federation/gateway.h"
#include "federation/http_route.h"
#include "federation/limits.h"

static void offset_header(struct rain_http_request *request, int64_t offset)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)offset);
	rain_http_reply_header(request, "Rain-Offset", text);
}

void rain_blob_http_get(struct rain_gateway *gateway, struct rain_http_request *request,
			const char *sha256, const char *owner)
{
	const char *range = rain_http_request_header(request, "Range");
	struct rain_error err = {{0}};
	int64_t size, start = 0, end;
	char text[96];
	int fd;

	fd = rain_blob_open(gateway->blobs, sha256, &size, &err);
	if (fd < 0) {
		offset_header(request, rain_blob_partial_size(gateway->blobs, sha256, owner));
		rain_http_reply_error(request, 404, "%s", err.text);
		return;
	}
	end = size;
	if (range && rain_http_range_parse(range, size, &start, &end) < 0) {
		close(fd);
		snprintf(text, sizeof(text), "bytes */%lld", (long long)size);
		rain_http_reply_header(request, "Content-Range", text);
		rain_http_reply_error(request, 416, "the range must be \"bytes=N-\" or \"bytes=N-M\" "
						    "within %lld bytes", (long long)size);
		return;
	}
	if (range && end > start) {
		snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)start,
			 (long long)end - 1, (long long)size);
		rain_http_reply_header(request, "Content-Range", text);
	}
	rain_http_reply_file_told(request, range ? 206 : 200, fd, start, end - start,
				  rain_blob_sent, gateway->blobs, sha256);
}

/* ---- PUT ---- */

struct put {
	struct rain_gateway *gateway;
	struct rain_blob_upload *upload;
	int64_t end; /* of this request's part */
};

static void put_destroy(void *data)
{
	struct put *put = data;

	rain_blob_upload_abort(put->upload);
	free(put);
}

/* Which part comes, of how much; -1 when it has been answered. */
static int read_part(struct rain_http_request *request, int64_t size_max, int64_t *start,
		     int64_t *end, int64_t *size)
{
	const char *range = rain_http_request_header(request, "Content-Range");
	int64_t length = rain_http_request_content_length(request);

	if (length < 0) {
		rain_http_reply_error(request, 411, "a blob needs a Content-Length");
		return -1;
	}
	*start = 0;
	*end = *size = length;
	if (range && rain_http_content_range_parse(range, start, end, size) < 0) {
		rain_http_reply_error(request, 400, "Content-Range must be \"bytes N-M/SIZE\"");
		return -1;
	}
	if (*end - *start != length) {
		rain_http_reply_error(request, 400, "Content-Range and Content-Length differ");
		return -1;
	}
	if (*size > size_max) {
		rain_http_reply_error(request, 413, "this blob may have at most %lld bytes",
				      (long long)size_max);
		return -1;
	}
	return 0;
}

void rain_blob_http_put_begin(struct rain_gateway *gateway, struct rain_http_request *request,
			      const char *sha256, const char *owner, int64_t size_max)
{
	struct rain_error err = {{0}};
	int64_t start, end, size;
	struct put *put;
	int status;

	if (read_part(request, size_max, &start, &end, &size) < 0)
		return;
	/* What somebody else has brought isn't given for its name: a name is no
	 * proof of having the thing. */
	if (rain_blob_is_owned(gateway->blobs, sha256, owner)) {
		rain_http_reply_empty(request, 200);
		return;
	}
	put = calloc(1, sizeof(*put));
	if (!put) {
		rain_http_reply_error(request, 500, "the gateway is out of memory");
		return;
	}
	put->gateway = gateway;
	put->end = end;
	rain_http_request_set_data(request, put, put_destroy);
	put->upload = rain_blob_upload_begin(gateway->blobs, sha256, owner, size, start, &status, &err);
	if (put->upload)
		return;
	if (status == RAIN_BLOB_WRONG_OFFSET)
		offset_header(request, rain_blob_partial_size(gateway->blobs, sha256, owner));
	rain_http_reply_error(request, status, "%s", err.text);
}

int rain_blob_http_put_write(struct rain_gateway *gateway, struct rain_http_request *request,
			     const void *data, size_t size, struct rain_error *err)
{
	struct put *put = rain_http_request_data(request);

	(void)gateway;
	if (rain_blob_upload_offset(put->upload) + (int64_t)size > put->end)
		return rain_error_set(err, "more comes than was announced");
	if (rain_blob_upload_write(put->upload, data, size, err) == 0)
		return 0;
	rain_log_error("%s", err->text);
	rain_http_reply_error(request, RAIN_BLOB_FULL, "%s", err->text);
	return -1;
}

void rain_blob_http_put_end(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct put *put = rain_http_request_data(request);
	struct rain_blob_upload *upload = put->upload;
	int64_t offset = rain_blob_upload_offset(upload);
	struct rain_error err = {{0}};
	int status;

	(void)gateway;
	if (offset < rain_blob_upload_size(upload)) {
		offset_header(request, offset);
		rain_http_reply_empty(request, 202);
		return;
	}
	put->upload = NULL;
	if (rain_blob_upload_finish(upload, &status, &err) == 0)
		rain_http_reply_empty(request, 201);
	else
		rain_http_reply_error(request, status, "%s", err.text);
}

/* ---- for peers ---- */

/* Does a module allow it?  "Rain-Burst" names the order that it is for. */
static bool ask(struct rain_gateway *gateway, struct rain_http_request *request,
		const char *sha256, bool write, struct rain_blob_leave *leave, struct rain_error *err)
{
	const struct rain_peer *peer = rain_http_request_peer(request);
	const char *burst = rain_http_request_header(request, "Rain-Burst");

	snprintf(leave->owner, sizeof(leave->owner), "peer-%s", peer->name);
	rain_error_set(err, "no accepted order names this blob");
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->blob_allow &&
		    gateway->modules[i]->blob_allow(gateway, peer, sha256, write, burst, leave, err))
			return true;
	return false;
}

/* The blob's name in the path; NULL when it has been answered. */
static const char *name_of(struct rain_http_request *request)
{
	const char *sha256 = rain_http_request_param(request, "sha256");

	if (rain_blob_name_is_valid(sha256))
		return sha256;
	rain_http_reply_error(request, 400,
			      "a blob's name is 64 hexadecimal digits in small letters");
	return NULL;
}

void rain_blob_http_head(struct rain_gateway *gateway, struct rain_http_request *request,
			 const char *sha256, const char *owner)
{
	if (rain_blob_is_owned(gateway->blobs, sha256, owner)) {
		rain_blob_http_get(gateway, request, sha256, owner);
		return;
	}
	/* Whether somebody else has it is nobody's business. */
	offset_header(request, rain_blob_size(gateway->blobs, sha256) >= 0
				       ? 0
				       : rain_blob_partial_size(gateway->blobs, sha256, owner));
	rain_http_reply_error(request, 404, "it is not here");
}

static void on_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	/* HEAD comes before PUT: it may be asked by who may write, too. */
	bool head = strcmp(rain_http_request_method(request), "HEAD") == 0;
	const char *sha256 = name_of(request);
	struct rain_error err = {{0}};
	struct rain_blob_leave leave;

	if (!sha256)
		return;
	if (ask(gateway, request, sha256, false, &leave, &err))
		rain_blob_http_get(gateway, request, sha256, leave.owner);
	else if (head && ask(gateway, request, sha256, true, &leave, &err))
		rain_blob_http_head(gateway, request, sha256, leave.owner);
	else
		rain_http_reply_store_error(request, 403, &err);
}

static void on_put(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *sha256 = name_of(request);
	struct rain_error err = {{0}};
	struct rain_blob_leave leave;

	if (!sha256)
		return;
	if (!ask(gateway, request, sha256, true, &leave, &err))
		rain_http_reply_store_error(request, 403, &err);
	else
		rain_blob_http_put_begin(gateway, request, sha256, leave.owner, leave.size_max);
}

static void on_put_end(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *sha256 = rain_http_request_param(request, "sha256");

	rain_blob_http_put_end(gateway, request);
	if (rain_blob_size(gateway->blobs, sha256) < 0)
		return;
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->blob_came)
			gateway->modules[i]->blob_came(gateway, rain_http_request_peer(request), sha256);
}

const struct rain_http_route rain_blob_http_routes[] = {
	{RAIN_HTTP_PEER, "GET", "/v1/blobs/{sha256}", on_get, 0, NULL, NULL},
	{RAIN_HTTP_PEER, "PUT", "/v1/blobs/{sha256}", on_put_end, 0, on_put,
	 rain_blob_http_put_write},
	{0},
};
