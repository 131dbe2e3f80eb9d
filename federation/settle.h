/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_SETTLE_H
#define RAIN_FEDERATION_SETTLE_H

#include "federation/policy.h"
#include "federation/receipt.h"

/* Inside of settle.c (receipts as they come and go) and dispute.c (chains that broke). All
 * work in the caller's transaction and return 0, or -1 with err. `side` is "lender" or
 * "borrower": what we are. */

/* Where the chain ends: 0 and "" when it hasn't begun. */
int rain_settle_chain_end(PGconn *tx, const char *side, int64_t peer, int64_t *number,
			  char sha256[static RAIN_SHA256_TEXT_SIZE], struct rain_error *err);
/* Adds a link. `amount` NULL: not countersigned yet. */
int rain_settle_receipt_insert(PGconn *tx, const char *side, int64_t peer, const struct rain_receipt *r,
			       const struct rain_receipt_text *text, const char *observed, const char *amount,
			       const char *countersignature, const char *disputed, struct rain_error *err);

/* A receipt of ours that home had refused is countersigned after all: its amount is posted. */
int rain_dispute_paid(PGconn *tx, const struct rain_peer *peer, const struct rain_message *m,
		      struct rain_error *err);
/* The peer's chain goes on without what we refused: its owner has withdrawn it. */
int rain_dispute_over(PGconn *tx, const struct rain_peer *peer, struct rain_error *err);

#endif
