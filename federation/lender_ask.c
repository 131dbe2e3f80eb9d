/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks of peers: an offer with a lease of some seconds, or why not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tokens.h"
#include "federation/policy.h"

#define FRESH_MS 1000	     /* a picture of the nodes this old will do */
#define LEASE_MS 6000	     /* how long we keep nodes free */
#define LEASE_TOLD_MS 5000   /* … and what we say, for the way takes time, too */
#define ANSWER_MS 5000
#define PENDING_MAX 256	     /* asks that wait for the broker */
#define LEASES_MAX 256
#define CAPACITY_EVERY_MS 30000

struct lease {
	struct lease *next;
	char id[RAIN_UUID_SIZE], user[RAIN_USER_SIZE];
	int64_t peer, until_ms;
	struct rain_shape shape;
	struct rain_terms terms;
};

struct pending {
	struct pending *next;
	struct rain_peer *peer;
	char id[RAIN_UUID_SIZE], user[RAIN_USER_SIZE], arch[RAIN_ARCH_SIZE];
	struct rain_shape shape;
	int64_t expected_s, asked_ms;
	int64_t limit_utok;  /* what the ledger would still let the peer owe us */
	int64_t credit_utok; /* … and what the policy would */
	int64_t owed_utok;   /* what we owe the peer */
	bool offer, capacity;
	struct rain_capacity room; /* … that there is, of a refusal for want of it */
	int64_t credit_left_utok; /* of a refusal for want of credit: what would be within it */
	struct rain_terms terms;
	char reason[RAIN_REASON_SIZE];
};

struct rain_leases {
	struct lease *list;
	struct pending *pending;
	size_t lease_count, pending_count;
	struct event *answer;
	bool asking;
	int64_t read_ms, asked_ms; /* monotonic, of the picture */
	int64_t nodes_idle, nodes_planned; /* planned: idle until window_ms, then an owner's job's */
	int64_t window_ms, nodes_total, cpus_per_node, mem_mb_per_node;
	char reason[RAIN_REASON_SIZE], arch[RAIN_ARCH_SIZE];
	bool known;
};

