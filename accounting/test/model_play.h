/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_TEST_MODEL_PLAY_H
#define RAIN_ACCOUNTING_TEST_MODEL_PLAY_H

#include <libpq-fe.h>

#include "accounting/test/model_sql.h"

enum { CLIENTS = 8, COMPARE_EVERY = 40, STATE_MAX = 32768 };

/* One try in a database of its own. */
struct try {
	PGconn *clients[CLIENTS];
	struct model model;
	char failure[2 * STATE_MAX + 512]; /* why it failed, for people */
};

/* Makes the database that each try is a copy of, of `rain`; exits when it can't. */
void model_prepare(PGconn *server);

/* Plays the calls; how many went well before one failed, or count. */
typedef int model_player(struct try *try, PGconn *server, const struct op *ops, int count);
model_player model_play; /* one after another: every answer is the model's */
model_player model_race; /* all clients at once, see model_race.c */

/* What both share: the beginning and end of a try, and the comparison in between. */
void model_begin(struct try *try, PGconn *server);
void model_end(struct try *try);
bool model_step(struct try *try, const struct op *op);
bool model_same(struct try *try);

#endif
