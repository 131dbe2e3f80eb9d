// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

const char *model_rate_set(struct model *m, const struct op *op)
{
	int from = op->from > m->now ? op->from : m->now;

	if (op->from && op->from < m->now)
		return "RN005";
	for (int i = 0; i < m->rate_count; i++)
		if (m->rates[i].which == op->a && m->rates[i].from >= from)
			return "RN005";
	assert(m->rate_count < RATES);
	m->rates[m->rate_count++] = (struct model_rate){op->a, from, op->amount, op->b};
	return "t";
}

/* In force now for TRES 0 or 1: the most particular, the newest. */
static const struct model_rate *rate_find(const struct model *m, int tres)
{
	const struct model_rate *best = NULL;

	for (int i = 0; i < m->rate_count; i++) {
		const struct model_rate *r = &m->rates[i];

		if (r->which >> 2 != tres || r->from > m->now)
			continue;
		if (!best || (r->which & 3) < (best->which & 3) ||
		    ((r->which & 3) == (best->which & 3) && r->from > best->from))
			best = r;
	}
	return best;
}

static int64_t price(const int64_t *num, const int64_t *den, int cpu, int mem, int64_t ms)
{
	__int128 over = (__int128)den[0] * den[1] * 1000;
	__int128 sum = ((__int128)num[0] * cpu * den[1] + (__int128)num[1] * mem * den[0]) * ms;

	return (int64_t)((sum + over - 1) / over);
}

const char *model_quote(struct model *m, const struct op *op, char *text)
{
	__typeof__(m->quotes[0]) *q = &m->quotes[op->key % QUOTES];

	if (q->made && (q->cpu != op->a || q->mem != op->b || q->ms != op->amount))
		return "RN001";
	if (!q->made) {
		if (op->amount < 0)
			return "RN005";
		q->made = true;
		q->cpu = op->a;
		q->mem = op->b;
		q->ms = op->amount;
		q->until = op->until;
		for (int tres = 0; tres < 2; tres++) {
			const struct model_rate *r = rate_find(m, tres);

			q->num[tres] = r ? r->num : 0;
			q->den[tres] = r ? r->den : 1;
		}
		q->amount = price(q->num, q->den, q->cpu, q->mem, q->ms);
	}
	sprintf(text, "%" PRId64, q->amount);
	return text;
}

const char *model_quote_price(struct model *m, const struct op *op, char *text)
{
	const __typeof__(m->quotes[0]) *q = &m->quotes[op->key % QUOTES];

	if (!q->made)
		return "RN003";
	if (q->until <= m->now)
		return "RN007";
	if (op->amount < 0)
		return "RN005";
	sprintf(text, "%" PRId64, price(q->num, q->den, q->cpu, q->mem, op->amount));
	return text;
}
