// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of peers and open invitations in memory, which the TLS handshake
 * asks; the truth is in the store. */
#include "federation/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/http_date.h"
#include "federation/peers_internal.h"

/* How often `last contact` is saved. */
#define SAVE_S 60

static void peer_destroy(struct rain_peer *peer)
{
	rain_card_addresses_free(peer->addresses, peer->address_count);
	json_decref(peer->card);
	json_decref(peer->card_new);
	free(peer->card_sent);
	rain_tally_release(peer);
	free(peer);
}

void rain_peers_take_card(struct rain_peer *peer, const struct rain_card *card, const json_t *object)
{
	char **addresses = calloc(card->address_count + 1, sizeof(*addresses));
	size_t count = 0;

	for (; addresses && count < card->address_count; count++)
		if (!(addresses[count] = strdup(card->addresses[count])))
			break;
	rain_card_addresses_free(peer->addresses, peer->address_count);
	peer->addresses = addresses;
	peer->address_count = addresses ? count : 0;
	peer->address_next = 0;
	peer->protocol = card->protocol;
	json_decref(peer->card);
	peer->card = json_deep_copy(object);
}

struct rain_peer *rain_peers_add(struct rain_gateway *gateway, int64_t row, const char *name,
				 const struct rain_card *card, const json_t *object)
{
	struct rain_peers *peers = gateway->peers;
	struct rain_peer *peer = rain_peers_by_row(peers, row);

	if (!peer) {
		if (peers->count == RAIN_LIMIT_PEERS || !(peer = calloc(1, sizeof(*peer))))
			return NULL;
		peer->row = row;
		peer->latency_ms = -1;
		peer->dials_us = true; /* until it says otherwise */
		peer->reachable = true;
		snprintf(peer->name, sizeof(peer->name), "%s", name);
		memcpy(peer->key, card->key, sizeof(peer->key));
		rain_identity_id(peer->key, peer->id);
		peers->peers[peers->count++] = peer;
	}
	peer->removed = false;
	rain_peers_take_card(peer, card, object);
	return peer;
}

void rain_peers_joined(struct rain_gateway *gateway, struct rain_peer *peer)
{
	rain_log_info("joined peer=%s id=%.12s", peer->name, peer->id);
	rain_peers_seen(peer);
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->peer_joined)
			gateway->modules[i]->peer_joined(gateway, peer);
	rain_mailbox_wake(gateway->mailbox, peer);
}

int rain_peers_invitation_add(struct rain_peers *peers, const unsigned char *key, int64_t valid_ms)
{
	struct rain_peers_invitation *invitation = calloc(1, sizeof(*invitation));

	if (!invitation)
		return -1;
	memcpy(invitation->key, key, sizeof(invitation->key));
	invitation->ends_ms = rain_clock_monotonic_ms() + valid_ms;
	TAILQ_INSERT_TAIL(&peers->invitations, invitation, entry);
	return 0;
}

/* Whose database is it?  -1 when it is another cluster's. */
static int claim(struct rain_gateway *gateway, PGconn *tx, struct rain_error *err)
{
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	char *own = rain_store_format_bytes(gateway->identity.key, sizeof(key));
	char id[RAIN_IDENTITY_ID_SIZE];
	PGresult *rows;
	int result = -1;

	rows = rain_store_query(tx, err,
				"INSERT INTO federation.cluster AS c (name, key) "
				"VALUES ($1, $2::bytea) ON CONFLICT (only_one) DO UPDATE "
				"SET name = CASE WHEN c.key = excluded.key THEN excluded.name "
				"ELSE c.name END RETURNING key, "
				"coalesce((extract(epoch FROM recalled_until) * 1000)::bigint, 0)",
				2, gateway->config->cluster_name, own);
	free(own);
	if (!rows)
		return -1;
	if (rain_store_bytes(rows, 0, 0, key, sizeof(key)) == 0)
		result = memcmp(key, gateway->identity.key, sizeof(key)) == 0 ? 0 : -1;
	gateway->peers->recalled_until_ms = rain_store_int64(rows, 0, 1);
	if (result < 0) {
		rain_identity_id(key, id);
		rain_error_set(err, "the database belongs to the cluster with id %.12s, but "
				    "%s/identity.pem makes this one %.12s: restore that file from "
				    "a backup, or begin with an empty schema federation",
			       id, gateway->config->gateway.state, gateway->identity.id);
	}
	PQclear(rows);
	return result;
}

