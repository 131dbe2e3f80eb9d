// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model.h"

#include <assert.h>
#include <stddef.h>

bool model_has_lots(int account)
{
	return account == USERS || account == USERS + 1 || account == PROJECTS;
}

bool model_lotted(const struct model *m, int account)
{
	for (int i = 0; i < m->lot_count; i++)
		if (m->lots[i].account == account)
			return true;
	return false;
}

bool model_awaited(const struct model *m, int key)
{
	for (int i = 0; i < m->lot_count; i++)
		if (m->lots[i].key == key && !m->lots[i].begun)
			return true;
	return false;
}

void model_lot_add(struct model *m, int account, int64_t amount, int from, int until, int key, bool begun)
{
	assert(m->lot_count < LOTS);
	m->lots[m->lot_count++] = (struct model_lot){.account = account, .granted = amount, .left = amount,
						     .from = from, .until = until, .key = key, .begun = begun};
}

static bool is_open(const struct model_lot *lot, int account)
{
	return lot->account == account && lot->begun && lot->left > 0;
}

/* The open lot that ends first after those before `after` (by end, then number); -1: none. */
static int lot_next(const struct model *m, int account, int after)
{
	int best = -1;

	for (int i = 0; i < m->lot_count; i++) {
		const struct model_lot *lot = &m->lots[i];
		bool later = after < 0 || lot->until > m->lots[after].until ||
			     (lot->until == m->lots[after].until && i > after);

		if (is_open(lot, account) && later && (best < 0 || lot->until < m->lots[best].until))
			best = i;
	}
	return best;
}

static struct model_parts spend(struct model *m, int account, int64_t amount)
{
	struct model_parts parts = {.first = m->part_count};
	int i = -1;

	while (amount > 0 && (i = lot_next(m, account, i)) >= 0) {
		int64_t part = m->lots[i].left < amount ? m->lots[i].left : amount;

		assert(m->part_count < PARTS);
		m->parts[m->part_count].lot = i;
		m->parts[m->part_count++].amount = part;
		parts.count++;
		m->lots[i].left -= part;
		amount -= part;
	}
	return parts;
}

struct model_parts model_debit(struct model *m, int account, int64_t amount)
{
	m->accounts[account].debited += amount;
	return spend(m, account, amount);
}

static void lots_begin(struct model *m, int account)
{
	for (int i = 0; i < m->lot_count; i++) {
		struct model_lot *lot = &m->lots[i];

		if (lot->account != account || lot->begun || lot->from > m->now)
			continue;
		lot->begun = true;
		m->accounts[ISSUANCE].debited += lot->left;
		m->accounts[account].credited += lot->left;
		if (m->transfers[lot->key].code == 0)
			m->transfers[lot->key] = (struct model_transfer){
				.code = 'g', .debit = ISSUANCE, .credit = account, .amount = lot->left,
				.hold = -1, .run = -1, .reverses = -1000};
	}
}

static void lots_expire(struct model *m, int account)
{
	struct model_account *a = &m->accounts[account];
	int64_t needed = a->held;

	for (int i = lot_next(m, account, -1); i >= 0 && m->lots[i].until <= m->now;
	     i = lot_next(m, account, i)) {
		int64_t keep = m->lots[i].left < needed ? m->lots[i].left : needed;
		int64_t part = m->lots[i].left - keep, free = a->credited - a->debited - a->held;

		needed -= keep;
		if (part > free)
			part = free > 0 ? free : 0;
		m->lots[i].left -= part;
		a->debited += part;
		m->accounts[EXPIRY].credited += part;
	}
}

void model_settle(struct model *m, int account)
{
	struct model_account *a = &m->accounts[account];

	lots_begin(m, account);
	lots_expire(m, account);
	a->next = NEVER;
	for (int i = 0; i < m->lot_count; i++) {
		const struct model_lot *lot = &m->lots[i];
		int next = !lot->begun ? lot->from : lot->until > m->now ? lot->until : m->now + 1;

		if (lot->account == account && lot->left > 0 && next < a->next)
			a->next = next;
	}
}

void model_due(struct model *m, int account)
{
	if (m->accounts[account].next <= m->now)
		model_settle(m, account);
}

void model_carry(struct model *m, struct model_parts parts, int credit)
{
	for (int i = parts.first; i < parts.first + parts.count; i++) {
		const struct model_lot lot = m->lots[m->parts[i].lot];

		if (lot.until < NEVER)
			model_lot_add(m, credit, m->parts[i].amount, lot.from, lot.until, -1, true);
	}
	model_settle(m, credit);
}

/* `amount` of `whole` comes back, after `before` did: from its end on. */
void model_give_back(struct model *m, int account, struct model_parts parts, int64_t whole, int64_t before,
		     int64_t amount)
{
	int64_t from = whole - before - amount, to = whole - before, place = 0;

	for (int i = parts.first; i < parts.first + parts.count; i++) {
		const struct model_lot lot = m->lots[m->parts[i].lot];
		int64_t begin = place > from ? place : from;
		int64_t end = place + m->parts[i].amount < to ? place + m->parts[i].amount : to;

		place += m->parts[i].amount;
		if (end > begin)
			model_lot_add(m, account, end - begin, lot.from, lot.until, -1, true);
	}
	model_settle(m, account);
}
