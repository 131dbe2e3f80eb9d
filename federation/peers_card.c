// SPDX-License-Identifier: GPL-2.0-or-later
/* Our card to the peers, and theirs to us. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/peers_internal.h"
#include "rain_config.h"

json_t *rain_peers_own_card(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	char *key = rain_identity_base64(gateway->identity.key, sizeof(gateway->identity.key));
	json_t *addresses = json_array(), *capabilities = json_object(), *card;

	for (char **address = gateway->config->gateway.addresses; address && *address; address++)
		json_array_append_new(addresses, json_string(*address));
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->card)
			gateway->modules[i]->card(gateway, peer, capabilities);
	card = json_pack("{s:[i],s:s,s:s,s:o,s:s,s:o}", "protocol", RAIN_PROTOCOL_VERSION, "name",
			 gateway->config->cluster_name, "key", key ? key : "", "addresses", addresses,
			 "software", PACKAGE_NAME " " PACKAGE_VERSION, "capabilities", capabilities);
	free(key);
	return card;
}

/* A card on its way through a transaction. */
struct announcement {
	struct rain_gateway *gateway;
	struct rain_peer *peer;
	json_t *body;
	const char *text;
};

static int announce(PGconn *tx, void *arg, struct rain_error *err)
{
	struct announcement *a = arg;
	char row[RAIN_STORE_INT64_SIZE];

	if (rain_store_execute(tx, err,
			       "UPDATE federation.peer SET card_sent = $2 WHERE peer_id = $1::bigint",
			       2, rain_store_format_int64(a->peer->row, row), a->text) < 0)
		return -1;
	return rain_mailbox_post(a->gateway, tx, a->peer, "card", a->body, err);
}

static void announce_to(struct rain_gateway *gateway, struct rain_peer *peer)
{
	json_t *card = rain_peers_own_card(gateway, peer);
	char *text = card ? rain_json_canonical(card) : NULL;
	json_t *body = card ? json_pack("{s:O}", "card", card) : NULL;
	struct announcement a = {gateway, peer, body, text};
	struct rain_error err = {{0}};

	if (!text || !body || (peer->card_sent && strcmp(peer->card_sent, text) == 0)) {
		free(text);
	} else if (rain_store_transaction(gateway->store, announce, &a, &err) < 0) {
		rain_log_warning("peer %s is not told our new card: %s", peer->name, err.text);
		free(text);
	} else {
		free(peer->card_sent);
		peer->card_sent = text;
	}
	json_decref(body);
	json_decref(card);
}

void rain_peers_card_announce(struct rain_gateway *gateway)
{
	for (size_t i = 0; i < gateway->peers->count; i++)
		if (!gateway->peers->peers[i]->removed)
			announce_to(gateway, gateway->peers->peers[i]);
}

static void follow_card(void *arg)
{
	struct rain_peer *peer = arg;
	struct rain_card card;

	if (rain_card_parse(peer->card_new, &card, NULL) == 0) {
		rain_log_info("a new card came peer=%s", peer->name);
		rain_peers_take_card(peer, &card, peer->card_new);
		rain_card_release(&card);
	}
}

int rain_peers_card_apply(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			  const json_t *body, struct rain_error *err)
{
	struct rain_peer *own = rain_peers_by_row(gateway->peers, peer->row);
	struct rain_card card;
	json_t *object;
	char row[RAIN_STORE_INT64_SIZE], *text;
	int result = -1;

	if (rain_json_object(body, "card", &object, err) < 0 ||
	    rain_card_parse(object, &card, err) < 0)
		return -1;
	text = rain_json_canonical(object);
	if (memcmp(card.key, peer->key, sizeof(card.key)) != 0)
		rain_error_set(err, "the card is of another key than the peer's");
	else if (!text || strlen(text) > RAIN_LIMIT_CARD)
		rain_error_set(err, "the card is larger than %d bytes", RAIN_LIMIT_CARD);
	else
		result = rain_store_execute(
			tx, err, "UPDATE federation.peer SET card = $2 WHERE peer_id = $1::bigint", 2,
			rain_store_format_int64(peer->row, row), text);
	free(text);
	rain_card_release(&card);
	if (result == 0) {
		json_decref(own->card_new);
		own->card_new = json_deep_copy(object);
		rain_store_after_commit(tx, follow_card, own);
	}
	return result;
}