static struct rain_leases *leases_of(const struct rain_gateway *gateway)
{
	return rain_mind_of(gateway)->leases;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool lends(const struct rain_gateway *gateway)
{
	return gateway->config->lend.enabled && gateway->config->lend.guest_uid_max > 0;
}

/* --- leases --- */

static struct lease **lease_find(struct rain_leases *leases, const char *id)
{
	struct lease **at = &leases->list;

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

void rain_leases_drop(struct rain_gateway *gateway, const char *id)
{
	struct rain_leases *leases = leases_of(gateway);
	struct lease **at = lease_find(leases, id), *lease = *at;

	if (!lease)
		return;
	*at = lease->next;
	leases->lease_count--;
	free(lease);
}

static void leases_expire(struct rain_leases *leases)
{
	struct lease **at = &leases->list, *lease;
	int64_t now = rain_clock_monotonic_ms();

	while ((lease = *at)) {
		if (lease->until_ms > now) {
			at = &lease->next;
			continue;
		}
		*at = lease->next;
		leases->lease_count--;
		free(lease);
	}
}

bool rain_leases_fits(const struct rain_gateway *gateway, const struct rain_peer *peer,
		      const struct rain_message *order)
{
	const struct lease *lease = *lease_find(leases_of(gateway), order->burst);

	return lease && lease->peer == peer->row && !strcmp(lease->user, order->user) &&
	       lease->until_ms > rain_clock_monotonic_ms() &&
	       !memcmp(&lease->shape, &order->shape, sizeof lease->shape) &&
	       !memcmp(&lease->terms, &order->terms, sizeof lease->terms);
}

/* Already missing among the idle nodes of the picture. */
static bool shows_as_taken(const struct rain_gateway *gateway, const struct rain_live_loan *loan)
{
	const struct rain_queue *queue = &rain_mind_of(gateway)->queue;
	const struct rain_queue_job *job = rain_queue_find(queue, loan->row.job_id);

	return job && !strcmp(job->state, "RUNNING") && queue->asked_ms <= leases_of(gateway)->read_ms;
}

/* Nodes that are promised but don't show as taken yet. */
static int64_t nodes_promised(const struct rain_gateway *gateway)
{
	int64_t nodes = 0;

	for (const struct lease *l = leases_of(gateway)->list; l; l = l->next)
		if (!rain_loan_live(gateway, l->id))
			nodes += l->shape.nodes;
	for (const struct rain_live_loan *l = rain_mind_of(gateway)->loans; l; l = l->next)
		if ((l->row.record.state == RAIN_LOAN_ACCEPTED || l->row.record.state == RAIN_LOAN_SUBMITTED ||
		     l->row.record.state == RAIN_LOAN_RELEASED) && !shows_as_taken(gateway, l))
			nodes += l->row.shape.nodes;
	return nodes;
}

void rain_leases_promised(const struct rain_gateway *gateway, int64_t peer, const char *user, int64_t *nodes,
			  int64_t *cores)
{
	for (const struct lease *l = leases_of(gateway)->list; l; l = l->next)
		if ((!peer || l->peer == peer) && (!user || !strcmp(l->user, user)) && !rain_loan_live(gateway, l->id)) {
			*nodes += l->shape.nodes;
			*cores += rain_shape_cores(&l->shape);
		}
}

/* Tokens that leases would hold, of one peer. */
static int64_t tokens_promised(const struct rain_gateway *gateway, int64_t peer)
{
	int64_t utok = 0;

	for (const struct lease *l = leases_of(gateway)->list; l; l = l->next)
		if (l->peer == peer && !rain_loan_live(gateway, l->id))
			utok += l->terms.ceiling_utok;
	return utok;
}

/* --- deciding --- */

__attribute__((format(printf, 2, 3)))
static void refuse(struct pending *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->reason, sizeof p->reason, fmt, args);
	va_end(args);
	p->offer = false;
}

/* Guests may have what no owner's job is to have, and the rest until the first of these
 * begins.  Slurm holds the same rule when it starts them: by their time limits. */
static enum rain_overflow_verdict judge_room(const struct rain_gateway *gateway, struct pending *p)
{
	const struct rain_leases *leases = leases_of(gateway);
	struct rain_candidate job = { .procs = (int32_t)p->shape.nodes, .minutes = (int32_t)p->shape.minutes,
				      .plan = (int32_t)p->shape.minutes * 60, .waits = -1, .max_price = -1 };
	int64_t promised = nodes_promised(gateway), window = leases->window_ms - rain_clock_monotonic_ms();
	int64_t extra = leases->nodes_idle - promised, all = extra + leases->nodes_planned;

