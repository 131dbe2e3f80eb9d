/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_WORKER_H
#define RAIN_FEDERATION_BROKER_WORKER_H

#include <jansson.h>

#include "common/config.h"
#include "common/error.h"
#include "federation/broker_check.h"

/*
 * The process that calls libslurm, one child of rain-brokerd.  libslurm blocks
 * while slurmctld is slow and ends its process when it dislikes slurm.conf;
 * here both are an error to the caller and nothing else: the child is given up
 * and the next request starts another.
 */
struct rain_broker_worker;

/* How long one request may take. */
#define RAIN_BROKER_PATIENCE_MS 8000

/* `config` is borrowed. When `stop_fd` becomes readable, waiting ends. No
 * process is started yet. NULL: no memory. */
struct rain_broker_worker *rain_broker_worker_create(const struct rain_config *config,
						     int stop_fd);

/* Hands over a checked request and waits for the result (a new reference).
 * NULL with err: Slurm's refusal, or that it does not answer. */
json_t *rain_broker_worker_call(struct rain_broker_worker *worker,
				const struct rain_broker_request *request,
				struct rain_error *err);

/* Ends the process; NULL is fine. */
void rain_broker_worker_destroy(struct rain_broker_worker *worker);

#endif
