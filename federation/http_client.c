// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/http_client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "federation/http_client_internal.h"
#include "federation/limits.h"

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

static void check_finished(struct rain_http_lane *lane)
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
	struct rain_http_lane *lane = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check_finished(lane);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct rain_http_lane *lane = arg;
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
	struct rain_http_lane *lane = arg;
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
	struct rain_http_lane *lane = arg;
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

static int lane_init(struct rain_http_lane *lane, struct rain_http_client *client, long each)
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

static void lane_release(struct rain_http_lane *lane)
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
	if (!transfer->easy || rain_http_transfer_set_up(transfer, call, err) < 0) {
		transfer_destroy(transfer);
		return NULL;
	}
	return transfer;
}
