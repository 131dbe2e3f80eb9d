/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/local_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/munge_cred.h"
#include "federation/limits.h"
#include "federation/local_transfer.h"

#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 5000
/* Beyond what the gateway may wait by itself. */
#define GRACE_S 30
#define ERROR_BODY_MAX 65536
#define STALE_MAX 5
#define BUFFER (256 * 1024L)

struct rain_local_client {
	CURLM *multi;
	CURL *easy;
	bool munge;
	char *base; /* "http://host:port" */
	atomic_int cancelled; /* how often, less what was taken back */
	void (*notice)(void *arg, const char *why);
	void *notice_arg;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct rain_local_client *rain_local_client_create(const char *socket_path, const char *address,
						   struct rain_error *err)
{
	struct rain_local_client *client = calloc(1, sizeof(*client));

	pthread_once(&curl_once, curl_begin);
	if (!client)
		goto no_memory;
	client->munge = !socket_path;
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	if (asprintf(&client->base, "http://%s", socket_path ? "localhost" : address) < 0)
		client->base = NULL;
	if (!client->multi || !client->easy || !client->base)
		goto no_memory;
	if (socket_path && strlen(socket_path) > 100) {
		rain_error_set(err, "the socket's path %s is too long", socket_path);
		rain_local_client_destroy(client);
		return NULL;
	}
	/* Nothing of the user's environment may lead this elsewhere. */
	curl_easy_setopt(client->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(client->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(client->easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)RAIN_LIMIT_HTTP_CONNECT_MS);
	curl_easy_setopt(client->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(client->easy, CURLOPT_BUFFERSIZE, BUFFER);
	if (socket_path)
		curl_easy_setopt(client->easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	return client;
no_memory:
	rain_local_client_destroy(client);
	rain_error_set(err, "out of memory");
	return NULL;
}

void rain_local_client_destroy(struct rain_local_client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->easy);
	if (client->multi)
		curl_multi_cleanup(client->multi);
	free(client->base);
	free(client);
}

void rain_local_client_cancel(struct rain_local_client *client)
{
	atomic_fetch_add(&client->cancelled, 1);
	curl_multi_wakeup(client->multi);
}

void rain_local_client_uncancel(struct rain_local_client *client)
{
	atomic_fetch_sub(&client->cancelled, 1);
}

bool rain_local_client_is_cancelled(const struct rain_local_client *client)
{
	return atomic_load(&client->cancelled) > 0;
}

void rain_local_client_on_retry(struct rain_local_client *client,
				void (*notice)(void *arg, const char *why), void *arg)
{
	client->notice = notice;
	client->notice_arg = arg;
}

void rain_local_client_pause(struct rain_local_client *client, int ms)
{
	int64_t until = rain_clock_monotonic_ms() + ms, left;

	while (!rain_local_client_is_cancelled(client) &&
	       (left = until - rain_clock_monotonic_ms()) > 0)
		curl_multi_poll(client->multi, NULL, 0, (int)left, NULL);
}

void rain_local_answer_release(struct rain_local_answer *answer)
{
	free(answer->body);
	*answer = (struct rain_local_answer){0};
}

/* 0 or an errno. */
static int pipe_write(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t put = write(fd, data, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		data += put;
		size -= (size_t)put;
	}
	return 0;
}

/* A piece of what was asked for; 0, or an errno. */
static int out_take(struct rain_local_transfer *transfer, const char *data, size_t size)
{
	int failed = 0;

	if ((int64_t)size > transfer->out_left)
		return EFBIG;
	if (transfer->out_hash) {
		failed = pipe_write(transfer->out, data, size);
		if (!failed && rain_digest_hash_add(transfer->out_hash, data, size) < 0)
			failed = ENOMEM;
	} else if (pwrite(transfer->out, data, size, transfer->out_offset) != (ssize_t)size) {
		failed = errno;
	}
	if (failed)
		return failed;
	transfer->out_offset += (int64_t)size;
	transfer->out_left -= (int64_t)size;
	return 0;
}

static size_t body_write(char *data, size_t one, size_t size, void *arg)
{
	struct rain_local_transfer *transfer = arg;
	struct rain_local_answer *answer = transfer->answer;
	size_t max = transfer->max;
	char *larger;
	long status = 0;

	(void)one;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->out >= 0 && status >= 200 && status < 300) {
		/* It may give all of it when asked for a part. */
		if (status == 200 && transfer->headers[0] && !transfer->started) {
			if (transfer->out_hash) { /* what is in the pipe stays there */
				transfer->out_failed = ESPIPE;
				return 0;
			}
			transfer->out_offset = 0;
			transfer->out_left = transfer->out_total;
		}
		transfer->started = true;
		transfer->out_failed = out_take(transfer, data, size);
		return transfer->out_failed ? 0 : size;
	}
	if (status < 200 || status >= 300)
		max = ERROR_BODY_MAX;
	if (size > max - answer->size)
		return 0;
	larger = realloc(answer->body, answer->size + size + 1);
	if (!larger)
		return 0;
	memcpy(larger + answer->size, data, size);
	answer->body = larger;
	answer->size += size;
	answer->body[answer->size] = '\0';
	return size;
}

static size_t header_read(char *data, size_t one, size_t size, void *arg)
{
	struct rain_local_answer *answer = ((struct rain_local_transfer *)arg)->answer;
	size_t length = one * size;
	char line[128];

	if (length < sizeof(line)) {
		memcpy(line, data, length);
		line[length] = '\0';
		if (!strncasecmp(line, "Rain-Offset:", 12))
			answer->offset = strtoll(line + 12, NULL, 10);
		else if (!strncasecmp(line, "Rain-End:", 9))
			answer->end = strtoll(line + 9, NULL, 10);
	}
	return length;
}

static size_t body_read(char *data, size_t one, size_t size, void *arg)
{
	struct rain_local_transfer *transfer = arg;
	size_t length = one * size;
	ssize_t got;

	if ((int64_t)length > transfer->in_left)
		length = (size_t)transfer->in_left;
	got = pread(transfer->in, data, length, transfer->in_offset);
	if (got < 0 || (got == 0 && length > 0))
		return CURL_READFUNC_ABORT;
	transfer->in_offset += got;
	transfer->in_left -= got;
	return (size_t)got;
}

/* The URL and the headers of one try: a credential is good only once. */
static int try_headers(struct rain_local_client *client, struct rain_local_transfer *transfer,
		       struct curl_slist **headers, struct rain_error *err)
{
	char url[RAIN_LIMIT_HTTP_PATH + 300], *line = NULL, *credential, *payload;
	struct curl_slist *list;

