// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AMOUNT_MAX INT64_C(1000000000000000000)

static bool is_system(int account)
{
	return account < USERS;
}

static bool is_peer(int account)
{
	return account >= PEERS;
}

static bool is_own(int account) /* user or project */
{
	return !is_system(account) && !is_peer(account);
}

static int64_t available(const struct model_account *a)
{
	return a->credited + a->limit - a->debited - a->held;
}

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (int i = 0; i < JOBS; i++)
		model->jobs[i].hold = model->jobs[i].key = -1;
	for (int i = 0; i < ACCOUNTS; i++)
		model->accounts[i].next = NEVER;
}

/* Moves tokens, or says why not. Only the issuance among the system's accounts may
 * sink; `bounded` says whether that is looked at. */
static const char *move(struct model *m, int debit, int credit, int64_t amount, bool bounded,
			struct model_parts *parts)
{
	struct model_account *d = &m->accounts[debit];

	if (!is_system(debit) && available(d) < amount)
		return "RN002";
	if (bounded && is_system(debit) && debit != ISSUANCE && d->credited - d->debited < amount)
		return "RN002";
	*parts = model_debit(m, debit, amount);
	m->accounts[credit].credited += amount;
	return NULL;
}

static void write_down(struct model *m, int key, char code, int debit, int credit, int64_t amount,
		       struct model_parts parts)
{
	m->transfers[key] = (struct model_transfer){.code = code, .debit = debit, .credit = credit,
						    .amount = amount, .hold = -1, .run = -1,
						    .reverses = -1000, .parts = parts};
}

static const char *grant(struct model *m, const struct op *op)
{
	struct model_transfer *t = &m->transfers[op->key];
	struct model_parts parts;

	if (op->amount < 1 || op->amount > AMOUNT_MAX || op->a == ISSUANCE)
		return "RN005";
	if (t->code)
		return t->code == 'g' && t->credit == op->a && t->amount == op->amount ? "exists"
										       : "RN001";
	if (model_awaited(m, op->key))
		return "RN001";
	if (is_peer(op->a))
		return "RN005";
	move(m, ISSUANCE, op->a, op->amount, false, &parts);
	write_down(m, op->key, 'g', ISSUANCE, op->a, op->amount, parts);
	return "granted";
}

static const char *grant_lot(struct model *m, const struct op *op)
{
	int from = op->from > m->now ? op->from : m->now, until = op->until ? op->until : NEVER;

	if (op->amount < 1 || op->amount > AMOUNT_MAX)
		return "RN005";
	for (int i = 0; i < m->lot_count; i++)
		if (m->lots[i].key == op->key)
			return m->lots[i].account == op->a && m->lots[i].granted == op->amount &&
			       m->lots[i].until == until ? "exists" : "RN001";
	if (m->transfers[op->key].code && strchr("gtcr", m->transfers[op->key].code))
		return "RN001";
	if (until <= from || !is_own(op->a))
		return "RN005";
	if (m->transfers[op->key].code && from <= m->now)
		return "RN001";
	model_settle(m, op->a);
	model_lot_add(m, op->a, op->amount, from, until, op->key, false);
	model_settle(m, op->a);
	return from > m->now ? "scheduled" : "granted";
}

static bool may_hold(int debit, int credit)
{
	return !is_system(debit) && (is_peer(credit) || credit == COMMONS || credit == USE);
}

static const char *hold(struct model *m, const struct op *op, int until)
{
	if (op->amount < 1 || op->amount > AMOUNT_MAX)
		return "RN005";
	if (op->a == op->b)
		return "23514";
	if (m->holds[op->hold].used)
		return m->holds[op->hold].debit == op->a && m->holds[op->hold].credit == op->b &&
		       m->holds[op->hold].amount == op->amount && m->holds[op->hold].asked == until
			       ? "exists" : "RN001";
	if (!may_hold(op->a, op->b))
		return "RN005";
	model_due(m, op->a);
	if (available(&m->accounts[op->a]) < op->amount)
		return "RN002";
	m->accounts[op->a].held += op->amount;
	m->holds[op->hold].used = true;
	m->holds[op->hold].debit = op->a;
	m->holds[op->hold].credit = op->b;
	m->holds[op->hold].amount = op->amount;
	m->holds[op->hold].asked = m->holds[op->hold].until = until;
	return "held";
}

