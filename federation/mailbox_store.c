// SPDX-License-Identifier: GPL-2.0-or-later
/* The mailbox in the database: what makes "exactly once" true. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/mailbox_internal.h"

/* ---- outbox ---- */

static void wake_after_commit(void *arg)
{
	struct rain_mailbox_link *link = arg;

	rain_mailbox_wake(link->gateway->mailbox, link->peer);
}

static int insert(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		  const char *type, const char *body, struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE], limit[RAIN_STORE_INT64_SIZE];
	struct rain_mailbox_link *link;
	PGresult *rows;
	bool stored;

	/* The row lock of the peer makes numbers and commits go in one order. */
	rows = rain_store_query(tx, err,
				"WITH next AS (UPDATE federation.peer SET outbox_seq = outbox_seq + 1 "
				"WHERE peer_id = $1::bigint AND outbox_seq - outbox_acked < $4::bigint "
				"RETURNING peer_id, outbox_seq) "
				"INSERT INTO federation.outbox (peer_id, seq, type, body) "
				"SELECT peer_id, outbox_seq, $2, $3 FROM next RETURNING seq",
				4, rain_store_format_int64(peer->row, row), type, body,
				rain_store_format_int64(RAIN_LIMIT_OUTBOX, limit));
	if (!rows)
		return -1;
	stored = PQntuples(rows) == 1;
	PQclear(rows);
	if (!stored)
		return rain_error_set(err, "%d messages wait for peer %s already", RAIN_LIMIT_OUTBOX,
				      peer->name);
	link = rain_mailbox_link_of(gateway, rain_peers_by_row(gateway->peers, peer->row));
	if (!link)
		return rain_error_set(err, "out of memory");
	rain_store_after_commit(tx, wake_after_commit, link);
	return 0;
}

int rain_mailbox_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      const char *type, const json_t *body, struct rain_error *err)
{
	char *text = json_is_object(body) ? rain_json_canonical(body) : NULL;
	int result;

	if (!text || !rain_envelope_type_is_valid(type))
		result = rain_error_set(err, "a message of type '%s' can't be written", type);
	else if (strlen(text) > RAIN_LIMIT_MESSAGE_BODY)
		result = rain_error_set(err, "a message of type '%s' would be larger than %d bytes",
					type, RAIN_LIMIT_MESSAGE_BODY);
	else
		result = insert(gateway, tx, peer, type, text, err);
	free(text);
	return result;
}

static int acknowledge(PGconn *tx, struct rain_peer *peer, int64_t seq, struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE], number[RAIN_STORE_INT64_SIZE];
	PGresult *rows;
	bool known;

	rain_store_format_int64(peer->row, row);
	rain_store_format_int64(seq, number);
	rows = rain_store_query(tx, err,
				"UPDATE federation.peer SET outbox_acked = "
				"greatest(outbox_acked, $2::bigint) "
				"WHERE peer_id = $1::bigint AND $2::bigint <= outbox_seq RETURNING 1",
				2, row, number);
	if (!rows)
		return -1;
	known = PQntuples(rows) == 1;
	PQclear(rows);
	if (!known) {
		peer->lost_count = true;
		return rain_error_set(err, "peer %s has applied message %s, which this cluster never "
					   "sent: one of the two databases was set back (from a "
					   "backup?); nothing is sent to it any more", peer->name, number);
	}
	return rain_store_execute(tx, err,
				  "DELETE FROM federation.outbox WHERE peer_id = $1::bigint "
				  "AND seq <= $2::bigint",
				  2, row, number);
}

struct reading {
	struct rain_peer *peer;
	int64_t after;
	int dials;
	json_t *list;
	struct rain_error problem;
};

static int append(json_t *list, const PGresult *rows, int row, struct rain_error *err)
{
	const char *text = rain_store_text(rows, row, 2);
	json_t *body = rain_json_parse(text, strlen(text), RAIN_LIMIT_MESSAGE_BODY, err);
	json_t *message = NULL;

	if (body)
		message = json_pack("{s:I,s:s,s:o}", "seq", (json_int_t)rain_store_int64(rows, row, 0),
				    "type", rain_store_text(rows, row, 1), "body", body);
	return message ? json_array_append_new(list, message) : -1;
}

