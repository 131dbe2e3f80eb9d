// SPDX-License-Identifier: GPL-2.0-or-later
/* Collecting by GET: ours at peers that can't dial us (and a sign of life to
 * the others), and theirs at ours. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/mailbox_internal.h"

#define SLACK_MS 15000 /* beyond the wait that we asked for */

/* ---- our GET ---- */

static bool must_poll_long(const struct rain_mailbox_link *link)
{
	char **own = link->gateway->config->gateway.addresses;

	return !own || !own[0] || !link->peer->dials_us;
}

static void poll_start(struct rain_mailbox_link *link);

static void poll_after(struct rain_mailbox_link *link, int64_t ms)
{
	struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	evtimer_add(link->poll_timer, &wait);
}

static void poll_failed(struct rain_mailbox_link *link, const char *why)
{
	struct timeval wait = rain_mailbox_backoff(&link->poll_backoff_ms);

	if (strcmp(why, link->poll_error.text) != 0) {
		rain_error_set(&link->poll_error, "%s", why);
		rain_log_info("peer=%s can't be asked for messages: %s", link->peer->name, why);
	}
	link->poll_waits = true;
	evtimer_add(link->poll_timer, &wait);
}

static void on_poll_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_mailbox_link *link = arg;

	(void)fd;
	(void)what;
	link->poll_waits = false;
	rain_mailbox_wake(link->gateway->mailbox, link->peer);
	poll_start(link);
}

/* An answer with status 200: -1 with err when it can't be used. */
static int take_messages(struct rain_mailbox_link *link, const struct rain_http_result *result,
			 size_t *count, struct rain_error *err)
{
	struct rain_envelope envelope;
	int64_t applied = -1;
	int status;

	if (rain_envelope_parse(result->body, result->size, &envelope, err) < 0)
		return -1;
	link->peer->dials_us = !json_is_false(json_object_get(envelope.object, "dials"));
	*count = envelope.count;
	status = envelope.count
			 ? rain_mailbox_apply(link->gateway, link->peer, &envelope, &applied, err)
			 : 0;
	rain_envelope_release(&envelope);
	if (applied > link->inbox_seq)
		link->inbox_seq = applied;
	if (status == 1)
		return rain_error_set(err, "its messages begin too far on: it lost a part of its "
					   "database, or we of ours");
	return status;
}

static void on_polled(void *arg, const struct rain_http_result *result)
{
	struct rain_mailbox_link *link = arg;
	struct rain_error err = {{0}};
	size_t count = 0;

	link->polling = NULL;
	if (result->status != 200) {
		poll_failed(link, result->error ? result->error : "an answer that makes no sense");
		return;
	}
	if (take_messages(link, result, &count, &err) < 0) {
		poll_failed(link, err.text);
		return;
	}
	link->poll_backoff_ms = 0;
	link->poll_error.text[0] = '\0';
	rain_peers_hear_clock(link->peer, rain_http_result_header(result, "Date"));
	if (!link->poll_is_long && !count)
		link->peer->latency_ms = result->elapsed_ms;
	if (count || must_poll_long(link)) /* acknowledges what came */
		poll_start(link);
	else
		poll_after(link, RAIN_LIMIT_HEARTBEAT_S * 800 +
					 randombytes_uniform(RAIN_LIMIT_HEARTBEAT_S * 400));
}

static void poll_start(struct rain_mailbox_link *link)
{
	struct rain_http_call call = {.method = "GET", .reply_max = 2 * RAIN_LIMIT_MESSAGE_ENVELOPE,
				      .done = on_polled, .arg = link};
	struct rain_error err = {{0}};
	char path[96];
	int wait_s;

	if (link->polling || !link->peer->address_count || link->peer->lost_count || link->peer->removed)
		return;
	if (link->inbox_seq < 0 && rain_mailbox_applied(link->gateway, link->peer, &link->inbox_seq,
							&err) < 0) {
		poll_failed(link, err.text);
		return;
	}
	link->poll_is_long = must_poll_long(link);
	wait_s = link->poll_is_long ? RAIN_LIMIT_POLL_WAIT_S : 0;
	snprintf(path, sizeof(path), "/v1/messages?after=%lld&wait=%d", (long long)link->inbox_seq,
		 wait_s);
	call.path = path;
	call.timeout_ms = wait_s * 1000 + SLACK_MS;
	link->polling = rain_peers_request(link->gateway, link->peer, &call, &err);
	if (!link->polling)
		poll_failed(link, err.text);
}

