/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_H
#define RAIN_ACCOUNTING_LEDGERD_H

#include <event2/event.h>
#include <stdbool.h>

#include "accounting/intake.h"
#include "accounting/metrics.h"
#include "accounting/publish.h"
#include "accounting/store.h"
#include "common/config.h"
#include "common/rpc_server.h"

/* All of rain-ledgerd. */
struct rain_ledgerd {
	const char *config_path;
	struct rain_config *config;
	struct rain_ledger *store;
	struct event_base *base;
	struct rain_rpc_server *server;
	struct event *intake;  /* timer: the next look at the spool */
	struct event *publishing; /* timer: the next balance snapshot */
	struct event *inotify; /* readable: something arrived in the spool */
	struct event *on_term, *on_int, *on_hup;
	struct rain_intake *spool;
	struct rain_publish publish;
	int publish_failed; /* and it is said */
	int inotify_fd;
	int watching;	  /* the spool exists and is watched */
	int gathering;	  /* an intake is due within moments */
	int failures;	  /* of the intake, in a row: sets the back-off */
	int rejected;	  /* records put aside, as of the last look */
	struct rain_metrics metrics;
	struct rain_metrics_server *metrics_server; /* NULL: not wanted */
	struct event *metrics_file;		    /* timer */
};

/* Looks at the spool within moments. */
void rain_ledgerd_wake(struct rain_ledgerd *ledgerd);

/* Counts what is put aside. */
void rain_ledgerd_count_rejected(struct rain_ledgerd *ledgerd);

/* ledgerd_status.c: figures for people and for monitoring. */
json_t *rain_ledgerd_op_status(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err);
json_t *rain_ledgerd_op_rejected(void *arg, const struct rain_rpc_caller *caller,
				 const json_t *request, struct rain_error *err);
json_t *rain_ledgerd_op_replay(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err);
json_t *rain_ledgerd_op_metrics(void *arg, const struct rain_rpc_caller *caller,
				const json_t *request, struct rain_error *err);
/* The OpenMetrics text, in a new string. NULL: no memory. */
char *rain_ledgerd_metrics_text(struct rain_ledgerd *ledgerd);

/* Who asks, and what they may. */
struct rain_asker {
	char user[65];
	char account[80];
	bool administrator;
};

int rain_asker_identify(const struct rain_ledgerd *ledgerd, const struct rain_rpc_caller *caller,
			struct rain_asker *asker, struct rain_error *err);

/* The same for what only administrators may do: "only an administrator may …". */
int rain_asker_administrator(const struct rain_ledgerd *ledgerd,
			     const struct rain_rpc_caller *caller, const char *what,
			     struct rain_asker *asker, struct rain_error *err);

/* {"<key>": rows, "notes": […]}: sentences that the reader must know besides the
 * figures. Steals rows. */
json_t *rain_ledgerd_answer(const struct rain_ledgerd *ledgerd, const char *key, json_t *rows);

/* The operations of the socket; the argument of each is the struct rain_ledgerd. */
extern const struct rain_rpc_op rain_ledgerd_ops[];

#endif
