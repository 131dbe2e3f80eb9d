// SPDX-License-Identifier: GPL-2.0-or-later
/* One request of the HTTP client as libcurl wants it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "federation/http_client_internal.h"
#include "federation/http_date.h"
#include "federation/identity.h"
#include "federation/limits.h"

/* A transfer slower than this for RAIN_LIMIT_HTTP_STALL_S is cut. */
#define STALL_BYTES_PER_S 1024L
#define UPLOAD_BUFFER (256 * 1024L)

static size_t on_reply(char *data, size_t one, size_t size, void *arg)
{
	struct rain_http_transfer *transfer = arg;
	long status = 0;

	size *= one;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->write && status >= 200 && status < 300) {
		if (transfer->write(transfer->arg, data, size) == 0)
			return size;
		transfer->refused_by_sink = true;
		return 0;
	}
	if (transfer->reply_size + size > transfer->reply_max) {
		transfer->too_large = true;
		return 0;
	}
	if (transfer->reply_size + size + 1 > transfer->reply_space) {
		size_t space = 2 * (transfer->reply_size + size) + 1024;
		char *reply = realloc(transfer->reply, space);

		if (!reply)
			return 0;
		transfer->reply = reply;
		transfer->reply_space = space;
	}
	memcpy(transfer->reply + transfer->reply_size, data, size);
	transfer->reply_size += size;
	transfer->reply[transfer->reply_size] = '\0';
	return size;
}

static size_t on_body(char *buffer, size_t one, size_t max, void *arg)
{
	struct rain_http_transfer *transfer = arg;
	int64_t left = transfer->body_size - transfer->body_at;
	ssize_t got;

	max *= one;
	if ((int64_t)max > left)
		max = (size_t)left;
	if (max == 0)
		return 0;
	if (transfer->body) {
		memcpy(buffer, transfer->body + transfer->body_at, max);
		got = (ssize_t)max;
	} else {
		do
			got = pread(transfer->body_fd, buffer, max,
				    transfer->body_offset + transfer->body_at);
		while (got < 0 && errno == EINTR);
		if (got <= 0) /* shorter than it was: the peer must not take it for whole */
			return CURL_READFUNC_ABORT;
	}
	transfer->body_at += got;
	return (size_t)got;
}

/* libcurl sends a request again when a kept connection turned out dead. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct rain_http_transfer *transfer = arg;

	if (origin != SEEK_SET || offset < 0 || offset > transfer->body_size)
		return CURL_SEEKFUNC_CANTSEEK;
	transfer->body_at = offset;
	return CURL_SEEKFUNC_OK;
}

static int take_body(struct rain_http_transfer *transfer, const struct rain_http_call *call,
		     struct rain_error *err)
{
	transfer->body_size = call->body_size;
	if (call->body) {
		transfer->body = malloc((size_t)call->body_size + 1);
		if (!transfer->body)
			return rain_error_set(err, "out of memory");
		memcpy(transfer->body, call->body, (size_t)call->body_size);
	} else if (call->body_fd > 0) {
		transfer->body_offset = call->body_offset;
		transfer->body_fd = fcntl(call->body_fd, F_DUPFD_CLOEXEC, 3);
		if (transfer->body_fd < 0)
			return rain_error_set(err, "can't read what is to be sent: %s",
					      strerror(errno));
	} else {
		transfer->body_size = 0;
	}
	return 0;
}

static void set_method(struct rain_http_transfer *transfer, const struct rain_http_call *call)
{
	CURL *easy = transfer->easy;

	if (strcmp(call->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(call->method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	} else {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->body_size);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
	}
}

/* A secret PEM text as a path that GnuTLS can open, without touching a disk. */
static int memory_file(const char *text, char *path, size_t size)
{
	int fd = memfd_create("rain", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		close(fd);
		return -1;
	}
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

/* sha256 of the SubjectPublicKeyInfo that the server must show. */
static void pin(CURL *easy, const unsigned char *key)
{
	static const unsigned char prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	unsigned char spki[sizeof(prefix) + RAIN_IDENTITY_KEY_SIZE], hash[32];
	char text[64] = "sha256//";

	memcpy(spki, prefix, sizeof(prefix));
	memcpy(spki + sizeof(prefix), key, RAIN_IDENTITY_KEY_SIZE);
	crypto_hash_sha256(hash, spki, sizeof(spki));
	sodium_bin2base64(text + strlen(text), sizeof(text) - strlen(text), hash, sizeof(hash),
			  sodium_base64_VARIANT_ORIGINAL);
	curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, text);
}

