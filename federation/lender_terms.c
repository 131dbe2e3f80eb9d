/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the owner lets a peer have at this moment: pauses, recalls, hours, and the
 * bounds of all guests together and of this peer's. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "federation/lender_internal.h"

const struct rain_config_bounds *rain_lender_bounds(const struct rain_gateway *gateway, const char *peer,
						    const char *user)
{
	const struct rain_config *config = gateway->config;
	const struct rain_config_lend_peer *own = NULL;

	for (size_t i = 0; i < config->lend.peer_count && !own; i++)
		if (!strcmp(config->lend.peers[i].name, peer))
			own = &config->lend.peers[i];
	if (!own)
		return &config->lend.bounds;
	for (size_t i = 0; user && i < own->user_count; i++)
		if (!strcmp(own->users[i].name, user))
			return &own->users[i].bounds;
	return &own->bounds;
}

/* Minutes from now on in which guests may run, by the owner's clock. */
static int minutes_left(const struct rain_config_bounds *bounds)
{
	time_t now = (time_t)(rain_clock_realtime_ms() / 1000);
	struct tm when;

	localtime_r(&now, &when);
	return rain_hours_left(bounds->hours, bounds->hours_count,
			       (when.tm_wday + 6) % 7 * RAIN_HOURS_DAY + when.tm_hour * 60 + when.tm_min);
}

/* What guests have now, and what is promised: of all (peer 0), of one peer, or of one
 * user of it. */
static void in_use(const struct rain_gateway *gateway, int64_t peer, const char *user, int64_t *nodes,
		   int64_t *cores)
{
	*nodes = *cores = 0;
	for (const struct rain_live_loan *l = rain_mind_of(gateway)->loans; l; l = l->next)
		if ((!peer || l->row.peer == peer) && (!user || !strcmp(l->row.user, user)) &&
		    !rain_loan_is_over(&l->row.record)) {
			*nodes += l->row.shape.nodes;
			*cores += rain_shape_cores(&l->row.shape);
		}
	rain_leases_promised(gateway, peer, user, nodes, cores);
}

int64_t rain_lender_nodes_left(const struct rain_gateway *gateway)
{
	int64_t nodes, cores;

	in_use(gateway, 0, NULL, &nodes, &cores);
	return rain_lender_bounds(gateway, "", NULL)->max_nodes - nodes;
}

__attribute__((format(printf, 2, 3)))
static bool no(struct rain_lender_answer *answer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(answer->reason, sizeof answer->reason, fmt, args);
	va_end(args);
	return false;
}

static bool fits_hours(const struct rain_config_bounds *bounds, int64_t minutes, struct rain_lender_answer *answer)
{
	int left = minutes_left(bounds);

	if (left == 0)
		return no(answer, "its owner lends at other hours");
	if (left < RAIN_HOURS_WEEK && minutes > left)
		return no(answer, "guests may run for %d min more, the job asks for %" PRId64, left, minutes);
	return true;
}

static bool fits_share(const struct rain_gateway *gateway, const struct rain_config_bounds *bounds, int64_t peer,
		       const char *user, const struct rain_shape *shape, struct rain_lender_answer *answer)
{
	const char *whose = user ? user : peer ? "you" : "guests";
	int64_t nodes, cores, max_nodes = bounds->max_nodes;

	in_use(gateway, peer, user, &nodes, &cores);
	if (shape->nodes > max_nodes)
		return no(answer, "%s may have %" PRId64 " nodes, not %" PRId64, whose, max_nodes, shape->nodes);
	if (bounds->max_cores && rain_shape_cores(shape) > bounds->max_cores)
		return no(answer, "%s may have %" PRId64 " cores, not %" PRId64, whose, bounds->max_cores,
			  rain_shape_cores(shape));
	/* From here on it is a matter of time. */
	answer->capacity = true;
	if (nodes + shape->nodes > max_nodes)
		return no(answer, "%s may have %" PRId64 " nodes and have %" PRId64 " already", whose, max_nodes, nodes);
	if (bounds->max_cores && cores + rain_shape_cores(shape) > bounds->max_cores)
		return no(answer, "%s may have %" PRId64 " cores and have %" PRId64 " already", whose, bounds->max_cores,
			  cores);
	answer->capacity = false;
	return true;
}

bool rain_lender_lends(const struct rain_gateway *gateway, const struct rain_peer *peer,
		       struct rain_lender_answer *answer)
{
	if (!gateway->config->lend.enabled || gateway->config->lend.guest_uid_max == 0)
		return no(answer, "this cluster does not lend");
	if (rain_peers_recalled_until(gateway->peers))
		return no(answer, "its owner needs the machine");
	if (peer && !peer->protocol)
		return no(answer, "our gateways speak no version of the protocol in common");
	if (peer && peer->lend_paused)
		return no(answer, "its owner has paused lending to you");
	if (minutes_left(rain_lender_bounds(gateway, peer ? peer->name : "", NULL)) == 0)
		return no(answer, "its owner lends at other hours");
	return true;
}

bool rain_lender_may(const struct rain_gateway *gateway, const struct rain_peer *peer, const char *user,
		     const struct rain_shape *shape, struct rain_lender_answer *answer)
{
	const struct rain_config_bounds *all = &gateway->config->lend.bounds,
					*of_peer = rain_lender_bounds(gateway, peer->name, NULL),
					*own = rain_lender_bounds(gateway, peer->name, user);

	memset(answer, 0, sizeof *answer);
	if (!rain_lender_lends(gateway, peer, answer))
		return false;
	if (shape->minutes > own->max_minutes)
		return no(answer, "guests may run for %" PRId64 " min, not %" PRId64, own->max_minutes, shape->minutes);
	return fits_hours(own, shape->minutes, answer) && fits_share(gateway, all, 0, NULL, shape, answer) &&
	       (of_peer == all || fits_share(gateway, of_peer, peer->row, NULL, shape, answer)) &&
	       (own == of_peer || fits_share(gateway, own, peer->row, user, shape, answer));
}
