/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_H
#define RAIN_ACCOUNTING_LEDGERD_H

#include <event2/event.h>
#include <stdbool.h>

#include "accounting/intake.h"
#include "accounting/metrics.h"
#include "accounting/policies.h"
#include "accounting/predictions.h"
#include "accounting/publish.h"
#include "accounting/store.h"
#include "common/config.h"
#include "common/metrics_outlet.h"
#include "common/rpc_server.h"

/* All of rain-ledgerd. */
struct rain_ledgerd {
	const char *config_path;
	struct rain_config *config;
	struct rain_ledger *store;
	struct event_base *base;
	struct rain_rpc_server *server;
	struct rain_ledgerd_group *group; /* what moves tokens for callers of the socket */
	struct event *intake;  /* timer: the next look at the spool */
	struct event *publishing; /* timer: the next balance snapshot */
	struct event *inotify; /* readable: something arrived in the spool */
	struct event *on_term, *on_int, *on_hup;
	struct rain_intake *spool;
	struct rain_publish publish;
	struct rain_predictions predictions;
	int publish_failed, predictions_failed; /* and it is said */
	int inotify_fd;
	int watching;	  /* the spool exists and is watched */
	int gathering;	  /* an intake is due within moments */
	bool booking;	  /* a transaction of the intake is under way */
	bool backlog;	  /* more records wait than one intake takes: what can wait, waits */
	int64_t foreign_ms; /* when the spool is next looked through for what isn't RAIN's */
	int failures;	  /* of the intake, in a row: sets the back-off */
	int rejected;	  /* records put aside, as of the last look */
	struct rain_metrics metrics;
	struct rain_metrics_outlet *outlet;
	struct event *keeping; /* timer */
	struct rain_keep *keep;
	struct rain_checks *checks; /* what may take minutes */
	struct rain_policies policies;
};

/* Looks at the spool within moments. */
void rain_ledgerd_wake(struct rain_ledgerd *ledgerd);

/* ledgerd_rejected.c. Counts what is put aside. */
void rain_ledgerd_count_rejected(struct rain_ledgerd *ledgerd);

/* Puts the records back that are put aside, and looks for what is foreign at the next intake. */
void rain_ledgerd_readmit(struct rain_ledgerd *ledgerd);

/* Puts aside what lies in the spool and isn't RAIN's; looks for it once in a while. */
void rain_ledgerd_look_for_foreign(struct rain_ledgerd *ledgerd);

/* An operation of the socket. */
typedef json_t *rain_ledgerd_op(void *arg, const struct rain_rpc_caller *caller,
				const json_t *request, struct rain_error *err);
/* ledgerd_status.c: figures for people and for monitoring. */
rain_ledgerd_op rain_ledgerd_op_status, rain_ledgerd_op_metrics;
/* ledgerd_rejected.c */
rain_ledgerd_op rain_ledgerd_op_rejected, rain_ledgerd_op_replay;
/* ledgerd_bank.c */
rain_ledgerd_op rain_ledgerd_op_statement, rain_ledgerd_op_transfer, rain_ledgerd_op_refund,
	rain_ledgerd_op_rates, rain_ledgerd_op_rate_set;
/* ledgerd_grant.c */
rain_ledgerd_op rain_ledgerd_op_grant, rain_ledgerd_op_lots;
/* ledgerd_accounts.c */
rain_ledgerd_op rain_ledgerd_op_accounts, rain_ledgerd_op_account_add,
	rain_ledgerd_op_account_member, rain_ledgerd_op_account_default,
	rain_ledgerd_op_account_limit;
/* ledgerd_hold.c */
rain_ledgerd_op rain_ledgerd_op_hold, rain_ledgerd_op_post, rain_ledgerd_op_void,
	rain_ledgerd_op_extend;
/* ledgerd_predict.c */
rain_ledgerd_op rain_ledgerd_op_predict;
/* ledgerd_report.c */
rain_ledgerd_op rain_ledgerd_op_report, rain_ledgerd_op_history, rain_ledgerd_op_reconcile;
/* ledgerd_audit.c */
rain_ledgerd_op rain_ledgerd_op_audit, rain_ledgerd_op_audit_head, rain_ledgerd_op_check;
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

/* "ada" and "user:ada" are the same account. -1 with err when it can't be one. */
int rain_ledgerd_account_name(const char *text, char name[static 80], struct rain_error *err);

/* "user:NAME" of a user of this machine: without an account yet, or with none needed. */
bool rain_ledgerd_user_exists(const char *account);

/* That, and the ledger has no account of this name yet.  False when it can't be asked. */
bool rain_ledgerd_account_awaited(struct rain_ledgerd *ledgerd, const char *account);

/* A required field that is a UUID. */
int rain_ledgerd_uuid(const json_t *request, const char *key, const char **uuid,
		      struct rain_error *err);

/* True when it is the asker's own account, or that of a project that the asker is in
 * (or, when that is asked, coordinates), or the asker is an administrator. */
bool rain_asker_has(struct rain_ledgerd *ledgerd, const struct rain_asker *asker,
		    const char *account, bool coordinator, struct rain_error *err);

/* What an answer must tell besides its figures, as a list of sentences. */
json_t *rain_ledgerd_notes(const struct rain_ledgerd *ledgerd);

/* {"<key>": rows, "notes": […]}: sentences that the reader must know besides the
 * figures. Steals rows. */
json_t *rain_ledgerd_answer(const struct rain_ledgerd *ledgerd, const char *key, json_t *rows);

/* The operations of the socket; the argument of each is the struct rain_ledgerd. */
extern const struct rain_rpc_op rain_ledgerd_ops[];

#endif
