// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/tokens.h"
#include "federation/peers_internal.h"

#define FRESH_MS 1000

/* What only the database knows of each peer; no figure of it grows dear with time. */
static const char query[] =
	"SELECT p.peer_id, p.outbox_seq, p.outbox_seq - p.outbox_acked, b.balance, b.held, b.credit_limit, "
	"p.refused, "
	"(SELECT count(*) FROM federation.receipt r WHERE r.peer_id = p.peer_id AND r.disputed IS NOT NULL) + "
	"(SELECT count(*) FROM federation.receipt_refused r WHERE r.peer_id = p.peer_id) "
	"FROM federation.peer p LEFT JOIN LATERAL ledger.balance('peer:' || p.name) b ON true "
	"WHERE p.removed_at IS NULL ORDER BY p.name";

enum column { SENT = 1, OUTBOX, BALANCE, HELD, LIMIT, REFUSED, DISPUTED };

struct writer {
	struct rain_gateway *gateway;
	FILE *out;
	PGresult *rows; /* NULL: the database is away */
};

static void head(const struct writer *w, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(w->out, "# TYPE %s %s\n", name, type);
	if (unit)
		fprintf(w->out, "# UNIT %s %s\n", name, unit);
	fprintf(w->out, "# HELP %s %s\n", name, help);
}

/* Peers that are there, one after the other. */
static struct rain_peer *next_peer(const struct writer *w, size_t *i)
{
	const struct rain_peers *peers = w->gateway->peers;

	while (*i < rain_peers_count(peers)) {
		struct rain_peer *peer = rain_peers_at(peers, (*i)++);

		if (!peer->removed)
			return peer;
	}
	return NULL;
}

static void up(const struct writer *w)
{
	const struct rain_peer *peer;

	head(w, "rain_peer_up", "gauge", NULL, "1 when messages reach the peer.");
	for (size_t i = 0; (peer = next_peer(w, &i));)
		fprintf(w->out, "rain_peer_up{peer=\"%s\"} %d\n", peer->name,
			strcmp(rain_peers_state(w->gateway, peer), "up") == 0);
}

static int64_t silence_ms(const struct rain_peer *peer)
{
	int64_t age = rain_clock_realtime_ms() - peer->last_contact_ms;

	return !peer->last_contact_ms ? -1 : age > 0 ? age : 0;
}

static int64_t latency_ms(const struct rain_peer *peer)
{
	return peer->latency_ms;
}

static void milliseconds(const struct writer *w, const char *name, const char *peer, int64_t ms)
{
	fprintf(w->out, "%s{peer=\"%s\"} %s%" PRId64 ".%03" PRId64 "\n", name, peer, ms < 0 ? "-" : "",
		(ms < 0 ? -ms : ms) / 1000, (ms < 0 ? -ms : ms) % 1000);
}

/* Negative is unknown. */
static void seconds(const struct writer *w, const char *name, const char *help,
		    int64_t (*of)(const struct rain_peer *peer))
{
	const struct rain_peer *peer;

	head(w, name, "gauge", "seconds", help);
	for (size_t i = 0; (peer = next_peer(w, &i));)
		if (of(peer) >= 0)
			milliseconds(w, name, peer->name, of(peer));
}

static void clocks(const struct writer *w)
{
	static const char name[] = "rain_peer_clock_ahead_seconds";
	const struct rain_peer *peer;

	head(w, name, "gauge", "seconds", "Its clock against ours, known to half a second.");
	for (size_t i = 0; (peer = next_peer(w, &i));)
		if (peer->clock_known)
			milliseconds(w, name, peer->name, peer->clock_ahead_ms);
}

static void column(const struct writer *w, const char *name, const char *type, enum column column,
		   const char *help)
{
	head(w, name, type, NULL, help);
	for (int i = 0; i < PQntuples(w->rows); i++) {
		const struct rain_peer *peer = rain_peers_by_row(w->gateway->peers, rain_store_int64(w->rows, i, 0));

		if (peer)
			fprintf(w->out, "%s%s{peer=\"%s\"} %" PRId64 "\n", name,
				strcmp(type, "counter") ? "" : "_total", peer->name,
				rain_store_int64(w->rows, i, column));
	}
}

