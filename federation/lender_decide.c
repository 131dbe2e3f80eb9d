/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a peer that asks is told: an offer with its terms, or why not. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/tokens.h"
#include "federation/lender_internal.h"

__attribute__((format(printf, 2, 3)))
static void refuse(struct rain_lender_ask *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->reason, sizeof p->reason, fmt, args);
	va_end(args);
	p->offer = false;
}

/* Guests may have what no owner's job is to have, and the rest until the first of these
 * begins.  Slurm holds the same rule when it starts them: by their time limits. */
static enum rain_overflow_verdict judge_room(const struct rain_gateway *gateway, struct rain_lender_ask *p)
{
	const struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_candidate job = { .procs = (int32_t)p->shape.nodes, .minutes = (int32_t)p->shape.minutes,
				      .plan = (int32_t)p->shape.minutes * 60, .waits = -1, .max_price = -1 };
	int64_t promised = rain_leases_nodes_promised(gateway), window = leases->window_ms - rain_clock_monotonic_ms();
	int64_t extra = leases->nodes_idle - promised, all = extra + leases->nodes_planned;

	p->room = (struct rain_capacity){ .window = INT32_MAX, .credit = INT64_MAX,
					  .free = all > 0 ? (int32_t)all : 0, .extra = extra > 0 ? (int32_t)extra : 0 };
	if (leases->nodes_planned > 0)
		p->room.window = window > 0 ? (int32_t)rain_lender_least(window / 1000, INT32_MAX) : 0;
	return rain_overflow_judge(&job, &p->room);
}

static void decide_room(struct rain_gateway *gateway, struct rain_lender_ask *p)
{
	const struct rain_leases *leases = rain_leases_of(gateway);
	enum rain_overflow_verdict verdict = judge_room(gateway, p);

	p->capacity = true;
	if (leases->nodes_idle + leases->nodes_planned == 0 && leases->reason[0])
		refuse(p, "%s", leases->reason);
	else if (verdict == RAIN_OVERFLOW_OWNER)
		refuse(p, "%d of %d free nodes are an owner's in %d s: too soon for a job of %" PRId64 " min",
		       p->room.free - p->room.extra, p->room.free, p->room.window, p->shape.minutes);
	else if (verdict != RAIN_OVERFLOW_GO)
		refuse(p, "%d nodes are free for guests, %" PRId64 " are needed", p->room.free, p->shape.nodes);
	else if (leases->lease_count >= RAIN_LEASES_MAX)
		refuse(p, "too many offers are open");
	else
		p->offer = true;
}

/* Favours: what the policy allows, within the hard limit that the ledger holds. */
static void decide_credit(struct rain_gateway *gateway, struct rain_lender_ask *p)
{
	char left[RAIN_TOKENS_TEXT_SIZE], needed[RAIN_TOKENS_TEXT_SIZE];
	int64_t hard = p->limit_utok - rain_leases_tokens_promised(gateway, p->peer->row);
	int64_t credit = rain_lender_least(p->credit_utok, hard), ceiling = p->terms.ceiling_utok;

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

static void decide_price(struct rain_gateway *gateway, struct rain_lender_ask *p)
{
	struct rain_error err;

	p->terms.mflops = rain_config_mflops(gateway->config);
	p->terms.percent = rain_lender_bounds(gateway, p->peer->name, p->user)->price_percent;
	if (p->terms.mflops == 0)
		refuse(p, "this cluster is not calibrated, so it has no price");
	else if (rain_mind_price(&p->terms, rain_shape_cores(&p->shape) * p->shape.minutes * 60000,
				 &p->terms.ceiling_utok, &err))
		refuse(p, "%.200s", err.text);
	else
		decide_credit(gateway, p);
}

void rain_lender_decide(struct rain_gateway *gateway, struct rain_lender_ask *p)
{
	const struct rain_leases *leases = rain_leases_of(gateway);
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
