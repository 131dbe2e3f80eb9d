// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model.h"

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
}

/* Moves tokens, or says why not. Only the issuance among the system's accounts may
 * sink; `bounded` says whether that is looked at. */
static const char *move(struct model *m, int debit, int credit, int64_t amount, bool bounded)
{
	struct model_account *d = &m->accounts[debit];

	if (!is_system(debit) && available(d) < amount)
		return "RN002";
	if (bounded && is_system(debit) && debit != ISSUANCE && d->credited - d->debited < amount)
		return "RN002";
	d->debited += amount;
	m->accounts[credit].credited += amount;
	return NULL;
}

static void write_down(struct model *m, int key, char code, int debit, int credit, int64_t amount)
{
	m->transfers[key] = (struct model_transfer){.code = code, .debit = debit, .credit = credit,
						    .amount = amount, .hold = -1, .run = -1,
						    .reverses = -1000};
}

static const char *grant(struct model *m, const struct op *op)
{
	struct model_transfer *t = &m->transfers[op->key];

	if (op->amount < 1 || op->amount > AMOUNT_MAX || op->a == ISSUANCE)
		return "RN005";
	if (t->code)
		return t->code == 'g' && t->credit == op->a && t->amount == op->amount ? "exists"
										       : "RN001";
	if (is_peer(op->a))
		return "RN005";
	move(m, ISSUANCE, op->a, op->amount, false);
	write_down(m, op->key, 'g', ISSUANCE, op->a, op->amount);
	return "granted";
}

static bool may_hold(int debit, int credit)
{
	return !is_system(debit) && (is_peer(credit) || credit == COMMONS || credit == USE);
}

static const char *hold(struct model *m, const struct op *op)
{
	if (op->amount < 1 || op->amount > AMOUNT_MAX)
		return "RN005";
	if (op->a == op->b)
		return "23514";
	if (m->holds[op->hold].used)
		return m->holds[op->hold].debit == op->a && m->holds[op->hold].credit == op->b &&
		       m->holds[op->hold].amount == op->amount ? "exists" : "RN001";
	if (!may_hold(op->a, op->b))
		return "RN005";
	if (available(&m->accounts[op->a]) < op->amount)
		return "RN002";
	m->accounts[op->a].held += op->amount;
	m->holds[op->hold].used = true;
	m->holds[op->hold].debit = op->a;
	m->holds[op->hold].credit = op->b;
	m->holds[op->hold].amount = op->amount;
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
		move(m, m->holds[h].debit, m->holds[h].credit, posted, false);
		write_down(m, key, 'p', m->holds[h].debit, m->holds[h].credit, posted);
		m->transfers[key].hold = h;
	}
	m->holds[h].outcome = outcome;
	m->holds[h].posted = posted;
	m->holds[h].key = key;
	return outcome == 'p' ? "posted" : "voided";
}

static const char *transfer(struct model *m, const struct op *op)
{
	struct model_transfer *t = &m->transfers[op->key];
	const char *why;

	if (op->amount < 1 || op->amount > AMOUNT_MAX || op->a == op->b)
		return "RN005";
	if (t->code)
		return t->code == 't' && t->debit == op->a && t->credit == op->b &&
		       t->amount == op->amount ? "exists" : "RN001";
	if (!is_own(op->a) || !is_own(op->b))
		return "RN005";
	why = move(m, op->a, op->b, op->amount, false);
	if (why)
		return why;
	write_down(m, op->key, 't', op->a, op->b, op->amount);
	return "transferred";
}

/* op->a: the key of what is corrected */
static const char *correct(struct model *m, const struct op *op)
{
	struct model_transfer *o = &m->transfers[op->a], *t = &m->transfers[op->key];
	const char *why;

	if (!o->code)
		return "RN003";
	if (t->code)
		return t->code == 'c' && t->reverses == op->a && t->amount == op->amount ? "exists"
											 : "RN001";
	if (op->amount < 1 || op->amount > o->amount - o->corrected || o->run >= 0 ||
	    o->code == 'c' || o->code == 'r')
		return "RN005";
	why = move(m, o->credit, o->debit, op->amount, true);
	if (why)
		return why;
	o->corrected += op->amount;
	write_down(m, op->key, 'c', o->credit, o->debit, op->amount);
	t->reverses = op->a;
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

	if (m->jobs[op->job].recorded)
		return "[\"exists\"]";
	if (price < 0)
		return "23514";
	paid = available(&m->accounts[op->a]);
	paid = paid < 0 ? 0 : paid > price ? price : paid;
	m->jobs[op->job].recorded = true;
	m->jobs[op->job].price = price;
	if (paid > 0) {
		move(m, op->a, USE, paid, false);
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
	const char *why;

	if (!m->jobs[op->job].charged)
		return "RN003";
	if (t->code)
		return t->code == 'r' && t->reverses == -1 - op->job && t->amount == op->amount
			       ? "exists" : "RN001";
	if (op->amount < 1 || op->amount > m->jobs[op->job].charge - m->jobs[op->job].refunded)
		return "RN005";
	why = move(m, payee, payer, op->amount, false);
	if (why)
		return why;
	m->jobs[op->job].refunded += op->amount;
	write_down(m, op->key, 'r', payee, payer, op->amount);
	t->reverses = -1 - op->job;
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

	for (int i = 0; i < BATCH; i++) {
		struct op one = *op;
		const char *answer;

		one.hold = (op->hold + i) % HOLDS;
		one.key = (op->key + i) % KEYS;
		one.amount = op->amount + i;
		if (posting)
			answer = resolve(m, one.hold, 'p', one.amount, one.key);
		else
			answer = hold(m, &one);
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

static const char *apply(struct model *m, const struct op *op, char *text)
{
	switch (op->kind) {
	case OP_GRANT: return grant(m, op);
	case OP_HOLD: return hold(m, op);
	case OP_POST: return resolve(m, op->hold, 'p', op->amount, op->key);
	case OP_VOID: return resolve(m, op->hold, 'v', 0, -1);
	case OP_TRANSFER: return transfer(m, op);
	case OP_CORRECT: return correct(m, op);
	case OP_LIMIT: return set_limit(m, op);
	case OP_RUN: return run(m, op);
	case OP_REFUND: return refund(m, op);
	case OP_POST_RUN: return post_run(m, op);
	case OP_HOLD_BATCH:
	case OP_POST_BATCH: return batch(m, op, text);
	case OP_KEEP_HOUSE:
	case OP_KINDS: break;
	}
	return "t";
}

void model_apply(struct model *model, const struct op *op, char *answer)
{
	struct model before = *model;
	char text[64];
	const char *said = apply(model, op, text);
	bool refused = strlen(said) == 5 && (said[0] == '2' || strncmp(said, "RN", 2) == 0);

	strcpy(answer, said);
	if (refused || op->undone)
		*model = before;
}