static int load_peer(struct rain_gateway *gateway, const PGresult *rows, int row,
		     struct rain_error *err)
{
	const char *text = rain_store_text(rows, row, 2);
	json_t *object = rain_json_parse(text, strlen(text), RAIN_LIMIT_CARD, err);
	struct rain_card card = {0};
	struct rain_peer *peer = NULL;

	if (object && rain_card_parse(object, &card, err) == 0) {
		peer = rain_peers_add(gateway, rain_store_int64(rows, row, 0),
				      rain_store_text(rows, row, 1), &card, object);
		if (peer) {
			free(peer->card_sent);
			peer->card_sent = strdup(rain_store_text(rows, row, 3));
			peer->last_contact_ms = rain_store_int64(rows, row, 4);
			peer->lend_paused = rain_store_bool(rows, row, 5);
			peer->borrow_paused = rain_store_bool(rows, row, 6);
		} else {
			rain_error_set(err, "there are more than %d", RAIN_LIMIT_PEERS);
		}
	}
	rain_card_release(&card);
	json_decref(object);
	return peer ? 0 : rain_error_prefix(err, "peer %s", rain_store_text(rows, row, 1));
}

static int load(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	PGresult *rows;

	if (claim(gateway, tx, err) < 0)
		return -1;
	rows = rain_store_query(tx, err,
				"SELECT peer_id, name, card, card_sent, "
				"(extract(epoch FROM last_contact) * 1000)::bigint, "
				"lend_paused, borrow_paused "
				"FROM federation.peer WHERE removed_at IS NULL ORDER BY peer_id",
				0);
	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++)
		if (load_peer(gateway, rows, i, err) < 0) {
			PQclear(rows);
			return -1;
		}
	PQclear(rows);
	rows = rain_store_query(tx, err,
				"SELECT key, (extract(epoch FROM expires_at - clock_timestamp()) "
				"* 1000)::bigint FROM federation.invitation "
				"WHERE expires_at > clock_timestamp()",
				0);
	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++)
		if (rain_store_bytes(rows, i, 0, key, sizeof(key)) == 0 &&
		    !rain_peers_invited(gateway->peers, key))
			rain_peers_invitation_add(gateway->peers, key, rain_store_int64(rows, i, 1));
	PQclear(rows);
	return 0;
}

static int save(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_peers *peers = arg;
	char row[RAIN_STORE_INT64_SIZE], contact[RAIN_STORE_INT64_SIZE];

	for (size_t i = 0; i < peers->count; i++) {
		const struct rain_peer *peer = peers->peers[i];

		if (peer->last_contact_ms &&
		    rain_store_execute(tx, err,
				       "UPDATE federation.peer SET last_contact = "
				       "to_timestamp($2::bigint / 1000.0) WHERE peer_id = $1::bigint",
				       2, rain_store_format_int64(peer->row, row),
				       rain_store_format_int64(peer->last_contact_ms, contact)) < 0)
			return -1;
	}
	return rain_store_execute(tx, err,
				  "DELETE FROM federation.invitation WHERE expires_at < "
				  "clock_timestamp() - interval '30 days'",
				  0);
}

static void forget_old_invitations(struct rain_peers *peers)
{
	struct rain_peers_invitation *invitation, *next;

	for (invitation = TAILQ_FIRST(&peers->invitations); invitation; invitation = next) {
		next = TAILQ_NEXT(invitation, entry);
		if (invitation->ends_ms > rain_clock_monotonic_ms())
			continue;
		TAILQ_REMOVE(&peers->invitations, invitation, entry);
		free(invitation);
	}
}

static void loaded(struct rain_gateway *gateway)
{
	gateway->peers->loaded = true;
	rain_log_info("peers=%zu are known", gateway->peers->count);
	rain_peers_card_announce(gateway);
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->ready)
			gateway->modules[i]->ready(gateway);
	for (size_t i = 0; i < gateway->peers->count; i++)
		rain_mailbox_wake(gateway->mailbox, gateway->peers->peers[i]);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_peers *peers = arg;
	struct rain_gateway *gateway = peers->gateway;
	struct timeval again = {RAIN_LIMIT_STORE_RETRY_MS / 1000 + 1, 0}, later = {SAVE_S, 0};
	struct rain_error err = {{0}};

	(void)fd;
	(void)what;
	if (!peers->loaded) {
		if (rain_store_transaction(gateway->store, load, gateway, &err) == 0) {
			loaded(gateway);
		} else if (!rain_store_is_transient(gateway->store)) {
			rain_log_error("%s", err.text);
		}
	} else {
		forget_old_invitations(peers);
		/* Only for people: when it can't be saved now, the next time does. */
		if (rain_store_transaction(gateway->store, save, peers, &err) < 0)
			rain_log_debug("last contacts are not saved: %s", err.text);
	}
	evtimer_add(peers->timer, peers->loaded ? &later : &again);
}

