// SPDX-License-Identifier: GPL-2.0-or-later
/* The inviter's side: invitations, and POST /v1/join. */
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/invitation.h"
#include "federation/peers_internal.h"

int rain_peers_check_administrator(struct rain_gateway *gateway,
				   const struct rain_rpc_caller *caller, struct rain_error *err)
{
	if (rain_gateway_is_administrator(gateway, caller->uid))
		return 0;
	return rain_error_set(err, "only administrators of this cluster may do that: root and those "
				   "in ledger.administrators of %s", gateway->config->path);
}

/* ---- storing a peer ---- */

static int open_account(struct rain_gateway *gateway, PGconn *tx, const char *name,
			struct rain_error *err)
{
	char limit[RAIN_STORE_INT64_SIZE];

	if (rain_store_execute(tx, err, "SELECT ledger.account_ensure_peer($1, $2::bigint)", 2, name,
			       rain_store_format_int64(gateway->config->lend.credit_limit,
						       limit)) == 0)
		return 0;
	return rain_error_prefix(err, "the account peer:%s can't be opened", name);
}

int rain_peers_store(struct rain_gateway *gateway, PGconn *tx, const char *name,
		     const struct rain_card *card, const json_t *object, int64_t *row,
		     char *stored_name, struct rain_error *err)
{
	char *key = rain_store_format_bytes(card->key, sizeof(card->key));
	char *text = rain_json_canonical(object);
	json_t *own = rain_peers_own_card(gateway, NULL);
	char *own_text = own ? rain_json_canonical(own) : NULL;
	PGresult *rows = NULL;
	int result = -1;

	if (!key || !text || !own_text)
		rain_error_set(err, "out of memory");
	else if (strlen(text) > RAIN_LIMIT_CARD)
		rain_error_set(err, "the card is larger than %d bytes", RAIN_LIMIT_CARD);
	else /* a known key keeps its name: joining again only renews the card */
		rows = rain_store_query(tx, err,
					"INSERT INTO federation.peer (name, key, card, card_sent) "
					"VALUES ($1, $2::bytea, $3, $4) ON CONFLICT (key) DO UPDATE "
					"SET card = excluded.card, card_sent = excluded.card_sent, "
					"removed_at = NULL "
					"RETURNING peer_id, name",
					4, name, key, text, own_text);
	if (rows) {
		*row = rain_store_int64(rows, 0, 0);
		snprintf(stored_name, 17, "%s", rain_store_text(rows, 0, 1));
		result = open_account(gateway, tx, stored_name, err);
		PQclear(rows);
	} else if (key && text && own_text && strcmp(rain_store_sqlstate(tx), "23505") == 0) {
		rain_error_set(err, "another peer is called '%s' here already", name);
	}
	json_decref(own);
	free(own_text);
	free(text);
	free(key);
	return result;
}

/* ---- peer-invite ---- */

struct invite {
	struct rain_gateway *gateway;
	const char *key; /* \x… */
	const char *name;
	const char *valid_s;
};

static int store_invitation(PGconn *tx, void *arg, struct rain_error *err)
{
	struct invite *invite = arg;
	PGresult *rows = rain_store_query(tx, err,
					  "SELECT count(*) FROM federation.invitation "
					  "WHERE expires_at > clock_timestamp() AND used_by IS NULL",
					  0);
	int64_t open;

	if (!rows)
		return -1;
	open = rain_store_int64(rows, 0, 0);
	PQclear(rows);
	if (open >= RAIN_LIMIT_INVITATIONS_OPEN)
		return rain_error_set(err, "%d invitations are open already: wait until one has "
					   "been used or has ended", RAIN_LIMIT_INVITATIONS_OPEN);
	return rain_store_execute(tx, err,
				  "INSERT INTO federation.invitation (key, name, expires_at) VALUES "
				  "($1::bytea, $2, clock_timestamp() + make_interval(secs => $3::int))",
				  3, invite->key, invite->name, invite->valid_s);
}

