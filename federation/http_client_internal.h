/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_CLIENT_INTERNAL_H
#define RAIN_FEDERATION_HTTP_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "federation/http_client.h"

/* What the files of the HTTP client share; nobody else includes this. */

/* One curl multi handle on the loop: control or bulk. */
struct rain_http_lane {
	struct rain_http_client *client;
	CURLM *multi;
	struct event *timer;
};

struct rain_http_transfer {
	TAILQ_ENTRY(rain_http_transfer) entry;
	struct rain_http_client *client;
	struct rain_http_lane *lane;
	CURL *easy;
	struct curl_slist *headers;
	char *what; /* "GET https://host:port/path" for errors */

	unsigned char *body; /* copied, or */
	int body_fd;	     /* -1: none */
	int64_t body_offset, body_size, body_at;

	char *reply;
	size_t reply_size, reply_space, reply_max;
	int (*write)(void *arg, const void *data, size_t size);
	bool too_large, refused_by_sink;

	int certificate_fd, key_fd; /* memfds of a join, or -1 */
	void (*observe)(void *observer, const struct rain_http_result *result);
	void *observer;
	rain_http_done done;
	void *arg;
};

struct rain_http_client {
	struct event_base *base;
	char *certificate, *key; /* paths */
	struct rain_http_lane control, bulk;
	size_t count;
	TAILQ_HEAD(, rain_http_transfer) transfers;
};

/* http_transfer.c: fills a new transfer from the call and hands it to libcurl.
 * -1 with err; the transfer is then to be destroyed. */
int rain_http_transfer_set_up(struct rain_http_transfer *transfer,
			      const struct rain_http_call *call, struct rain_error *err);

#endif
