// SPDX-License-Identifier: GPL-2.0-or-later
/* The acceptor's side of an invitation: dials, joins, stores.  Runs on in the
 * daemon while the command asks how it stands (operation peer-join). */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/invitation.h"
#include "federation/peers_internal.h"

#define JOINS_MAX 16
#define KEPT_MS (5 * 60 * 1000) /* an outcome that nobody asked for */

enum join_state { JOINING, JOINED, FAILED };

struct rain_peers_join {
	TAILQ_ENTRY(rain_peers_join) entry;
	int64_t number;
	struct rain_gateway *gateway;
	struct rain_invitation invitation;
	struct rain_identity once; /* the one-time key's certificate */
	char alias[17];
	size_t address; /* the one that is tried */
	char *body;
	struct rain_http_transfer *transfer;
	enum join_state state;
	int64_t ended_ms;
	struct rain_error error;

	/* While it is stored. */
	struct rain_card card;
	const json_t *object;
	int64_t row;
	char name[17];
};

static void join_destroy(struct rain_peers_join *join)
{
	rain_http_transfer_cancel(join->transfer);
	TAILQ_REMOVE(&join->gateway->peers->joins, join, entry);
	rain_invitation_release(&join->invitation);
	rain_identity_release(&join->once);
	free(join->body);
	free(join);
}

void rain_peers_joins_destroy(struct rain_peers *peers)
{
	struct rain_peers_join *join;

	while ((join = TAILQ_FIRST(&peers->joins)))
		join_destroy(join);
}

static void end(struct rain_peers_join *join, enum join_state state)
{
	join->state = state;
	join->ended_ms = rain_clock_monotonic_ms();
	rain_invitation_release(&join->invitation);
	rain_identity_release(&join->once);
	if (state == FAILED)
		rain_log_warning("could not join a cluster: %s", join->error.text);
}

static int store_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_peers_join *join = arg;

	return rain_peers_store(join->gateway, tx, join->alias, &join->card, join->object, &join->row,
				join->name, err);
}

/* The inviter has said yes, and this is its card. */
static int store_inviter(struct rain_peers_join *join, const struct rain_http_result *result,
			 struct rain_error *err)
{
	struct rain_gateway *gateway = join->gateway;
	json_t *answer = rain_json_parse(result->body, result->size, 2 * RAIN_LIMIT_CARD, err);
	json_t *object;
	struct rain_peer *peer = NULL;

	if (answer && rain_json_object(answer, "card", &object, err) == 0 &&
	    rain_card_parse(object, &join->card, err) == 0) {
		join->object = object;
		if (memcmp(join->card.key, join->invitation.key, sizeof(join->card.key)) != 0)
			rain_error_set(err, "its card is of another key than the invitation");
		else if (!join->card.protocol)
			rain_error_set(err, "the clusters have no protocol version in common");
		else if (rain_store_transaction(gateway->store, store_work, join, err) == 0) {
			peer = rain_peers_add(gateway, join->row, join->name, &join->card, object);
			if (!peer)
				rain_error_set(err, "out of memory, or too many peers");
		}
	}
	if (peer)
		rain_peers_joined(gateway, peer);
	rain_card_release(&join->card);
	json_decref(answer);
	if (peer)
		return 0;
	return rain_error_prefix(err, "%s has accepted, but it can't be stored here (run the same "
				      "command again)", join->invitation.name);
}

static void dial(struct rain_peers_join *join);

static void on_done(void *arg, const struct rain_http_result *result)
{
	struct rain_peers_join *join = arg;

	join->transfer = NULL;
	if (result->status == 200) {
		end(join, store_inviter(join, result, &join->error) == 0 ? JOINED : FAILED);
		return;
	}
	if (result->status == 0 && ++join->address < join->invitation.address_count) {
		dial(join);
		return;
	}
	if (result->status == 0 && result->connected)
		/* TLS 1.3: the server's refusal comes after our side of the handshake. */
		rain_error_set(&join->error, "%s refused the connection: the invitation has ended or "
					     "was never given; ask for a new one",
			       join->invitation.name);
	else
		rain_error_set(&join->error, "%s", result->error ? result->error : "no answer");
	end(join, FAILED);
}

static void dial(struct rain_peers_join *join)
{
	struct rain_http_call call = {
		.address = join->invitation.addresses[join->address],
		.key = join->invitation.key,
		.method = "POST",
		.path = "/v1/join",
		.body = join->body,
		.body_size = (int64_t)strlen(join->body),
		.reply_max = 2 * RAIN_LIMIT_CARD,
		.timeout_ms = RAIN_LIMIT_JOIN_MS,
		.certificate_pem = join->once.certificate_pem,
		.key_pem = join->once.key_pem,
		.done = on_done,
		.arg = join,
	};

	join->transfer = rain_http_client_start(join->gateway->client, &call, &join->error);
	if (!join->transfer)
		end(join, FAILED);
}