void rain_mailbox_poll_now(struct rain_mailbox_link *link)
{
	if (!link->polling && !evtimer_pending(link->poll_timer, NULL))
		poll_start(link);
}

int rain_mailbox_poll_init(struct rain_mailbox_link *link)
{
	link->inbox_seq = -1;
	link->poll_timer = evtimer_new(link->gateway->base, on_poll_timer, link);
	return link->poll_timer ? 0 : -1;
}

/* ---- their GET ---- */

static int dials(const struct rain_mailbox_link *link)
{
	return link->peer->address_count > 0 && link->peer->reachable;
}

static void waiter_expired(struct rain_http_request *request, void *arg)
{
	struct rain_mailbox_link *link = arg;

	link->waiter = NULL;
	link->polled_ms = rain_clock_monotonic_ms();
	rain_http_reply_json(request, 200, json_pack("{s:[],s:b}", "messages", "dials", dials(link)));
}

static void waiter_gone(struct rain_http_request *request, void *arg)
{
	struct rain_mailbox_link *link = arg;

	(void)request;
	link->waiter = NULL;
}

bool rain_mailbox_is_polled(const struct rain_peer *peer)
{
	return peer->link && peer->link->waiter;
}

void rain_mailbox_waiter_answer(struct rain_mailbox_link *link)
{
	struct rain_http_request *request = link->waiter;
	struct rain_error err = {{0}};
	char *text;
	size_t count;

	if (rain_mailbox_read(link->gateway, link->peer, -1, dials(link), &text, &count, &err) < 0) {
		rain_log_debug("the outbox of peer=%s can't be read: %s", link->peer->name, err.text);
		return; /* it asks again when its wait is over */
	}
	if (count) {
		link->waiter = NULL;
		link->polled_ms = rain_clock_monotonic_ms();
		rain_http_reply_text(request, 200, text);
	}
	free(text);
}

void rain_mailbox_on_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_peer *peer = (struct rain_peer *)rain_http_request_peer(request);
	struct rain_mailbox_link *link = rain_mailbox_link_of(gateway, peer);
	struct rain_error err = {{0}};
	int64_t after, wait_s;
	char *text;
	size_t count;

	if (!link) {
		rain_http_reply_error(request, 500, "the gateway is out of memory");
		return;
	}
	if (rain_http_request_query_int(request, "after", 0, RAIN_LIMIT_MESSAGE_SEQ, -1, &after,
					&err) < 0 ||
	    rain_http_request_query_int(request, "wait", 0, RAIN_LIMIT_HTTP_WAIT_S, 0, &wait_s,
					&err) < 0) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return;
	}
	if (rain_mailbox_read(gateway, peer, after, dials(link), &text, &count, &err) < 0) {
		if (peer->lost_count)
			rain_log_error("%s", err.text);
		rain_http_reply_store_error(request, 409, &err);
		return;
	}
	if (link->waiter) { /* of a connection that has been lost, most likely */
		struct rain_http_request *old = link->waiter;

		waiter_expired(old, link);
	}
	/* Without a wait it is a sign of life: what comes later goes by POST. */
	link->polled_ms = wait_s ? rain_clock_monotonic_ms() : 0;
	if (count || !wait_s) {
		rain_http_reply_text(request, 200, text);
	} else {
		link->waiter = request;
		rain_http_defer(request, wait_s * 1000, waiter_expired, waiter_gone, link);
	}
	free(text);
}
