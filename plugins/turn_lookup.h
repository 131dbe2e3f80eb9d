/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_TURN_LOOKUP_H
#define RAIN_PLUGINS_TURN_LOOKUP_H

#include <sys/types.h>

#include "accounting/snapshot_copy.h"
#include "scheduler/turn.h"

/* What rain-ledgerd publishes of a job's user, for scheduler/turn.h. Borrowed; NULL:
 * not known. */
struct rain_turn_lookup {
	struct rain_snapshot_copy *predictions, *balances;
};

struct rain_turn_subject {
	uid_t uid;
	const char *name; /* of the job; may be NULL */
	uint32_t procs;
	int64_t limit;	/* seconds; <= 0: none */
	int64_t submit; /* epoch seconds */
};

/* The job's points (rain_turn_points). Without a prediction its limit counts, without
 * a balance 0. Memory only. now_ms: monotonic. */
int64_t rain_turn_look_up(const struct rain_turn_lookup *lookup, const struct rain_turn_policy *policy,
			  const struct rain_turn_subject *subject, int64_t now_ms);

#endif
