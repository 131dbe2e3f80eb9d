// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/config_lend.h"

#include <stdlib.h>
#include <string.h>

#define USER_MAX 64 /* bytes of a user's name, as in messages */

/* -1: as for everybody. */
static cfg_opt_t user_options[] = {RAIN_CONFIG_LEND_BOUNDS(-1, -1, -1), CFG_END()};

cfg_opt_t rain_config_lend_peer_options[] = {
	RAIN_CONFIG_LEND_BOUNDS(-1, -1, -1),
	CFG_SEC("user", user_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES), CFG_END()};

static int read_bound(cfg_t *section, const char *name, int64_t min, int64_t max,
		      const int64_t *common, int64_t *value, const char **key, struct rain_error *why)
{
	*key = name;
	*value = cfg_getint(section, name);
	if (*value == -1 && common)
		*value = *common;
	if (*value >= min && *value <= max)
		return 0;
	return rain_error_set(why, "is %lld, allowed is %lld to %lld", (long long)*value,
			      (long long)min, (long long)max);
}

static int read_hours(cfg_t *section, const struct rain_config_bounds *common,
		      struct rain_config_bounds *bounds, const char **key, struct rain_error *why)
{
	bool own;

	*key = "hours";
	own = !common || cfg_size(section, *key) > 0;
	bounds->hours_count = own ? cfg_size(section, *key) : common->hours_count;
	bounds->hours = calloc(bounds->hours_count + 1, sizeof(*bounds->hours));
	if (!bounds->hours)
		return rain_error_set(why, "no memory");
	if (!own && bounds->hours_count > 0)
		memcpy(bounds->hours, common->hours, bounds->hours_count * sizeof(*bounds->hours));
	for (unsigned i = 0; own && i < bounds->hours_count; i++)
		if (rain_hours_parse(cfg_getnstr(section, *key, i), &bounds->hours[i], why) < 0)
			return -1;
	return 0;
}

/* `common` NULL: these are everybody's. */
static int read_bounds(cfg_t *section, const struct rain_config_bounds *common,
		       struct rain_config_bounds *bounds, const char **key, struct rain_error *why)
{
	if (read_bound(section, "max-nodes", 0, 65536, common ? &common->max_nodes : NULL, &bounds->max_nodes, key,
		       why) < 0 ||
	    read_bound(section, "max-minutes", 1, 525600, common ? &common->max_minutes : NULL, &bounds->max_minutes,
		       key, why) < 0 ||
	    read_bound(section, "max-cores", 0, 16777216, NULL, &bounds->max_cores, key, why) < 0 ||
	    read_bound(section, "price-percent", 0, 10000, common ? &common->price_percent : NULL,
		       &bounds->price_percent, key, why) < 0)
		return -1;
	return read_hours(section, common, bounds, key, why);
}

static int read_user(cfg_t *section, const struct rain_config_bounds *common,
		     struct rain_config_lend_user *user, const char **key, struct rain_error *why)
{
	*key = "user";
	user->name = strdup(cfg_title(section));
	if (!user->name)
		return rain_error_set(why, "no memory");
	if (!*user->name || strlen(user->name) > USER_MAX)
		return rain_error_set(why, "'%.20s' is no name of a user", user->name);
	return read_bounds(section, common, &user->bounds, key, why);
}

static int read_users(cfg_t *section, struct rain_config_lend_peer *peer, const char **key,
		      struct rain_error *why)
{
	unsigned count = cfg_size(section, "user");

	*key = "user";
	peer->users = calloc(count + 1, sizeof(*peer->users));
	if (!peer->users)
		return rain_error_set(why, "no memory");
	while (peer->user_count < count) {
		cfg_t *user = cfg_getnsec(section, "user", (unsigned)peer->user_count);

		/* Counted first: it is released also when it is wrong. */
		if (read_user(user, &peer->bounds, &peer->users[peer->user_count++], key, why) < 0)
			return -1;
	}
	return 0;
}

static int read_peer(cfg_t *section, const struct rain_config *config,
		     struct rain_config_lend_peer *peer, const char **key, struct rain_error *why)
{
	peer->name = strdup(cfg_title(section));
	*key = "peer";
	if (!peer->name)
		return rain_error_set(why, "no memory");
	if (!rain_config_name_is_valid(peer->name))
		return rain_error_set(why, "'%.20s' is no name of a peer", peer->name);
	if (read_bounds(section, &config->lend.bounds, &peer->bounds, key, why) < 0)
		return -1;
	return read_users(section, peer, key, why);
}

int rain_config_lend(cfg_t *section, struct rain_config *config, const char **key,
		     struct rain_error *why)
{
	unsigned count = cfg_size(section, "peer");

	if (read_bounds(section, NULL, &config->lend.bounds, key, why) < 0)
		return -1;
	*key = "peer";
	config->lend.peers = calloc(count + 1, sizeof(*config->lend.peers));
	if (!config->lend.peers)
		return rain_error_set(why, "no memory");
	for (; config->lend.peer_count < count; config->lend.peer_count++)
		if (read_peer(cfg_getnsec(section, "peer", (unsigned)config->lend.peer_count), config,
			      &config->lend.peers[config->lend.peer_count], key, why) < 0) {
			config->lend.peer_count++; /* it is released, too */
			return -1;
		}
	return 0;
}

void rain_config_lend_release(struct rain_config *config)
{
	for (size_t i = 0; i < config->lend.peer_count; i++) {
		struct rain_config_lend_peer *peer = &config->lend.peers[i];

		for (size_t k = 0; k < peer->user_count; k++) {
			free(peer->users[k].name);
			free(peer->users[k].bounds.hours);
		}
		free(peer->users);
		free(peer->name);
		free(peer->bounds.hours);
	}
	free(config->lend.peers);
	free(config->lend.bounds.hours);
}
