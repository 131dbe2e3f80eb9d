// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/pricing.h"

#include <inttypes.h>

#include "common/hostlist.h"

static const struct rain_node_type *type_of(const struct rain_config *config, const char *host)
{
	for (size_t i = 0; i < config->node_type_count; i++)
		if (rain_hostlist_contains(config->node_types[i].nodes, host))
			return &config->node_types[i];
	return NULL;
}

/* One node's part in the speed of all; *mflops is 0 before the first. */
static int speed_add(const struct rain_config *config, const char *host, int64_t *mflops,
		     struct rain_error *err)
{
	const struct rain_node_type *type = type_of(config, host);

	if (!type)
		return rain_error_set(err, "node %s has no price: no node-type in %s names it", host,
				      config->path);
	if (type->mflops_per_core <= 0)
		return rain_error_set(err, "node %s has no price: node-type \"%s\" isn't calibrated; "
				      "set its mflops-per-core in %s", host, type->name, config->path);
	if (*mflops != 0 && *mflops != type->mflops_per_core)
		return rain_error_set(err, "the run used nodes of different speed (%" PRId64 " and %"
				      PRId64 " MFLOP/s per core), and Slurm's record doesn't say how "
				      "many cores of each", *mflops, type->mflops_per_core);
	*mflops = type->mflops_per_core;
	return 0;
}

int rain_pricing_speed(const struct rain_config *config, const char *nodes, int64_t *mflops,
		       struct rain_error *err)
{
	char **hosts = NULL;
	int rc = 0;

	*mflops = 0;
	if (rain_hostlist_expand(nodes, RAIN_HOSTLIST_HOSTS_MAX, &hosts, NULL, err) < 0)
		return -1;
	for (char **host = hosts; rc == 0 && *host; host++)
		rc = speed_add(config, *host, mflops, err);
	rain_hostlist_free(hosts);
	if (rc == 0 && *mflops == 0)
		return rain_error_set(err, "the run names no node");
	return rc;
}

int rain_pricing_price(const struct rain_config *config, const struct rain_rates *rates,
		       const struct rain_record *record, enum rain_record_place place,
		       int64_t *price, struct rain_error *err)
{
	struct rain_rates_use use = {
		.partition = record->partition, .qos = record->qos, .tres = record->tres,
		.ms = record->run_ms, .at = record->start, .core_ms = record->core_ms,
		.home_num = config->ledger.home_num, .home_den = config->ledger.home_den,
	};
	int64_t num, den;

	*price = 0;
	if (place != RAIN_PLACE_HOME || record->run_ms == 0)
		return 0;
	rain_rates_calibrated(rates, &use, &num, &den);
	if (num > 0 && rain_pricing_speed(config, record->nodes, &use.mflops_per_core, err) < 0)
		return -1;
	return rain_rates_price(rates, &use, price, err);
}