static int read_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct reading *reading = arg;
	char row[RAIN_STORE_INT64_SIZE], limit[RAIN_STORE_INT64_SIZE];
	size_t bytes = 0;
	PGresult *rows;
	int result = 0;

	json_array_clear(reading->list);
	if (reading->after >= 0 && acknowledge(tx, reading->peer, reading->after, err) < 0)
		return -1;
	rows = rain_store_query(tx, err,
				"SELECT seq, type, body FROM federation.outbox "
				"WHERE peer_id = $1::bigint ORDER BY seq LIMIT $2::bigint",
				2, rain_store_format_int64(reading->peer->row, row),
				rain_store_format_int64(RAIN_LIMIT_MESSAGE_BATCH, limit));
	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows) && bytes < RAIN_LIMIT_MESSAGE_BATCH_BYTES; i++) {
		result = append(reading->list, rows, i, err);
		if (result < 0)
			break;
		bytes += strlen(rain_store_text(rows, i, 2));
	}
	PQclear(rows);
	return result;
}

int rain_mailbox_read(struct rain_gateway *gateway, struct rain_peer *peer, int64_t after,
		      int dials, char **text, size_t *count, struct rain_error *err)
{
	struct reading reading = {peer, after, dials, json_array()};
	json_t *object = NULL;

	*text = NULL;
	if (rain_store_transaction(gateway->store, read_work, &reading, err) < 0) {
		json_decref(reading.list);
		return -1;
	}
	*count = json_array_size(reading.list);
	object = json_pack("{s:o}", "messages", reading.list);
	if (object && dials >= 0)
		json_object_set_new(object, "dials", json_boolean(dials));
	if (object)
		*text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return *text ? 0 : rain_error_set(err, "out of memory");
}

struct acknowledging {
	struct rain_peer *peer;
	int64_t seq;
};

static int acknowledge_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct acknowledging *work = arg;

	return acknowledge(tx, work->peer, work->seq, err);
}

int rain_mailbox_acknowledge(struct rain_gateway *gateway, struct rain_peer *peer, int64_t seq,
			     struct rain_error *err)
{
	struct acknowledging work = {peer, seq};

	return rain_store_transaction(gateway->store, acknowledge_work, &work, err);
}

/* ---- inbox ---- */

struct applying {
	struct rain_gateway *gateway;
	struct rain_peer *peer;
	const struct rain_envelope_message *message;
	int64_t applied;
	bool gap, refused, is_new;
	struct rain_error why; /* of the refusal */
};

static const struct rain_message_handler *find_handler(const struct rain_gateway *gateway,
						       const char *type)
{
	const struct rain_message_handler *handler;

	for (size_t i = 0; gateway->modules[i]; i++)
		for (handler = gateway->modules[i]->messages; handler && handler->type; handler++)
			if (strcmp(handler->type, type) == 0)
				return handler;
	for (handler = rain_mailbox_messages; handler->type; handler++)
		if (strcmp(handler->type, type) == 0)
			return handler;
	return NULL;
}

/* Records a message that is skipped, and tells its sender. */
static int refuse(PGconn *tx, struct applying *work, struct rain_error *err)
{
	const struct rain_envelope_message *message = work->message;
	char row[RAIN_STORE_INT64_SIZE], seq[RAIN_STORE_INT64_SIZE];
	char *text = rain_json_canonical(message->body);
	json_t *body;
	int result;

	if (!text)
		return rain_error_set(err, "out of memory");
	work->refused = true;
	result = rain_store_execute(tx, err,
				    "SELECT federation.refuse($1::bigint, $2::bigint, $3, $4, $5)",
				    5, rain_store_format_int64(work->peer->row, row),
				    rain_store_format_int64(message->seq, seq), message->type, text,
				    work->why.text);
	if (result == 0 && strcmp(message->type, "undelivered") != 0) {
		body = json_pack("{s:I,s:s,s:s}", "seq", (json_int_t)message->seq, "type",
				 message->type, "error", work->why.text);
		if (!body) /* text that is no UTF-8 */
			body = json_pack("{s:I,s:s,s:s}", "seq", (json_int_t)message->seq, "type",
					 message->type, "error", "the message is wrong");
		if (body && strlen(text) <= RAIN_LIMIT_MESSAGE_RETURNED)
			json_object_set(body, "body", (json_t *)message->body);
		result = body ? rain_mailbox_post(work->gateway, tx, work->peer, "undelivered", body, err)
			      : rain_error_set(err, "out of memory");
		json_decref(body);
	}
	free(text);
	return result;
}

