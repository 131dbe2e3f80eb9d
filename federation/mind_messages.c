/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which message is whose. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/limits.h"
#include "federation/mind.h"

static int on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      enum rain_message_type type, const json_t *body, struct rain_error *err)
{
	struct rain_message m;
	int result;

	if (rain_message_parse(type, body, &m, err))
		return -1;
	switch (type) {
	case RAIN_MESSAGE_ASK:
		rain_leases_ask(gateway, peer, &m);
		result = 0;
		break;
	case RAIN_MESSAGE_OFFER:
	case RAIN_MESSAGE_REFUSE:
		rain_candidates_answer(gateway, peer, &m);
		result = 0;
		break;
	case RAIN_MESSAGE_RECEIPT:
		result = rain_settle_receipt(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_COUNTERSIGNED:
		result = rain_settle_countersigned(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_DISPUTED:
		result = rain_settle_disputed(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_ORDER:
	case RAIN_MESSAGE_WITHDRAWN:
	case RAIN_MESSAGE_RECALL:
		result = rain_lender_on_message(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_EVENT:
		/* Which side it is for follows from whose burst it is. */
		result = m.kind == RAIN_EVENT_STAGED || m.kind == RAIN_EVENT_STARTED
				 ? rain_home_on_message(gateway, tx, peer, &m, err)
				 : m.kind == RAIN_EVENT_OTHER ? 0
							      : rain_lender_on_message(gateway, tx, peer, &m, err);
		break;
	default:
		result = rain_home_on_message(gateway, tx, peer, &m, err);
	}
	rain_message_release(&m);
	return result < 0 ? -1 : 0;
}

/* A peer (of another version, perhaps) that can't take our order has rejected
 * it; other messages of ours that it skips are for people to look at. */
static int on_undelivered(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			  const json_t *body, struct rain_error *err)
{
	const char *burst, *type, *why;
	struct rain_message m = { .type = RAIN_MESSAGE_REJECTED };

	if (rain_json_string(body, "type", RAIN_LIMIT_MESSAGE_TYPE, &type, err) ||
	    rain_json_string_or(body, "error", sizeof(err->text), "", &why, err))
		return -1;
	rain_log_warning("peer=%s skipped our message type=%s: %s", peer->name, type, why);
	if (strcmp(type, rain_message_name(RAIN_MESSAGE_ORDER)) != 0 ||
	    rain_json_string(json_object_get(body, "body"), "burst", RAIN_UUID_SIZE - 1, &burst, NULL) ||
	    !rain_uuid_is_valid(burst))
		return 0;
	strcpy(m.burst, burst);
	snprintf(m.reason, sizeof m.reason, "%.*s", (int)sizeof m.reason - 1, why);
	return rain_home_on_message(gateway, tx, peer, &m, err) < 0 ? -1 : 0;
}

#define HANDLER(name, type)                                                                    \
	static int on_##name(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer, \
			     const json_t *body, struct rain_error *err)                             \
	{                                                                                            \
		return on_message(gateway, tx, peer, type, body, err);                               \
	}
HANDLER(ask, RAIN_MESSAGE_ASK)
HANDLER(offer, RAIN_MESSAGE_OFFER)
HANDLER(refuse, RAIN_MESSAGE_REFUSE)
HANDLER(order, RAIN_MESSAGE_ORDER)
HANDLER(accepted, RAIN_MESSAGE_ACCEPTED)
HANDLER(rejected, RAIN_MESSAGE_REJECTED)
HANDLER(withdrawn, RAIN_MESSAGE_WITHDRAWN)
HANDLER(event, RAIN_MESSAGE_EVENT)
HANDLER(recall, RAIN_MESSAGE_RECALL)
HANDLER(evict, RAIN_MESSAGE_EVICT)
HANDLER(finished, RAIN_MESSAGE_FINISHED)
HANDLER(receipt, RAIN_MESSAGE_RECEIPT)
HANDLER(countersigned, RAIN_MESSAGE_COUNTERSIGNED)
HANDLER(disputed, RAIN_MESSAGE_DISPUTED)

const struct rain_message_handler rain_mind_messages[] = {
	{ "ask", on_ask },		 { "offer", on_offer },
	{ "refuse", on_refuse },	 { "order", on_order },
	{ "accepted", on_accepted },	 { "rejected", on_rejected },
	{ "withdrawn", on_withdrawn },	 { "event", on_event },
	{ "recall", on_recall },	 { "evict", on_evict },
	{ "finished", on_finished },	 { "receipt", on_receipt },
	{ "countersigned", on_countersigned }, { "disputed", on_disputed },
	{ "undelivered", on_undelivered }, { NULL, NULL },
};