struct rain_peers *rain_peers_create(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_peers *peers = calloc(1, sizeof(*peers));
	struct timeval now = {0, 0};

	if (peers) {
		peers->gateway = gateway;
		TAILQ_INIT(&peers->invitations);
		TAILQ_INIT(&peers->joins);
		peers->timer = evtimer_new(gateway->base, on_timer, peers);
	}
	if (!peers || !peers->timer) {
		free(peers);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	evtimer_add(peers->timer, &now);
	return peers;
}

void rain_peers_destroy(struct rain_peers *peers)
{
	struct rain_peers_invitation *invitation;

	if (!peers)
		return;
	rain_peers_joins_destroy(peers);
	while ((invitation = TAILQ_FIRST(&peers->invitations))) {
		TAILQ_REMOVE(&peers->invitations, invitation, entry);
		free(invitation);
	}
	for (size_t i = 0; i < peers->count; i++)
		peer_destroy(peers->peers[i]);
	event_free(peers->timer);
	free(peers);
}

bool rain_peers_are_loaded(const struct rain_peers *peers)
{
	return peers->loaded;
}

size_t rain_peers_count(const struct rain_peers *peers)
{
	return peers->count;
}

struct rain_peer *rain_peers_at(const struct rain_peers *peers, size_t index)
{
	return peers->peers[index];
}

struct rain_peer *rain_peers_by_name(const struct rain_peers *peers, const char *name)
{
	for (size_t i = 0; i < peers->count; i++)
		if (strcmp(peers->peers[i]->name, name) == 0)
			return peers->peers[i];
	return NULL;
}

struct rain_peer *rain_peers_by_row(const struct rain_peers *peers, int64_t row)
{
	for (size_t i = 0; i < peers->count; i++)
		if (peers->peers[i]->row == row)
			return peers->peers[i];
	return NULL;
}

struct rain_peer *rain_peers_by_key(const struct rain_peers *peers, const unsigned char *key)
{
	for (size_t i = 0; i < peers->count; i++)
		if (memcmp(peers->peers[i]->key, key, RAIN_IDENTITY_KEY_SIZE) == 0)
			return peers->peers[i]->removed ? NULL : peers->peers[i];
	return NULL;
}

bool rain_peers_invited(const struct rain_peers *peers, const unsigned char *key)
{
	const struct rain_peers_invitation *invitation;

	TAILQ_FOREACH(invitation, &peers->invitations, entry)
		if (memcmp(invitation->key, key, RAIN_IDENTITY_KEY_SIZE) == 0)
			return invitation->ends_ms > rain_clock_monotonic_ms();
	return false;
}

void rain_peers_seen(struct rain_peer *peer)
{
	peer->last_contact_ms = rain_clock_realtime_ms();
}

void rain_peers_hear_clock(struct rain_peer *peer, const char *date)
{
	int64_t ahead_ms;

	if (rain_http_date_ahead(date, rain_clock_realtime_ms(), &ahead_ms) < 0)
		return;
	peer->clock_ahead_ms = ahead_ms;
	peer->clock_known = true;
}

static void observe(void *observer, const struct rain_http_result *result)
{
	struct rain_peer *peer = observer;

	peer->reachable = result->connected;
	if (result->status)
		rain_peers_seen(peer);
	else
		peer->failed_ms = rain_clock_realtime_ms();
	if (!result->connected && peer->address_count)
		peer->address_next = (peer->address_next + 1) % peer->address_count;
}

struct rain_http_transfer *rain_peers_request(struct rain_gateway *gateway, struct rain_peer *peer,
					      const struct rain_http_call *call,
					      struct rain_error *err)
{
	struct rain_http_call full = *call;

	if (peer->removed) {
		rain_error_set(err, "%s is no peer any more", peer->name);
		return NULL;
	}
	if (peer->address_count == 0) {
		rain_error_set(err, "peer %s has no address that could be dialled", peer->name);
		return NULL;
	}
	full.address = peer->addresses[peer->address_next % peer->address_count];
	full.key = peer->key;
	full.observe = observe;
	full.observer = peer;
	return rain_http_client_start(gateway->client, &full, err);
}
