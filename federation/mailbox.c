// SPDX-License-Identifier: GPL-2.0-or-later
/* Delivery by POST, and what peers deliver to us. */
#include "federation/mailbox.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/mailbox_internal.h"

#define REQUEST_MS 20000
#define HINT_MS 2000 /* between two tries that a peer's sign of life causes */

/* Between two tries: doubles up to the bound, and +-50 % so that many don't
 * come back at once. */
struct timeval rain_mailbox_backoff(int64_t *backoff_ms)
{
	int64_t ms;

	*backoff_ms = *backoff_ms ? 2 * *backoff_ms : RAIN_LIMIT_RETRY_MIN_MS;
	if (*backoff_ms > RAIN_LIMIT_RETRY_MAX_MS)
		*backoff_ms = RAIN_LIMIT_RETRY_MAX_MS;
	ms = *backoff_ms / 2 + randombytes_uniform((uint32_t)*backoff_ms + 1);
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/* A peer that collects by itself needn't be dialled. */
static bool it_polls(const struct rain_mailbox_link *link)
{
	return link->waiter ||
	       (link->polled_ms && rain_clock_monotonic_ms() - link->polled_ms <
					   (RAIN_LIMIT_POLL_WAIT_S + 10) * 1000);
}

static void post_now(struct rain_mailbox_link *link);

static void post_later(struct rain_mailbox_link *link)
{
	struct timeval wait = rain_mailbox_backoff(&link->post_backoff_ms);

	link->post_waits = true;
	evtimer_add(link->post_timer, &wait);
}

static void on_post_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_mailbox_link *link = arg;

	(void)fd;
	(void)what;
	link->post_waits = false;
	post_now(link);
}

static void on_posted(void *arg, const struct rain_http_result *result)
{
	struct rain_mailbox_link *link = arg;
	struct rain_peer *peer = link->peer;
	struct rain_error err = {{0}};
	int64_t applied;

	link->posting = NULL;
	if ((result->status == 200 || result->status == 409) &&
	    rain_envelope_applied(result->body, result->size, &applied, &err) == 0) {
		peer->latency_ms = result->elapsed_ms;
		rain_peers_hear_clock(peer, rain_http_result_header(result, "Date"));
		if (rain_mailbox_acknowledge(link->gateway, peer, applied, &err) == 0 &&
		    result->status == 200) {
			link->post_backoff_ms = 0;
			post_now(link);
			return;
		}
		if (result->status == 409 && !err.text[0])
			rain_error_set(&err, "%s", result->error);
	} else if (result->error) {
		rain_error_set(&err, "%s", result->error);
	}
	if (!link->post_backoff_ms)
		rain_log_info("messages wait for peer=%s: %s", peer->name, err.text);
	if (!peer->lost_count)
		post_later(link);
	else
		rain_log_error("%s", err.text);
}

static void post_now(struct rain_mailbox_link *link)
{
	struct rain_http_call call = {.method = "POST", .path = "/v1/messages",
				      .reply_max = RAIN_LIMIT_CARD, .timeout_ms = REQUEST_MS,
				      .done = on_posted, .arg = link};
	struct rain_error err = {{0}};
	char *text;
	size_t count;

	if (link->posting || link->post_waits || link->peer->lost_count || link->peer->removed ||
	    !link->peer->address_count || it_polls(link))
		return;
	if (rain_mailbox_read(link->gateway, link->peer, -1, -1, &text, &count, &err) < 0) {
		rain_log_debug("the outbox of peer=%s can't be read: %s", link->peer->name, err.text);
		post_later(link);
		return;
	}
	if (count) {
		call.body = text;
		call.body_size = (int64_t)strlen(text);
		link->posting = rain_peers_request(link->gateway, link->peer, &call, &err);
		link->posted_ms = rain_clock_monotonic_ms();
		if (!link->posting)
			post_later(link);
	}
	free(text);
}

struct rain_mailbox_link *rain_mailbox_link_of(struct rain_gateway *gateway, struct rain_peer *peer)
{
	struct rain_mailbox *mailbox = gateway->mailbox;
	struct rain_mailbox_link *link = peer->link;

