/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_METRICS_H
#define RAIN_FEDERATION_METRICS_H

#include "federation/gateway.h"

/* The peers as OpenMetrics: series have a label for the peer, there is never one for each
 * job. Costs one short query; within a second the same text answers, so that whoever asks
 * often holds nothing up. A new string; NULL: no memory. */
char *rain_gateway_metrics_text(struct rain_gateway *gateway);

/* {} -> {"text"} for everybody, as peer-list is. */
extern const struct rain_rpc_op rain_metrics_ops[];

#endif
