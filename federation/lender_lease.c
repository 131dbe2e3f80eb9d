/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases: nodes that an offer keeps free until its order comes. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "federation/lender_internal.h"

#define LEASE_MS 6000 /* a little longer than we say, for the way takes time, too */

struct rain_leases *rain_leases_of(const struct rain_gateway *gateway)
{
	return rain_mind_of(gateway)->leases;
}

static struct rain_lease **lease_find(struct rain_leases *leases, const char *id)
{
	struct rain_lease **at = &leases->list;

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

void rain_leases_drop(struct rain_gateway *gateway, const char *id)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_lease **at = lease_find(leases, id), *lease = *at;

	if (!lease)
		return;
	*at = lease->next;
	leases->lease_count--;
	free(lease);
}

void rain_leases_return(struct rain_gateway *gateway, const char *id)
{
	const struct rain_lease *lease = *lease_find(rain_leases_of(gateway), id);

	if (!lease)
		return;
	rain_leases_drop(gateway, id);
	rain_room_again(gateway);
}

void rain_leases_expire(struct rain_leases *leases)
{
	struct rain_lease **at = &leases->list, *lease;
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
	const struct rain_lease *lease = *lease_find(rain_leases_of(gateway), order->burst);

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

	return job && !strcmp(job->state, "RUNNING") && queue->asked_ms <= rain_leases_of(gateway)->read_ms;
}

int64_t rain_leases_nodes_promised(const struct rain_gateway *gateway)
{
	int64_t nodes = 0;

	for (const struct rain_lease *l = rain_leases_of(gateway)->list; l; l = l->next)
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
	for (const struct rain_lease *l = rain_leases_of(gateway)->list; l; l = l->next)
		if ((!peer || l->peer == peer) && (!user || !strcmp(l->user, user)) && !rain_loan_live(gateway, l->id)) {
			*nodes += l->shape.nodes;
			*cores += rain_shape_cores(&l->shape);
		}
}

int64_t rain_leases_tokens_promised(const struct rain_gateway *gateway, int64_t peer)
{
	int64_t utok = 0;

	for (const struct rain_lease *l = rain_leases_of(gateway)->list; l; l = l->next)
		if (l->peer == peer && !rain_loan_live(gateway, l->id))
			utok += l->terms.ceiling_utok;
	return utok;
}

void rain_leases_make(struct rain_gateway *gateway, const struct rain_lender_ask *ask)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_lease *lease = *lease_find(leases, ask->id);

	if (!lease) {
		lease = calloc(1, sizeof *lease);
		if (!lease)
			return; /* the order will find no lease and be rejected */
		lease->next = leases->list;
		leases->list = lease;
		leases->lease_count++;
	}
	strcpy(lease->id, ask->id);
	strcpy(lease->user, ask->user);
	lease->peer = ask->peer->row;
	lease->shape = ask->shape;
	lease->terms = ask->terms;
	lease->until_ms = rain_clock_monotonic_ms() + LEASE_MS;
	rain_room_taken(leases, lease->shape.nodes);
}