	p->room = (struct rain_capacity){ .window = INT32_MAX, .credit = INT64_MAX,
					  .free = all > 0 ? (int32_t)all : 0, .extra = extra > 0 ? (int32_t)extra : 0 };
	if (leases->nodes_planned > 0)
		p->room.window = window > 0 ? (int32_t)least(window / 1000, INT32_MAX) : 0;
	return rain_overflow_judge(&job, &p->room);
}

static void decide_room(struct rain_gateway *gateway, struct pending *p)
{
	const struct rain_leases *leases = leases_of(gateway);
	enum rain_overflow_verdict verdict = judge_room(gateway, p);

	p->capacity = true;
	if (leases->nodes_idle + leases->nodes_planned == 0 && leases->reason[0])
		refuse(p, "%s", leases->reason);
	else if (verdict == RAIN_OVERFLOW_OWNER)
		refuse(p, "%d of %d free nodes are an owner's in %d s: too soon for a job of %" PRId64 " min",
		       p->room.free - p->room.extra, p->room.free, p->room.window, p->shape.minutes);
	else if (verdict != RAIN_OVERFLOW_GO)
		refuse(p, "%d nodes are free for guests, %" PRId64 " are needed", p->room.free, p->shape.nodes);
	else if (leases->lease_count >= LEASES_MAX)
		refuse(p, "too many offers are open");
	else
		p->offer = true;
}

/* Favours: what the policy allows, within the hard limit that the ledger holds. */
static void decide_credit(struct rain_gateway *gateway, struct pending *p)
{
	char left[RAIN_TOKENS_TEXT_SIZE], needed[RAIN_TOKENS_TEXT_SIZE];
	int64_t hard = p->limit_utok - tokens_promised(gateway, p->peer->row);
	int64_t credit = least(p->credit_utok, hard), ceiling = p->terms.ceiling_utok;

	if (ceiling <= credit) {
		decide_room(gateway, p);
		return;
	}
	rain_tokens_format(credit > 0 ? credit : 0, left);
	rain_tokens_format(ceiling, needed);
	if (hard < ceiling)
		refuse(p, "your credit here is %s tokens, %s are needed (bounded by your credit limit)", left, needed);
	else
		refuse(p, "your credit here is %s tokens, %s are needed: it grows with what your cluster runs for us",
		       left, needed);
	p->credit_left_utok = credit > 1 ? credit : 1;
}

static void decide_price(struct rain_gateway *gateway, struct pending *p)
{
	struct rain_error err;

	p->terms.mflops = rain_policy_mflops(gateway);
	p->terms.percent = rain_lender_bounds(gateway, p->peer->name, p->user)->price_percent;
	if (p->terms.mflops == 0)
		refuse(p, "this cluster is not calibrated, so it has no price");
	else if (rain_mind_price(&p->terms, rain_shape_cores(&p->shape) * p->shape.minutes * 60000,
				 &p->terms.ceiling_utok, &err))
		refuse(p, "%.200s", err.text);
	else
		decide_credit(gateway, p);
}

static void decide(struct rain_gateway *gateway, struct pending *p)
{
	const struct rain_leases *leases = leases_of(gateway);
	struct rain_lender_answer answer;
	int64_t per_node = (rain_shape_cores(&p->shape) + p->shape.nodes - 1) / p->shape.nodes;

	p->offer = p->capacity = false;
	p->room = (struct rain_capacity){ 0 };
	if (p->arch[0] && leases->arch[0] && strcmp(p->arch, leases->arch) != 0)
		refuse(p, "these nodes are %s, the job needs %s", leases->arch, p->arch);
	else if (!rain_lender_may(gateway, p->peer, p->user, &p->shape, &answer)) {
		refuse(p, "%s", answer.reason);
		p->capacity = answer.capacity;
	} else if (p->shape.nodes > leases->nodes_total)
		refuse(p, "%" PRId64 " nodes are for guests, not %" PRId64, leases->nodes_total, p->shape.nodes);
	else if (per_node > leases->cpus_per_node)
		refuse(p, "these nodes have %" PRId64 " CPUs, the job needs %" PRId64, leases->cpus_per_node, per_node);
	else
		decide_price(gateway, p);
}

static void lease_make(struct rain_gateway *gateway, const struct pending *p)
{
	struct rain_leases *leases = leases_of(gateway);
	struct lease *lease = *lease_find(leases, p->id);

	if (!lease) {
		lease = calloc(1, sizeof *lease);
		if (!lease)
			return; /* the order will find no lease and be rejected */
		lease->next = leases->list;
		leases->list = lease;
		leases->lease_count++;
	}
	strcpy(lease->id, p->id);
	strcpy(lease->user, p->user);
	lease->peer = p->peer->row;
	lease->shape = p->shape;
	lease->terms = p->terms;
	lease->until_ms = rain_clock_monotonic_ms() + LEASE_MS;
}

/* --- answering --- */

static int credit_of(struct rain_gateway *gateway, PGconn *tx, struct pending *p, struct rain_error *err)
{
	PGresult *rows = rain_store_query(tx, err,
		"SELECT ledger.account_available(ledger.account_id('peer:' || $1))", 1, p->peer->name);

	if (!rows)
		return -1;
	p->limit_utok = rain_store_int64(rows, 0, 0);
	PQclear(rows);
	return rain_standing_credit(gateway, tx, p->peer, tokens_promised(gateway, p->peer->row), &p->credit_utok,
				    &p->owed_utok, err);
}

/* The order among asks that compete is the policy's. */
static bool comes_before(const struct rain_overflow_policy *rule, const struct pending *a, const struct pending *b)
{
	struct rain_candidate x = { .submitted = a->asked_ms, .owed = a->owed_utok,
				    .expected = (int32_t)(a->expected_s ? a->expected_s : a->shape.minutes * 60) };
	struct rain_candidate y = { .submitted = b->asked_ms, .owed = b->owed_utok,
				    .expected = (int32_t)(b->expected_s ? b->expected_s : b->shape.minutes * 60) };

	return rain_overflow_ask_before(rule, &x, &y);
}

static void sort_pending(struct rain_gateway *gateway)
{
	const struct rain_overflow_policy *rule = &rain_policy_of(gateway)->rule;
	struct pending *sorted = NULL, *p, **at;

	while ((p = leases_of(gateway)->pending)) {
		leases_of(gateway)->pending = p->next;
		for (at = &sorted; *at && !comes_before(rule, p, *at); at = &(*at)->next)
			;
		p->next = *at;
		*at = p;
	}
	leases_of(gateway)->pending = sorted;
}

static int answer_one(struct rain_gateway *gateway, PGconn *tx, struct pending *p, struct rain_error *err)
{
	struct rain_message m = { .lease_ms = LEASE_TOLD_MS };
	int banned;

	/* What was just promised to the same peer counts. */
	if (credit_of(gateway, tx, p, err))
		return -1;
	p->credit_left_utok = 0;
	p->offer = p->capacity = false;
	banned = rain_ban_find(tx, p->peer, p->user, p->reason, err);
	if (banned < 0)
		return -1;
	if (!banned)
		decide(gateway, p);
	if (p->offer)
		lease_make(gateway, p); /* the next in line must see it */
	else
		rain_log_debug("refused peer=%s burst=%s: %s", p->peer->name, p->id, p->reason);
	m.type = p->offer ? RAIN_MESSAGE_OFFER : RAIN_MESSAGE_REFUSE;
	m.terms = p->terms;
	m.capacity = p->capacity;
	if (m.capacity && p->room.extra < p->room.free) {
		m.free_nodes = least(p->room.free, RAIN_NODES_MAX);
		m.extra_nodes = least(p->room.extra, RAIN_NODES_MAX);
		m.window_s = least(p->room.window, RAIN_MINUTES_MAX * 60);
	}
	m.credit_utok = p->credit_left_utok;
	strcpy(m.reason, p->reason);
	return rain_mind_send(gateway, tx, p->peer, p->id, &m, err);
}

static int answer_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;