/* The signed body of POST /v1/join. */
static char *make_body(struct rain_peers_join *join)
{
	struct rain_gateway *gateway = join->gateway;
	json_t *card = rain_peers_own_card(gateway, NULL), *body = NULL;
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	char *bytes = NULL, *text = NULL, *encoded = NULL;

	if (card)
		bytes = rain_card_join_bytes(card, join->invitation.key, join->once.key);
	if (bytes) {
		rain_identity_sign(&gateway->identity, RAIN_DOMAIN_JOIN, bytes, strlen(bytes),
				   signature);
		encoded = rain_identity_base64(signature, sizeof(signature));
	}
	if (encoded)
		body = json_pack("{s:O,s:s}", "card", card, "signature", encoded);
	if (body)
		text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	json_decref(card);
	free(encoded);
	free(bytes);
	return text;
}

/* Everything that can be known before dialling. */
static int check(struct rain_gateway *gateway, const struct rain_invitation *invitation,
		 const char *alias, struct rain_error *err)
{
	const struct rain_peer *known = rain_peers_by_key(gateway->peers, invitation->key);
	const struct rain_peer *named = rain_peers_by_name(gateway->peers, alias);

	if (!rain_peers_are_loaded(gateway->peers))
		return rain_error_set(err, "the gateway can't read its database yet: try again when "
					   "PostgreSQL runs");
	if (memcmp(invitation->key, gateway->identity.key, sizeof(invitation->key)) == 0)
		return rain_error_set(err, "this is this cluster's own invitation: run 'rain peer "
					   "accept' on the cluster that is to join");
	if (!rain_config_name_is_valid(alias))
		return rain_error_set(err, "'%s' is no name for a peer: a small letter, then up to 15 "
					   "small letters, digits and '-'", alias);
	if (strcmp(alias, gateway->config->cluster_name) == 0)
		return rain_error_set(err, "the peer can't be called '%s' as this cluster is: choose "
					   "another name with --name", alias);
	if (named && named != known)
		return rain_error_set(err, "another peer is called '%s' already: choose another name "
					   "with --name", alias);
	return 0;
}

static void forget_old(struct rain_peers *peers)
{
	struct rain_peers_join *join, *next;
	int64_t now = rain_clock_monotonic_ms();

	for (join = TAILQ_FIRST(&peers->joins); join; join = next) {
		next = TAILQ_NEXT(join, entry);
		if (join->state != JOINING && now - join->ended_ms > KEPT_MS)
			join_destroy(join);
	}
}

static size_t count(const struct rain_peers *peers)
{
	const struct rain_peers_join *join;
	size_t found = 0;

	TAILQ_FOREACH(join, &peers->joins, entry)
		found++;
	return found;
}

json_t *rain_peers_op_accept(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct rain_peers *peers = gateway->peers;
	const char *line, *name;
	struct rain_peers_join *join;

	if (rain_peers_check_administrator(gateway, caller, err) < 0 ||
	    rain_json_string(request, "line", 2 * RAIN_LIMIT_INVITATION_LINE, &line, err) < 0 ||
	    rain_json_string_or(request, "name", 16, NULL, &name, err) < 0)
		return NULL;
	forget_old(peers);
	if (count(peers) >= JOINS_MAX) {
		rain_error_set(err, "%d invitations are being accepted already: try again later",
			       JOINS_MAX);
		return NULL;
	}
	join = calloc(1, sizeof(*join));
	if (!join) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	join->gateway = gateway;
	join->number = ++peers->join_last;
	TAILQ_INSERT_TAIL(&peers->joins, join, entry);
	if (rain_invitation_parse(line, &join->invitation, err) < 0 ||
	    check(gateway, &join->invitation, name ? name : join->invitation.name, err) < 0 ||
	    rain_identity_init(&join->once, join->invitation.seed, "rain-join", err) < 0) {
		join_destroy(join);
		return NULL;
	}
	snprintf(join->alias, sizeof(join->alias), "%s", name ? name : join->invitation.name);
	join->body = make_body(join);
	if (!join->body) {
		join_destroy(join);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	dial(join);
	return json_pack("{s:I}", "join", (json_int_t)join->number);
}

json_t *rain_peers_op_join(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			   struct rain_error *err)
{
	static const char *const states[] = {"joining", "joined", "failed"};
	struct rain_gateway *gateway = arg;
	struct rain_peers_join *join;
	json_t *result;
	int64_t number;

	if (rain_peers_check_administrator(gateway, caller, err) < 0 ||
	    rain_json_int(request, "join", 1, INT64_MAX, &number, err) < 0)
		return NULL;
	TAILQ_FOREACH(join, &gateway->peers->joins, entry) {
		if (join->number != number)
			continue;
		result = json_pack("{s:s,s:s,s:s}", "state", states[join->state], "peer", join->name,
				   "error", join->error.text);
		if (join->state != JOINING)
			join_destroy(join);
		return result;
	}
	rain_error_set(err, "the gateway knows nothing of this (it was restarted?): run the same "
			    "command again");
	return NULL;
}