	snprintf(url, sizeof(url), "%s%s", client->base, transfer->path);
	curl_easy_setopt(client->easy, CURLOPT_URL, url);
	list = curl_slist_append(NULL, "Expect:");
	*headers = list;
	for (size_t i = 0; list && i < 2; i++)
		if (transfer->headers[i] && (list = curl_slist_append(list, transfer->headers[i])))
			*headers = list;
	if (list && client->munge) {
		if (asprintf(&payload, "%s %s", transfer->method, transfer->path) < 0)
			return rain_error_set(err, "out of memory");
		credential = rain_munge_encode(payload, err);
		free(payload);
		if (!credential)
			return -1;
		if (asprintf(&line, "Authorization: Munge %s", credential) < 0)
			line = NULL;
		free(credential);
		list = line ? curl_slist_append(list, line) : NULL;
		free(line);
		if (list)
			*headers = list;
	}
	if (!list)
		return rain_error_set(err, "out of memory");
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, *headers);
	return 0;
}

static void try_options(struct rain_local_client *client, struct rain_local_transfer *transfer)
{
	CURL *easy = client->easy;
	bool upload = transfer->in >= 0;

	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(easy, CURLOPT_NOBODY, (long)!strcmp(transfer->method, "HEAD"));
	if (upload) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, body_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->in_size);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER);
		transfer->in_offset = transfer->in_start;
		transfer->in_left = transfer->in_size;
	} else if (transfer->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->size);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
	}
	/* On a kept connection that turns out dead, curl would begin anew by itself,
	 * with what is left of the file. */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)upload);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_read);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	/* Transfers of any length are fine as long as they move. */
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(transfer->wait_s + GRACE_S));
	transfer->easy = easy;
	transfer->answer->offset = transfer->answer->end = -1;
}