	for (struct pending *p = leases_of(gateway)->pending; p; p = p->next)
		if (credit_of(gateway, tx, p, err))
			return -1;
	sort_pending(gateway);
	for (struct pending *p = leases_of(gateway)->pending; p; p = p->next)
		if (answer_one(gateway, tx, p, err))
			return -1;
	return 0;
}

static void answer_all(struct rain_gateway *gateway)
{
	struct rain_leases *leases = leases_of(gateway);
	struct pending *p;
	struct rain_error err;

	leases_expire(leases);
	if (leases->pending && rain_store_transaction(gateway->store, answer_work, gateway, &err)) {
		rain_log_warning("asks of peers can't be answered: %s", err.text);
		for (p = leases->pending; p; p = p->next)
			rain_leases_drop(gateway, p->id);
	}
	while ((p = leases->pending)) { /* who hears nothing asks again */
		leases->pending = p->next;
		leases->pending_count--;
		free(p);
	}
}

/* Whether our card says something else now. */
static bool read_capacity(struct rain_leases *leases, const json_t *result)
{
	int64_t total = leases->nodes_total, cpus = leases->cpus_per_node, mem = leases->mem_mb_per_node;
	const char *reason = json_string_value(json_object_get(result, "reason"));
	const char *arch = json_string_value(json_object_get(result, "arch"));

	leases->nodes_idle = json_integer_value(json_object_get(result, "nodes_idle"));
	leases->nodes_planned = json_integer_value(json_object_get(result, "nodes_planned"));
	leases->window_ms = leases->asked_ms + 1000 * json_integer_value(json_object_get(result, "window_s"));
	leases->nodes_total = json_integer_value(json_object_get(result, "nodes_total"));
	leases->cpus_per_node = json_integer_value(json_object_get(result, "cpus_per_node"));
	leases->mem_mb_per_node = json_integer_value(json_object_get(result, "mem_mb_per_node"));
	snprintf(leases->reason, sizeof leases->reason, "%s", reason ? reason : "");
	snprintf(leases->arch, sizeof leases->arch, "%s", arch ? arch : "");
	leases->known = true;
	return total != leases->nodes_total || cpus != leases->cpus_per_node || mem != leases->mem_mb_per_node;
}

static void on_capacity(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = leases_of(gateway);

	leases->asking = false;
	if (result) {
		leases->read_ms = leases->asked_ms;
		if (read_capacity(leases, result) && rain_peers_are_loaded(gateway->peers))
			rain_peers_card_announce(gateway);
	} else {
		leases->nodes_idle = leases->nodes_planned = 0;
		snprintf(leases->reason, sizeof leases->reason, "its Slurm can't be asked just now");
		rain_log_warning("the capacity for guests is not known: %s", error);
	}
	answer_all(gateway);
}