/* Lets the handler work under a savepoint; refuses what it refuses. */
static int handle(PGconn *tx, struct applying *work, struct rain_error *err)
{
	const struct rain_message_handler *handler = find_handler(work->gateway, work->message->type);

	memset(&work->why, 0, sizeof(work->why));
	if (!handler) {
		rain_error_set(&work->why, "this gateway doesn't know messages of type '%s'",
			       work->message->type);
		return refuse(tx, work, err);
	}
	if (rain_store_savepoint(tx, "handler", err) < 0)
		return -1;
	if (handler->apply(work->gateway, tx, work->peer, work->message->body, &work->why) == 0)
		return 0;
	/* The database's fault isn't the message's: it comes again. */
	if (rain_store_is_transient(work->gateway->store)) {
		*err = work->why;
		return -1;
	}
	if (rain_store_rollback_to(tx, "handler", err) < 0)
		return -1;
	return refuse(tx, work, err);
}

static int apply_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct applying *work = arg;
	char row[RAIN_STORE_INT64_SIZE], seq[RAIN_STORE_INT64_SIZE];
	PGresult *rows;
	int64_t last;

	work->refused = work->gap = work->is_new = false;
	rain_store_format_int64(work->peer->row, row);
	rows = rain_store_query(tx, err,
				"SELECT inbox_seq FROM federation.peer WHERE peer_id = $1::bigint "
				"FOR NO KEY UPDATE",
				1, row);
	if (!rows)
		return -1;
	last = PQntuples(rows) ? rain_store_int64(rows, 0, 0) : -1;
	PQclear(rows);
	if (last < 0)
		return rain_error_set(err, "peer %s is no longer in the database", work->peer->name);
	work->applied = last;
	if (!work->message || work->message->seq <= last)
		return 0; /* a repetition */
	if (work->message->seq > last + 1) {
		work->gap = true;
		return 0;
	}
	if (handle(tx, work, err) < 0)
		return -1;
	work->applied = work->message->seq;
	work->is_new = true;
	return rain_store_execute(tx, err,
				  "UPDATE federation.peer SET inbox_seq = $2::bigint "
				  "WHERE peer_id = $1::bigint",
				  2, row, rain_store_format_int64(work->message->seq, seq));
}

int rain_mailbox_apply(struct rain_gateway *gateway, struct rain_peer *peer,
		       const struct rain_envelope *envelope, int64_t *applied,
		       struct rain_error *err)
{
	struct applying work = {gateway, peer, NULL, 0};

	*applied = -1;
	for (size_t i = 0; i < envelope->count; i++) {
		work.message = &envelope->messages[i];
		if (rain_store_transaction(gateway->store, apply_work, &work, err) < 0)
			return -1;
		*applied = work.applied;
		if (work.gap)
			return 1;
		if (work.is_new)
			rain_tally_add(peer, RAIN_TALLY_APPLIED,
				       find_handler(gateway, work.message->type) ? work.message->type : "unknown");
		if (work.refused)
			rain_log_warning("skipped a message peer=%s seq=%lld type=%s: %s", peer->name,
					 (long long)work.message->seq, work.message->type, work.why.text);
	}
	return envelope->count ? 0 : rain_mailbox_applied(gateway, peer, applied, err);
}

int rain_mailbox_applied(struct rain_gateway *gateway, struct rain_peer *peer, int64_t *applied,
			 struct rain_error *err)
{
	struct applying work = {gateway, peer, NULL, 0};

	if (rain_store_transaction(gateway->store, apply_work, &work, err) < 0)
		return -1;
	*applied = work.applied;
	return 0;
}

static int apply_undelivered(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			     const json_t *body, struct rain_error *err)
{
	const char *type, *error;

	(void)gateway;
	(void)tx;
	if (rain_json_string(body, "type", RAIN_LIMIT_MESSAGE_TYPE, &type, err) < 0 ||
	    rain_json_string(body, "error", 1024, &error, err) < 0)
		return -1;
	rain_log_warning("peer=%s skipped our message type=%s: %s", peer->name, type, error);
	return 0;
}

const struct rain_message_handler rain_mailbox_messages[] = {
	{"card", rain_peers_card_apply},
	{"undelivered", apply_undelivered},
	{NULL, NULL},
};