	if (link)
		return link;
	link = calloc(1, sizeof(*link));
	if (!link || mailbox->count == RAIN_LIMIT_PEERS) {
		free(link);
		return NULL;
	}
	link->gateway = gateway;
	link->peer = peer;
	link->post_timer = evtimer_new(gateway->base, on_post_timer, link);
	if (!link->post_timer || rain_mailbox_poll_init(link) < 0) {
		if (link->post_timer)
			event_free(link->post_timer);
		free(link);
		return NULL;
	}
	mailbox->links[mailbox->count++] = link;
	peer->link = link;
	return link;
}

void rain_mailbox_wake(struct rain_mailbox *mailbox, struct rain_peer *peer)
{
	struct rain_mailbox_link *link = rain_mailbox_link_of(mailbox->gateway, peer);

	if (!link)
		return;
	if (link->waiter) {
		rain_mailbox_waiter_answer(link);
		return;
	}
	post_now(link);
	rain_mailbox_poll_now(link);
}

void rain_mailbox_contact(struct rain_mailbox *mailbox, struct rain_peer *peer)
{
	struct rain_mailbox_link *link = rain_mailbox_link_of(mailbox->gateway, peer);
	struct timeval now = {0, 0};

	rain_peers_seen(peer);
	if (!link)
		return;
	/* It lives: what waited after a failure goes now.  Not each time, for it may
	 * have no way in however often it comes out. */
	if (rain_clock_monotonic_ms() < link->hint_ms)
		return;
	link->hint_ms = rain_clock_monotonic_ms() + HINT_MS;
	/* A request that was under way when the line was cut hangs on a dead
	 * connection long after the line is back. */
	if (link->posting && rain_clock_monotonic_ms() - link->posted_ms > HINT_MS) {
		rain_http_transfer_cancel(link->posting);
		link->posting = NULL;
		link->post_waits = true;
	}
	if (link->post_waits)
		evtimer_add(link->post_timer, &now);
	if (link->poll_waits)
		evtimer_add(link->poll_timer, &now);
}

struct rain_mailbox *rain_mailbox_create(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_mailbox *mailbox = calloc(1, sizeof(*mailbox));

	if (!mailbox) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	mailbox->gateway = gateway;
	return mailbox;
}

void rain_mailbox_destroy(struct rain_mailbox *mailbox)
{
	if (!mailbox)
		return;
	for (size_t i = 0; i < mailbox->count; i++) {
		struct rain_mailbox_link *link = mailbox->links[i];

		rain_http_transfer_cancel(link->posting);
		rain_http_transfer_cancel(link->polling);
		event_free(link->post_timer);
		event_free(link->poll_timer);
		free(link);
	}
	free(mailbox);
}

/* ---- POST /v1/messages ---- */

static void on_messages(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_peer *peer = (struct rain_peer *)rain_http_request_peer(request);
	struct rain_mailbox_link *link = rain_mailbox_link_of(gateway, peer);
	struct rain_envelope envelope;
	struct rain_error err = {{0}};
	int64_t applied = -1;
	const char *body;
	size_t size;
	int result;

	body = rain_http_request_body(request, &size);
	if (rain_envelope_parse(body, size, &envelope, &err) < 0) {
		rain_log_warning("a batch of messages of peer=%s is wrong: %s", peer->name, err.text);
		rain_http_reply_error(request, 400, "%s", err.text);
		return;
	}
	result = rain_mailbox_apply(gateway, peer, &envelope, &applied, &err);
	rain_envelope_release(&envelope);
	if (link && applied > link->inbox_seq)
		link->inbox_seq = applied;
	if (result == 1)
		rain_http_reply_json(request, 409,
				     json_pack("{s:s,s:I}", "error", "the batch begins too far on",
					       "applied", (json_int_t)applied));
	else if (applied < 0)
		rain_http_reply_store_error(request, 500, &err);
	else /* some may be applied although a later one failed */
		rain_http_reply_json(request, 200, json_pack("{s:I}", "applied", (json_int_t)applied));
}

const struct rain_http_route rain_mailbox_routes[] = {
	{RAIN_HTTP_PEER, "POST", "/v1/messages", on_messages, RAIN_LIMIT_MESSAGE_ENVELOPE, NULL, NULL},
	{RAIN_HTTP_PEER, "GET", "/v1/messages", rain_mailbox_on_get, 0, NULL, NULL},
	{0},
};
