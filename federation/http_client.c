// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/config.h"
#include "federation/identity.h"
#include "federation/limits.h"

/* A transfer slower than this for RAIN_LIMIT_HTTP_STALL_S is cut. */
#define STALL_BYTES_PER_S 1024L
#define UPLOAD_BUFFER (256 * 1024L)

/* One curl multi handle on the loop: control or bulk. */
struct lane {
	struct rain_http_client *client;
	CURLM *multi;
	struct event *timer;
};

struct rain_http_transfer {
	TAILQ_ENTRY(rain_http_transfer) entry;
	struct rain_http_client *client;
	struct lane *lane;
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
	struct lane control, bulk;
	size_t count;
	TAILQ_HEAD(, rain_http_transfer) transfers;
};

const char *rain_http_result_header(const struct rain_http_result *result, const char *name)
{
	struct curl_header *header;

	if (!result->handle ||
	    curl_easy_header(result->handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

static void transfer_destroy(struct rain_http_transfer *transfer)
{
	if (transfer->easy) {
		curl_multi_remove_handle(transfer->lane->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	TAILQ_REMOVE(&transfer->client->transfers, transfer, entry);
	transfer->client->count--;
	curl_slist_free_all(transfer->headers);
	if (transfer->body_fd >= 0)
		close(transfer->body_fd);
	if (transfer->certificate_fd >= 0)
		close(transfer->certificate_fd);
	if (transfer->key_fd >= 0)
		close(transfer->key_fd);
	free(transfer->body);
	free(transfer->reply);
	free(transfer->what);
	free(transfer);
}

void rain_http_transfer_cancel(struct rain_http_transfer *transfer)
{
	if (transfer)
		transfer_destroy(transfer);
}

/* The server's own sentence in an error's body, or NULL. */
static json_t *error_sentence(const struct rain_http_transfer *transfer, const char **sentence)
{
	json_t *object = json_loadb(transfer->reply ? transfer->reply : "", transfer->reply_size, 0,
				    NULL);

	*sentence = json_string_value(json_object_get(object, "error"));
	return object;
}

static void explain(const struct rain_http_transfer *transfer, CURLcode code, struct rain_error *err)
{
	if (transfer->too_large)
		rain_error_set(err, "%s: the answer is larger than %zu bytes", transfer->what,
			       transfer->reply_max);
	else if (transfer->refused_by_sink)
		rain_error_set(err, "%s: what came could not be stored", transfer->what);
	else if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		rain_error_set(err, "%s: who answers there isn't the cluster that we are peered "
				    "with (its key is another one)", transfer->what);
	else
		rain_error_set(err, "%s: %s", transfer->what, curl_easy_strerror(code));
}

static void finish(struct rain_http_transfer *transfer, CURLcode code)
{
	struct rain_http_result result = {.handle = transfer->easy};
	rain_http_done done = transfer->done;
	void *arg = transfer->arg;
	struct rain_error err = {{0}};
	const char *sentence;
	curl_off_t connected = 0, elapsed = 0;
	long status = 0;
	json_t *object = NULL;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &connected);
	curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &elapsed);
	result.elapsed_ms = elapsed / 1000;
	result.body = transfer->reply ? transfer->reply : "";
	result.size = transfer->reply_size;
	/* A refused upload may be answered and cut at once: the answer counts. */
	if (code == CURLE_OK || (code == CURLE_SEND_ERROR && status >= 300)) {
		result.status = (int)status;
		result.connected = true;
		if (status >= 400) {
			object = error_sentence(transfer, &sentence);
			if (!sentence) /* to a HEAD */
				sentence = rain_http_result_header(&result, "Rain-Error");
			if (!sentence)
				rain_error_set(&err, "%s: HTTP status %ld", transfer->what, status);
			else
				rain_error_set(&err, "%s", sentence);
			result.error = err.text;
		}
	} else {
		result.connected = status > 0 || (connected > 0 && code != CURLE_SSL_PINNEDPUBKEYNOTMATCH);
		explain(transfer, code, &err);
		result.error = err.text;
	}
	if (transfer->observe)
		transfer->observe(transfer->observer, &result);
	done(arg, &result);
	json_decref(object);
	transfer_destroy(transfer);
}

static void check_finished(struct lane *lane)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(lane->multi, &left))) {
		struct rain_http_transfer *transfer;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		finish(transfer, message->data.result);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check_finished(lane);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;
	int running, action = 0;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(lane->multi, fd, action, &running);
	check_finished(lane);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct lane *lane = arg;
	struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		evtimer_del(lane->timer);
	else
		evtimer_add(lane->timer, &timeout);
	return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
	struct lane *lane = arg;
	struct event *event = watch;
	short events = EV_PERSIST;

	(void)easy;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what & CURL_POLL_IN)
			events |= EV_READ;
		if (what & CURL_POLL_OUT)
			events |= EV_WRITE;
		event = event_new(lane->client->base, fd, events, on_socket, lane);
		if (!event || event_add(event, NULL) < 0)
			return -1;
	}
	curl_multi_assign(lane->multi, fd, event);
	return 0;
}

