/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_H
#define RAIN_ACCOUNTING_LEDGERD_H

#include <event2/event.h>

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
	struct rain_publish publish;
	int publish_failed; /* and it is said */
	int inotify_fd;
	int watching;	  /* the spool exists and is watched */
	int failures;	  /* of the intake, in a row: sets the back-off */
	int rejected;	  /* records put aside, as of the last look */
};

/* The operations of the socket; the argument of each is the struct rain_ledgerd. */
extern const struct rain_rpc_op rain_ledgerd_ops[];

#endif