static int check_invite(struct rain_gateway *gateway, const char *name, struct rain_error *err)
{
	char **addresses = gateway->config->gateway.addresses;

	if (!addresses || !addresses[0])
		return rain_error_set(err, "this cluster has no address that others can dial "
					   "(gateway.addresses in %s): set one, or let the other "
					   "cluster invite this one", gateway->config->path);
	if (!rain_peers_are_loaded(gateway->peers))
		return rain_error_set(err, "the gateway can't read its database yet: try again when "
					   "PostgreSQL runs");
	if (!name)
		return 0;
	if (!rain_config_name_is_valid(name))
		return rain_error_set(err, "'%s' is no name for a peer: a small letter, then up to 15 "
					   "small letters, digits and '-'", name);
	if (rain_peers_by_name(gateway->peers, name) ||
	    strcmp(name, gateway->config->cluster_name) == 0)
		return rain_error_set(err, "'%s' is %s already", name,
				      rain_peers_by_name(gateway->peers, name) ? "a peer here"
									       : "this cluster");
	return 0;
}

static void fill(struct rain_gateway *gateway, struct rain_invitation *invitation)
{
	snprintf(invitation->name, sizeof(invitation->name), "%s", gateway->config->cluster_name);
	memcpy(invitation->key, gateway->identity.key, sizeof(invitation->key));
	randombytes_buf(invitation->seed, sizeof(invitation->seed));
	invitation->addresses = gateway->config->gateway.addresses;
	while (invitation->addresses[invitation->address_count])
		invitation->address_count++;
}

json_t *rain_peers_op_invite(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct rain_invitation invitation = {0};
	unsigned char public[RAIN_IDENTITY_KEY_SIZE], secret[64];
	char valid[RAIN_STORE_INT64_SIZE], *line = NULL, *key;
	struct invite invite = {gateway};
	json_t *result = NULL;

	if (rain_peers_check_administrator(gateway, caller, err) < 0 ||
	    rain_json_int_or(request, "valid_s", 1, RAIN_LIMIT_INVITATION_VALID_S,
			     RAIN_LIMIT_INVITATION_VALID_DEFAULT_S, &invitation.valid_s, err) < 0 ||
	    rain_json_string_or(request, "name", 16, NULL, &invite.name, err) < 0 ||
	    check_invite(gateway, invite.name, err) < 0)
		return NULL;
	fill(gateway, &invitation);
	crypto_sign_seed_keypair(public, secret, invitation.seed);
	sodium_memzero(secret, sizeof(secret));
	line = rain_invitation_format(&invitation, err);
	key = rain_store_format_bytes(public, sizeof(public));
	invite.key = key;
	invite.valid_s = rain_store_format_int64(invitation.valid_s, valid);
	if (line && key && rain_store_transaction(gateway->store, store_invitation, &invite, err) == 0) {
		if (rain_peers_invitation_add(gateway->peers, public, invitation.valid_s * 1000) == 0)
			result = json_pack("{s:s,s:I}", "line", line, "valid_s",
					   (json_int_t)invitation.valid_s);
		else
			rain_error_set(err, "out of memory");
	}
	if (result)
		rain_log_info("invited a peer valid_s=%lld uid=%u", (long long)invitation.valid_s,
			      (unsigned)caller->uid);
	invitation.addresses = NULL; /* the config's own */
	invitation.address_count = 0;
	rain_invitation_release(&invitation);
	if (line)
		sodium_memzero(line, strlen(line));
	free(line);
	free(key);
	return result;
}

/* ---- POST /v1/join ---- */

struct joining {
	struct rain_gateway *gateway;
	const unsigned char *invitation;
	json_t *object; /* borrowed from the body */
	struct rain_card card;
	int64_t row;
	char name[17];
	int status; /* of the refusal */
};

/* Checks that the invitation may be used by card.key; its `name` or NULL in
 * alias (17 bytes, "" for none). */