static int lane_init(struct lane *lane, struct rain_http_client *client, long each)
{
	lane->client = client;
	lane->multi = curl_multi_init();
	lane->timer = evtimer_new(client->base, on_timer, lane);
	if (!lane->multi || !lane->timer)
		return -1;
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_MAX_HOST_CONNECTIONS, each);
	curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return 0;
}

static void lane_release(struct lane *lane)
{
	if (lane->multi)
		curl_multi_cleanup(lane->multi);
	if (lane->timer)
		event_free(lane->timer);
}

struct rain_http_client *rain_http_client_create(struct event_base *base, const char *state,
						 struct rain_error *err)
{
	struct rain_http_client *client = calloc(1, sizeof(*client));

	if (!client || curl_global_init(CURL_GLOBAL_ALL) != 0) {
		free(client);
		rain_error_set(err, "libcurl can't be started");
		return NULL;
	}
	client->base = base;
	TAILQ_INIT(&client->transfers);
	if (asprintf(&client->certificate, "%s/certificate.pem", state) < 0)
		client->certificate = NULL;
	if (asprintf(&client->key, "%s/identity.pem", state) < 0)
		client->key = NULL;
	if (!client->certificate || !client->key ||
	    lane_init(&client->control, client, RAIN_LIMIT_HTTP_CONTROL_CONNECTIONS_EACH) < 0 ||
	    lane_init(&client->bulk, client, RAIN_LIMIT_HTTP_BULK_CONNECTIONS_EACH) < 0) {
		rain_http_client_destroy(client);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	return client;
}

void rain_http_client_destroy(struct rain_http_client *client)
{
	struct rain_http_transfer *transfer;

	if (!client)
		return;
	while ((transfer = TAILQ_FIRST(&client->transfers)))
		transfer_destroy(transfer);
	lane_release(&client->control);
	lane_release(&client->bulk);
	free(client->certificate);
	free(client->key);
	free(client);
	curl_global_cleanup();
}

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
	/* Small bodies go out at once; large ones only when they are wanted. */
	struct curl_slist *list = curl_slist_append(
		NULL, transfer->body_size > 65536 ? "Expect: 100-continue" : "Expect:");

	if (list && call->body)
		list = curl_slist_append(list, "Content-Type: application/json");
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

static int set_up(struct rain_http_transfer *transfer, const struct rain_http_call *call,
		  struct rain_error *err)
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

struct rain_http_transfer *rain_http_client_start(struct rain_http_client *client,
						  const struct rain_http_call *call,
						  struct rain_error *err)
{
	struct rain_http_transfer *transfer;

	if (client->count >= RAIN_LIMIT_HTTP_TRANSFERS) {
		rain_error_set(err, "%d requests to peers are under way already",
			       RAIN_LIMIT_HTTP_TRANSFERS);
		return NULL;
	}
	transfer = calloc(1, sizeof(*transfer));
	if (!transfer) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	transfer->client = client;
	transfer->lane = call->bulk ? &client->bulk : &client->control;
	transfer->body_fd = transfer->certificate_fd = transfer->key_fd = -1;
	transfer->reply_max = call->reply_max ? call->reply_max : RAIN_LIMIT_HTTP_JSON_BODY;
	transfer->write = call->write;
	transfer->observe = call->observe;
	transfer->observer = call->observer;
	transfer->done = call->done;
	transfer->arg = call->arg;
	client->count++;
	TAILQ_INSERT_TAIL(&client->transfers, transfer, entry);
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		rain_error_set(err, "out of memory");
	if (!transfer->easy || set_up(transfer, call, err) < 0) {
		transfer_destroy(transfer);
		return NULL;
	}
	return transfer;
}