static int set_tls(struct rain_http_transfer *transfer, const struct rain_http_call *call,
		   struct rain_error *err)
{
	char certificate[64], key[64];
	CURL *easy = transfer->easy;

	/* The pinned key is the whole check: names and dates mean nothing. */
	pin(easy, call->key);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	/* Else the authorities of the whole world are read for each connection. */
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	/* A resumed session would not show a key to check. */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (!call->certificate_pem) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, transfer->client->certificate);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, transfer->client->key);
		return 0;
	}
	transfer->certificate_fd = memory_file(call->certificate_pem, certificate,
					       sizeof(certificate));
	transfer->key_fd = memory_file(call->key_pem, key, sizeof(key));
	if (transfer->certificate_fd < 0 || transfer->key_fd < 0)
		return rain_error_set(err, "out of memory");
	curl_easy_setopt(easy, CURLOPT_SSLCERT, certificate);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
	/* The connection is this certificate's: nobody else may use it. */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	return 0;
}

static int set_headers(struct rain_http_transfer *transfer, const struct rain_http_call *call)
{
	char date[sizeof("Date: ") + RAIN_HTTP_DATE_SIZE] = "Date: ";
	/* Small bodies go out at once; large ones only when they are wanted. */
	struct curl_slist *list = curl_slist_append(
		NULL, transfer->body_size > 65536 ? "Expect: 100-continue" : "Expect:");

	if (list && call->body)
		list = curl_slist_append(list, "Content-Type: application/json");
	rain_http_date(date + strlen(date));
	if (list && !call->bulk) /* those may wait for a connection, and a date doesn't */
		list = curl_slist_append(list, date);
	for (size_t i = 0; list && call->headers && call->headers[i]; i++) {
		struct curl_slist *next = curl_slist_append(list, call->headers[i]);

		if (!next)
			curl_slist_free_all(list);
		list = next;
	}
	transfer->headers = list;
	if (!list)
		return -1;
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, list);
	return 0;
}

static int set_url(struct rain_http_transfer *transfer, const struct rain_http_call *call,
		   struct rain_error *err)
{
	char *url;

	if (asprintf(&url, "https://%s%s", call->address, call->path) < 0 ||
	    asprintf(&transfer->what, "%s %s", call->method, url) < 0)
		return rain_error_set(err, "out of memory");
	transfer->what[strcspn(transfer->what, "?")] = '\0';
	curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
	free(url);
	return 0;
}

/* A link that was cut is noticed in seconds, also where only an answer is
 * awaited. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int timeout_ms = RAIN_LIMIT_HTTP_LINK_DEAD_MS;

	(void)arg;
	(void)purpose;
	/* Without it the connection only ends later. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	return CURL_SOCKOPT_OK;
}

int rain_http_transfer_set_up(struct rain_http_transfer *transfer,
			      const struct rain_http_call *call, struct rain_error *err)
{
	CURL *easy = transfer->easy;

	if (take_body(transfer, call, err) < 0 || set_url(transfer, call, err) < 0 ||
	    set_tls(transfer, call, err) < 0)
		return -1;
	set_method(transfer, call);
	if (set_headers(transfer, call) < 0)
		return rain_error_set(err, "out of memory");
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)RAIN_LIMIT_HTTP_CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)RAIN_LIMIT_HTTP_KEEP_ALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)RAIN_LIMIT_HTTP_LINK_DEAD_MS / 3000);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)RAIN_LIMIT_HTTP_LINK_DEAD_MS / 3000);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	if (call->timeout_ms > 0) {
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	} else {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)RAIN_LIMIT_HTTP_STALL_S);
	}
	if (curl_multi_add_handle(transfer->lane->multi, easy) != CURLM_OK)
		return rain_error_set(err, "libcurl can't start the request");
	return 0;
}