static const char *resolve(struct model *m, int h, char outcome, int64_t posted, int key)
{
	if (!m->holds[h].used)
		return "RN003";
	if (posted < 0 || posted > m->holds[h].amount)
		return "RN005";
	if (m->holds[h].outcome)
		return m->holds[h].outcome == outcome && m->holds[h].posted == posted &&
		       m->holds[h].key == key ? "exists" : "RN001";
	if (posted > 0 && m->transfers[key].code)
		return "23505";
	m->accounts[m->holds[h].debit].held -= m->holds[h].amount;
	if (posted > 0) {
		struct model_parts parts;

		move(m, m->holds[h].debit, m->holds[h].credit, posted, false, &parts);
		write_down(m, key, 'p', m->holds[h].debit, m->holds[h].credit, posted, parts);
		m->transfers[key].hold = h;
	}
	m->holds[h].outcome = outcome;
	m->holds[h].posted = posted;
	m->holds[h].key = key;
	return outcome == 'p' ? "posted" : outcome == 'v' ? "voided" : "expired";
}

static const char *expire(struct model *m, const struct op *op)
{
	if (m->holds[op->hold].used && !m->holds[op->hold].outcome &&
	    (!m->holds[op->hold].until || m->holds[op->hold].until > m->now))
		return "RN007";
	return resolve(m, op->hold, 'e', 0, -1);
}

static const char *extend(struct model *m, const struct op *op)
{
	int *until = &m->holds[op->hold].until;

	if (!m->holds[op->hold].used)
		return "RN003";
	if (*until == op->until)
		return "exists";
	if (m->holds[op->hold].outcome)
		return "RN001";
	if (op->until <= *until || !*until)
		return "RN005";
	*until = op->until;
	return "extended";
}

static const char *post_over(struct model *m, const struct op *op, char *text)
{
	__typeof__(m->holds[0]) *h = &m->holds[op->hold];
	struct model_parts parts;
	int64_t posted;
	const char *said;

	if (op->amount < 0)
		return "RN005";
	posted = op->amount < h->amount ? op->amount : h->amount;
	said = resolve(m, op->hold, 'p', posted, op->key);
	if (strcmp(said, "posted") != 0 && strcmp(said, "exists") != 0)
		return said;
	if (said[0] == 'p' && op->amount > h->amount) {
		int64_t has;

		model_due(m, h->debit);
		has = available(&m->accounts[h->debit]);
		h->over = op->amount - posted < has ? op->amount - posted : has > 0 ? has : 0;
		if (h->over > 0)
			move(m, h->debit, h->credit, h->over, false, &parts);
	}
	sprintf(text, "%" PRId64 " %" PRId64 " %" PRId64, posted, h->over, op->amount - posted - h->over);
	return text;
}

static const char *transfer(struct model *m, const struct op *op)
{
	struct model_transfer *t = &m->transfers[op->key];
	struct model_parts parts;
	const char *why;

	if (op->amount < 1 || op->amount > AMOUNT_MAX || op->a == op->b)
		return "RN005";
	if (t->code)
		return t->code == 't' && t->debit == op->a && t->credit == op->b &&
		       t->amount == op->amount ? "exists" : "RN001";
	if (model_awaited(m, op->key))
		return "RN001";
	if (!is_own(op->a) || !is_own(op->b))
		return "RN005";
	model_settle(m, op->a);
	model_settle(m, op->b);
	why = move(m, op->a, op->b, op->amount, false, &parts);
	if (why)
		return why;
	write_down(m, op->key, 't', op->a, op->b, op->amount, parts);
	model_settle(m, op->a);
	model_carry(m, parts, op->b);
	return "transferred";
}