static int consume(struct joining *joining, PGconn *tx, char *alias, struct rain_error *err)
{
	char *key = rain_store_format_bytes(joining->invitation, RAIN_IDENTITY_KEY_SIZE);
	unsigned char used[RAIN_IDENTITY_KEY_SIZE];
	PGresult *rows;
	int result = 0;

	rows = rain_store_query(tx, err,
				"SELECT i.name, p.key, expires_at > clock_timestamp() FROM "
				"federation.invitation i LEFT JOIN federation.peer p ON "
				"p.peer_id = i.used_by WHERE i.key = $1::bytea FOR UPDATE OF i",
				1, key);
	free(key);
	if (!rows)
		return -1;
	joining->status = 403;
	if (PQntuples(rows) == 0 || !rain_store_bool(rows, 0, 2))
		result = rain_error_set(err, "this invitation has ended: ask for a new one");
	else if (!rain_store_is_null(rows, 0, 1) &&
		 (rain_store_bytes(rows, 0, 1, used, sizeof(used)) < 0 ||
		  memcmp(used, joining->card.key, sizeof(used)) != 0))
		result = rain_error_set(err, "this invitation has been used by another cluster: ask "
					     "for a new one");
	else
		snprintf(alias, 17, "%s", rain_store_text(rows, 0, 0));
	PQclear(rows);
	return result;
}

static int join_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct joining *joining = arg;
	struct rain_gateway *gateway = joining->gateway;
	char alias[17] = "", row[RAIN_STORE_INT64_SIZE], *key;
	const char *name;
	int result;

	if (consume(joining, tx, alias, err) < 0)
		return -1;
	name = alias[0] ? alias : joining->card.name;
	joining->status = 409;
	if (strcmp(name, gateway->config->cluster_name) == 0)
		return rain_error_set(err, "both clusters are called '%s': %s has to invite again "
					   "with --name and another name", name, name);
	if (rain_peers_store(gateway, tx, name, &joining->card, joining->object, &joining->row,
			     joining->name, err) < 0) {
		if (strcmp(rain_store_sqlstate(tx), "23505") == 0)
			rain_error_set(err, "%s has another peer that is called '%s': it has to "
					    "invite again with --name and another name",
				       gateway->config->cluster_name, name);
		return -1;
	}
	key = rain_store_format_bytes(joining->invitation, RAIN_IDENTITY_KEY_SIZE);
	result = rain_store_execute(tx, err,
				    "UPDATE federation.invitation SET used_by = $2::bigint "
				    "WHERE key = $1::bytea",
				    2, key, rain_store_format_int64(joining->row, row));
	free(key);
	return result;
}

/* Reads and checks the body; answers when it is wrong. */
static int read_join(struct rain_http_request *request, struct joining *joining)
{
	const json_t *body = rain_http_request_json(request);
	struct rain_gateway *gateway = joining->gateway;
	struct rain_error err = {{0}};

	if (!body)
		return -1;
	if (rain_card_join_parse(body, gateway->identity.key, joining->invitation, &joining->card,
				 &joining->object, &err) < 0)
		rain_http_reply_error(request, 400, "%s", err.text);
	else if (memcmp(joining->card.key, gateway->identity.key, sizeof(joining->card.key)) == 0)
		rain_http_reply_error(request, 400, "this is this cluster's own invitation");
	else if (!joining->card.protocol)
		rain_http_reply_error(request, 426, "the clusters have no protocol version in common "
						    "(%s speaks %d): update the older one",
				      gateway->config->cluster_name, RAIN_PROTOCOL_VERSION);
	else
		return 0;
	return -1;
}

static void on_join(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct joining joining = {gateway, rain_http_request_key(request)};
	struct rain_error err = {{0}};
	struct rain_peer *peer;

	if (read_join(request, &joining) < 0)
		goto out;
	if (gateway->peers->count == RAIN_LIMIT_PEERS) {
		rain_http_reply_error(request, 507, "%s has %d peers already",
				      gateway->config->cluster_name, RAIN_LIMIT_PEERS);
		goto out;
	}
	if (rain_store_transaction(gateway->store, join_work, &joining, &err) < 0) {
		rain_log_warning("refused a cluster that calls itself %s: %s", joining.card.name,
				 err.text);
		rain_http_reply_store_error(request, joining.status ? joining.status : 500, &err);
		goto out;
	}
	peer = rain_peers_add(gateway, joining.row, joining.name, &joining.card, joining.object);
	if (peer)
		rain_peers_joined(gateway, peer);
	rain_http_reply_json(request, 200, json_pack("{s:o}", "card", rain_peers_own_card(gateway, NULL)));
out:
	rain_card_release(&joining.card);
}

const struct rain_http_route rain_peers_routes[] = {
	{RAIN_HTTP_JOIN, "POST", "/v1/join", on_join, 2 * RAIN_LIMIT_CARD, NULL, NULL},
	{0},
};