static void capacity_ask(struct rain_gateway *gateway)
{
	struct rain_leases *leases = leases_of(gateway);
	json_t *request = json_pack("{s:s}", "op", "capacity");
	struct rain_error err;

	leases->asked_ms = rain_clock_monotonic_ms();
	leases->asking = request &&
			 rain_rpc_client_call(gateway->broker, request, ANSWER_MS, on_capacity, gateway, &err) == 0;
	json_decref(request);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = leases_of(gateway);

	(void)fd;
	(void)what;
	if (!leases->pending || leases->asking)
		return;
	if (!lends(gateway) ||
	    (leases->known && leases->read_ms && rain_clock_monotonic_ms() - leases->read_ms < FRESH_MS))
		answer_all(gateway);
	else
		capacity_ask(gateway);
}

void rain_leases_ask(struct rain_gateway *gateway, const struct rain_peer *peer, const struct rain_message *m)
{
	struct rain_leases *leases = leases_of(gateway);
	struct pending **at = &leases->pending, *p;

	while ((p = *at) && strcmp(p->id, m->burst) != 0)
		at = &p->next;
	if (p || leases->pending_count >= PENDING_MAX || !(p = calloc(1, sizeof *p)))
		return;
	p->peer = rain_mind_peer(gateway, peer->row);
	strcpy(p->id, m->burst);
	strcpy(p->user, m->user);
	strcpy(p->arch, m->arch);
	p->shape = m->shape;
	p->expected_s = m->expected_s;
	p->asked_ms = rain_clock_monotonic_ms();
	*at = p; /* at the end */
	leases->pending_count++;
	event_active(leases->answer, EV_TIMEOUT, 0);
}

void rain_leases_tick(struct rain_gateway *gateway)
{
	struct rain_leases *leases = leases_of(gateway);

	leases_expire(leases);
	/* Our card tells what there is, so it should be known before anybody asks. */
	if (!leases->asking && lends(gateway) &&
	    (!leases->asked_ms || rain_clock_monotonic_ms() - leases->asked_ms > CAPACITY_EVERY_MS))
		capacity_ask(gateway);
}

int64_t rain_leases_processors(const struct rain_gateway *gateway)
{
	const struct rain_leases *leases = leases_of(gateway);

	return least(gateway->config->lend.bounds.max_nodes, leases->nodes_total) * leases->cpus_per_node;
}

json_t *rain_leases_card(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	const struct rain_leases *leases = leases_of(gateway);
	const struct rain_config_bounds *bounds = rain_lender_bounds(gateway, peer ? peer->name : "", NULL);
	struct rain_lender_answer answer;

	if (!rain_lender_lends(gateway, peer, &answer) || rain_policy_mflops(gateway) == 0)
		return json_pack("{s:i}", "nodes", 0);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "nodes",
			 (json_int_t)(leases->known ? least(bounds->max_nodes, leases->nodes_total) : bounds->max_nodes),
			 "minutes", (json_int_t)bounds->max_minutes, "mflops", (json_int_t)rain_policy_mflops(gateway),
			 "percent", (json_int_t)bounds->price_percent, "cpus_per_node",
			 (json_int_t)leases->cpus_per_node, "mem_mb_per_node", (json_int_t)leases->mem_mb_per_node,
			 "direct", 1);
}

int rain_leases_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_leases *leases = calloc(1, sizeof *leases);
	struct utsname system;

	if (!leases)
		return rain_error_set(err, "out of memory");
	rain_mind_of(gateway)->leases = leases;
	if (uname(&system) == 0)
		snprintf(leases->arch, sizeof leases->arch, "%.*s", (int)sizeof leases->arch - 1, system.machine);
	leases->answer = event_new(gateway->base, -1, 0, on_answer, gateway);
	return leases->answer ? 0 : rain_error_set(err, "out of memory for events");
}

void rain_leases_stop(struct rain_gateway *gateway)
{
	struct rain_leases *leases = leases_of(gateway);
	struct pending *p;

	if (!leases)
		return;
	while (leases->list)
		rain_leases_drop(gateway, leases->list->id);
	while ((p = leases->pending)) {
		leases->pending = p->next;
		free(p);
	}
	if (leases->answer)
		event_free(leases->answer);
	free(leases);
	rain_mind_of(gateway)->leases = NULL;
}