/* op->a: the key of what is corrected */
static const char *correct(struct model *m, const struct op *op)
{
	struct model_transfer *o = &m->transfers[op->a], *t = &m->transfers[op->key];
	struct model_parts parts;
	const char *why;

	if (!o->code)
		return "RN003";
	if (t->code)
		return t->code == 'c' && t->reverses == op->a && t->amount == op->amount ? "exists"
											 : "RN001";
	if (model_awaited(m, op->key))
		return "RN001";
	if (op->amount < 1 || op->amount > o->amount - o->corrected || o->run >= 0 ||
	    o->code == 'c' || o->code == 'r')
		return "RN005";
	if (model_lotted(m, o->credit))
		model_settle(m, o->credit);
	if (model_lotted(m, o->debit))
		model_settle(m, o->debit);
	why = move(m, o->credit, o->debit, op->amount, true, &parts);
	if (why)
		return why;
	write_down(m, op->key, 'c', o->credit, o->debit, op->amount, parts);
	t->reverses = op->a;
	if (o->code == 't') {
		model_settle(m, o->credit);
		model_carry(m, parts, o->debit);
	} else if (o->code == 'p' && model_lotted(m, o->debit)) {
		model_give_back(m, o->debit, o->parts, o->amount, o->corrected, op->amount);
	}
	o->corrected += op->amount;
	return "corrected";
}

static const char *set_limit(struct model *m, const struct op *op)
{
	struct model_account *a = &m->accounts[op->a];

	if (op->amount < 0 || is_system(op->a))
		return "RN005";
	if (a->debited + a->held - a->credited > op->amount)
		return "RN002";
	a->limit = op->amount;
	return "";
}

static const char *run(struct model *m, const struct op *op)
{
	int64_t price = m->jobs[op->job].hold >= 0 ? 0 : op->amount, paid;

	if (op->amount > 0)
		model_due(m, op->a);
	if (m->jobs[op->job].recorded)
		return "[\"exists\"]";
	if (price < 0)
		return "23514";
	paid = available(&m->accounts[op->a]);
	paid = paid < 0 ? 0 : paid > price ? price : paid;
	m->jobs[op->job].recorded = true;
	m->jobs[op->job].price = price;
	if (paid > 0) {
		move(m, op->a, USE, paid, false, &m->jobs[op->job].parts);
		m->jobs[op->job].charged = true;
		m->jobs[op->job].charge = paid;
		m->jobs[op->job].user = op->a;
	}
	return "[\"recorded\"]";
}

static const char *refund(struct model *m, const struct op *op)
{
	struct model_transfer *t = &m->transfers[op->key];
	int key = m->jobs[op->job].key;
	int payer = key >= 0 ? m->transfers[key].debit : m->jobs[op->job].user;
	int payee = key >= 0 ? m->transfers[key].credit : USE;
	struct model_parts paid = key >= 0 ? m->transfers[key].parts : m->jobs[op->job].parts, parts;
	const char *why;

	if (!m->jobs[op->job].charged)
		return "RN003";
	if (t->code)
		return t->code == 'r' && t->reverses == -1 - op->job && t->amount == op->amount
			       ? "exists" : "RN001";
	if (model_awaited(m, op->key))
		return "RN001";
	if (op->amount < 1 || op->amount > m->jobs[op->job].charge - m->jobs[op->job].refunded)
		return "RN005";
	if (model_lotted(m, payer))
		model_settle(m, payer);
	why = move(m, payee, payer, op->amount, false, &parts);
	if (why)
		return why;
	write_down(m, op->key, 'r', payee, payer, op->amount, parts);
	t->reverses = -1 - op->job;
	if (model_lotted(m, payer))
		model_give_back(m, payer, paid, m->jobs[op->job].charge, m->jobs[op->job].refunded, op->amount);
	m->jobs[op->job].refunded += op->amount;
	return "refunded";
}