/* Runs the easy handle, wakeable. CURLE_ABORTED_BY_CALLBACK: cancelled. */
static CURLcode try_run(struct rain_local_client *client)
{
	CURLcode result = CURLE_ABORTED_BY_CALLBACK;
	CURLMsg *message;
	int running = 1, left;

	if (curl_multi_add_handle(client->multi, client->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	while (running && !rain_local_client_is_cancelled(client)) {
		if (curl_multi_perform(client->multi, &running) != CURLM_OK)
			break;
		if (running)
			curl_multi_poll(client->multi, NULL, 0, 1000, NULL);
	}
	while ((message = curl_multi_info_read(client->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	curl_multi_remove_handle(client->multi, client->easy);
	return result;
}

/* A credential counts as used when curl sends a request a second time by itself,
 * on a new connection: then another one is needed, but not for ever. */
static bool is_stale_credential(struct rain_local_transfer *transfer, bool munge)
{
	return munge && transfer->answer->status == 401 && ++transfer->stale < STALE_MAX;
}

static bool worth_another_try(CURLcode code, struct rain_local_transfer *transfer, bool munge)
{
	if (code == CURLE_OK)
		return transfer->answer->status == 429 || transfer->answer->status >= 500 ||
		       is_stale_credential(transfer, munge);
	return !transfer->out_failed && code != CURLE_OUT_OF_MEMORY &&
	       code != CURLE_URL_MALFORMAT && code != CURLE_ABORTED_BY_CALLBACK;
}

/* One try. 1: to be repeated, with the reason in err; 0: answered; -1 */
static int try_once(struct rain_local_client *client, struct rain_local_transfer *transfer,
		    struct rain_error *err)
{
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_FAILED_INIT;
	long status = 0;

	rain_local_answer_release(transfer->answer);
	try_options(client, transfer);
	if (try_headers(client, transfer, &headers, err) < 0) {
		curl_slist_free_all(headers);
		return 1; /* munged may be on its way back, too */
	}
	code = try_run(client);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->answer->status = code == CURLE_OK ? (int)status : 0;
	if (worth_another_try(code, transfer, client->munge)) {
		if (code == CURLE_OK)
			rain_error_set(err, "the gateway answers %ld", status);
		else
			rain_error_set(err, "the gateway can't be reached: %s",
				       curl_easy_strerror(code));
		return 1;
	}
	if (code == CURLE_OK) {
		if (!transfer->answer->body)
			transfer->answer->body = calloc(1, 1);
		return transfer->answer->body ? 0 : rain_error_set(err, "out of memory");
	}
	if (transfer->out_failed)
		return rain_error_set(err, "can't keep what the gateway sends: %s",
				      strerror(transfer->out_failed));
	return rain_error_set(err, "the request to the gateway was given up: %s",
			      curl_easy_strerror(code));
}

int rain_local_transfer_run(struct rain_local_client *client, struct rain_local_transfer *transfer,
			    bool repeat, struct rain_error *err)
{
	int pause = RETRY_FIRST_MS, result;

	while ((result = try_once(client, transfer, err)) > 0) {
		if (!repeat)
			return 1;
		if (pause == RETRY_FIRST_MS && client->notice)
			client->notice(client->notice_arg, err->text);
		rain_local_client_pause(client, pause);
		pause = pause * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : pause * 2;
		if (rain_local_client_is_cancelled(client))
			return rain_error_prefix(err, "given up");
	}
	return result;
}

int rain_local_call(struct rain_local_client *client, const char *method, const char *path,
		    const void *body, size_t size, int wait_s, size_t max,
		    struct rain_local_answer *answer, struct rain_error *err)
{
	struct rain_local_transfer transfer = {
		.method = method,
		.path = path,
		.body = body,
		.size = size,
		.wait_s = wait_s,
		.max = max,
		.answer = answer,
		.in = -1,
		.out = -1,
	};
	struct rain_error local;

	if (strlen(path) > RAIN_LIMIT_HTTP_PATH)
		return rain_error_set(err, "a path is longer than %d bytes", RAIN_LIMIT_HTTP_PATH);
	return rain_local_transfer_run(client, &transfer, true, err ? err : &local);
}

/* The gateway's own sentence, or what there is of it. */
int rain_local_answer_error(const struct rain_local_answer *answer, const char *path,
			    struct rain_error *err)
{
	json_t *object = rain_json_parse(answer->body ? answer->body : "", answer->size,
					 ERROR_BODY_MAX, NULL);
	const char *sentence = json_string_value(json_object_get(object, "error"));

	if (sentence)
		rain_error_set(err, "%.400s", sentence);
	else
		rain_error_set(err, "the gateway answers %d to %s", answer->status, path);
	json_decref(object);
	return -1;
}

json_t *rain_local_json(struct rain_local_client *client, const char *method, const char *path,
			const json_t *request, int wait_s, int *status, struct rain_error *err)
{
	char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
	struct rain_local_answer answer = {0};
	json_t *result = NULL;

	if (status)
		*status = 0;
	if (request && !body) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	if (rain_local_call(client, method, path, body, body ? strlen(body) : 0, wait_s,
			    RAIN_LIMIT_HTTP_JSON_BODY, &answer, err) == 0) {
		if (status)
			*status = answer.status;
		if (answer.status < 200 || answer.status > 299)
			rain_local_answer_error(&answer, path, err);
		else if (answer.size == 0)
			result = json_object();
		else
			result = rain_json_parse(answer.body, answer.size,
						 RAIN_LIMIT_HTTP_JSON_BODY, err);
	}
	rain_local_answer_release(&answer);
	free(body);
	return result;
}