static void tokens(const struct writer *w, const char *name, enum column column, const char *help)
{
	char text[RAIN_TOKENS_TEXT_SIZE];

	head(w, name, "gauge", "tokens", help);
	for (int i = 0; i < PQntuples(w->rows); i++) {
		const struct rain_peer *peer = rain_peers_by_row(w->gateway->peers, rain_store_int64(w->rows, i, 0));

		if (peer)
			fprintf(w->out, "%s{peer=\"%s\"} %s\n", name, peer->name,
				rain_tokens_format(rain_store_int64(w->rows, i, column), text));
	}
}

static void tallies(const struct writer *w, const char *name, enum rain_tally_kind kind, const char *label,
		    const char *help)
{
	const struct rain_peer *peer;

	head(w, name, "counter", NULL, help);
	for (size_t i = 0; (peer = next_peer(w, &i));)
		for (const struct rain_tally *t = peer->tallies; t; t = t->next)
			if (t->kind == kind)
				fprintf(w->out, "%s_total{peer=\"%s\",%s=\"%s\"} %" PRId64 "\n", name, peer->name,
					label, t->label, t->count);
}

static void write_all(const struct writer *w)
{
	head(w, "rain_gateway_database_up", "gauge", NULL, "1 when the database answers.");
	fprintf(w->out, "rain_gateway_database_up %d\n", w->rows != NULL);
	up(w);
	seconds(w, "rain_peer_silence_seconds", "Since the peer was last heard of.", silence_ms);
	seconds(w, "rain_peer_latency_seconds", "What the last short request took.", latency_ms);
	clocks(w);
	tallies(w, "rain_peer_applied_messages", RAIN_TALLY_APPLIED, "type",
		"Its messages, since the gateway started.");
	tallies(w, "rain_peer_bursts", RAIN_TALLY_BURSTS, "outcome",
		"Our jobs there that came to an end, since the gateway started.");
	tallies(w, "rain_peer_loans", RAIN_TALLY_LOANS, "outcome",
		"Its jobs here that came to an end, since the gateway started.");
	for (size_t i = 0; w->gateway->modules[i]; i++)
		if (w->gateway->modules[i]->metrics)
			w->gateway->modules[i]->metrics(w->gateway, w->out);
	if (!w->rows)
		return;
	column(w, "rain_peer_sent_messages", "counter", SENT, "Messages to it, since it is a peer.");
	column(w, "rain_peer_outbox_messages", "gauge", OUTBOX, "Messages that wait for it.");
	column(w, "rain_peer_refused_messages", "gauge", REFUSED, "Its messages that made no sense.");
	column(w, "rain_peer_disputed_receipts", "gauge", DISPUTED, "Receipts disputed or refused.");
	tokens(w, "rain_peer_balance_tokens", BALANCE, "Positive: what we owe it.");
	tokens(w, "rain_peer_held_tokens", HELD, "Promised to it for loans that run.");
	tokens(w, "rain_peer_credit_limit_tokens", LIMIT, "How much it may owe us.");
}

static int read_rows(PGconn *tx, void *arg, struct rain_error *err)
{
	PGresult **rows = arg;

	PQclear(*rows);
	*rows = rain_store_query(tx, err, query, 0);
	return *rows ? 0 : -1;
}

char *rain_gateway_metrics_text(struct rain_gateway *gateway)
{
	struct writer w = {.gateway = gateway};
	struct rain_error err = {{0}};
	char *text = NULL;
	size_t size;

	if (gateway->metrics_text && rain_clock_monotonic_ms() - gateway->metrics_ms < FRESH_MS)
		return strdup(gateway->metrics_text);
	w.out = open_memstream(&text, &size);
	if (!w.out)
		return NULL;
	if (rain_store_transaction(gateway->store, read_rows, &w.rows, &err) < 0) {
		PQclear(w.rows);
		w.rows = NULL;
	}
	write_all(&w);
	fputs("# EOF\n", w.out);
	PQclear(w.rows);
	if (fclose(w.out) != 0) {
		free(text);
		return NULL;
	}
	free(gateway->metrics_text);
	gateway->metrics_text = strdup(text);
	gateway->metrics_ms = rain_clock_monotonic_ms();
	return text;
}

static json_t *op_metrics(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			  struct rain_error *err)
{
	char *text = rain_gateway_metrics_text(arg);
	json_t *answer = text ? json_pack("{s:s}", "text", text) : NULL;

	(void)caller;
	(void)request;
	if (!answer)
		rain_error_set(err, "no memory for the metrics");
	free(text);
	return answer;
}

const struct rain_rpc_op rain_metrics_ops[] = {
	{"metrics", op_metrics},
	{NULL, NULL},
};