static const char *post_run(struct model *m, const struct op *op)
{
	int held_by = m->jobs[op->job].hold;
	const struct model_transfer *t = &m->transfers[op->key];
	const char *answer;

	if (m->jobs[op->job].price > 0 || (held_by >= 0 && held_by != op->hold))
		return "RN004";
	answer = resolve(m, op->hold, 'p', op->amount, op->key);
	if (strcmp(answer, "posted") != 0 && strcmp(answer, "exists") != 0)
		return answer;
	if (held_by >= 0)
		return answer;
	for (int i = 0; i < JOBS; i++)
		if (m->jobs[i].hold == op->hold)
			return "23505";
	m->jobs[op->job].hold = op->hold;
	if (t->code != 'p' || t->hold != op->hold)
		return answer;
	if (t->corrected > 0)
		return "RN005";
	m->jobs[op->job].charged = true;
	m->jobs[op->job].charge = t->amount;
	m->jobs[op->job].key = op->key;
	m->transfers[op->key].run = op->job;
	return answer;
}

static const char *batch(struct model *m, const struct op *op, char *text)
{
	bool posting = op->kind == OP_POST_BATCH;
	char codes[BATCH];

	if (!posting)
		model_due(m, op->a);
	for (int i = 0; i < BATCH; i++) {
		struct op one = *op;
		const char *answer;

		one.hold = (op->hold + i) % HOLDS;
		one.key = (op->key + i) % KEYS;
		one.amount = op->amount + i;
		if (posting)
			answer = resolve(m, one.hold, 'p', one.amount, one.key);
		else
			answer = hold(m, &one, 0);
		if (strcmp(answer, "23505") == 0)
			return "23505";
		if (strcmp(answer, "exists") == 0)
			codes[i] = '2';
		else if (strcmp(answer, "held") == 0 || strcmp(answer, "posted") == 0)
			codes[i] = '1';
		else if (strcmp(answer, posting ? "RN003" : "RN002") == 0)
			codes[i] = '0';
		else
			codes[i] = '3';
	}
	sprintf(text, "{%c,%c,%c}", codes[0], codes[1], codes[2]);
	return text;
}

static const char *sweep(struct model *m)
{
	for (int i = 0; i < ACCOUNTS; i++)
		model_due(m, i);
	return "t";
}

static const char *apply(struct model *m, const struct op *op, char *text)
{
	switch (op->kind) {
	case OP_GRANT: return grant(m, op);
	case OP_GRANT_LOT: return grant_lot(m, op);
	case OP_HOLD: return hold(m, op, 0);
	case OP_HOLD_UNTIL: return hold(m, op, op->until);
	case OP_EXTEND: return extend(m, op);
	case OP_EXPIRE: return expire(m, op);
	case OP_POST: return resolve(m, op->hold, 'p', op->amount, op->key);
	case OP_POST_OVER: return post_over(m, op, text);
	case OP_VOID: return resolve(m, op->hold, 'v', 0, -1);
	case OP_TRANSFER: return transfer(m, op);
	case OP_CORRECT: return correct(m, op);
	case OP_LIMIT: return set_limit(m, op);
	case OP_RUN: return run(m, op);
	case OP_REFUND: return refund(m, op);
	case OP_POST_RUN: return post_run(m, op);
	case OP_HOLD_BATCH:
	case OP_POST_BATCH: return batch(m, op, text);
	case OP_RATE: return model_rate_set(m, op);
	case OP_QUOTE: return model_quote(m, op, text);
	case OP_QUOTE_PRICE: return model_quote_price(m, op, text);
	case OP_TIME:
		m->now = op->from > m->now ? op->from : m->now;
		break;
	case OP_SWEEP: return sweep(m);
	case OP_KEEP_HOUSE:
	case OP_KINDS: break;
	}
	return "t";
}

void model_apply(struct model *model, const struct op *op, char *answer)
{
	static struct model before;
	char text[64];
	const char *said;
	bool refused;

	before = *model;
	said = apply(model, op, text);
	refused = strlen(said) == 5 && (strcmp(said, "23505") == 0 || strcmp(said, "23514") == 0 ||
					strncmp(said, "RN", 2) == 0);

	strcpy(answer, said);
	if (refused || op->undone)
		*model = before;
}
