/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CONFIG_H
#define RAIN_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/hours.h"

/*
 * /etc/rain/rain.conf, one file for all nodes of a cluster (rain.conf(5)).
 * Everything has a default but cluster.name and the calibrated speeds.
 */
#define RAIN_CONFIG_PATH RAIN_SYSCONFDIR "/rain/rain.conf"

/* The lights of a panel: boot, network, temp, user1, user2. */
#define RAIN_CONFIG_PANEL_LEDS 5
#define RAIN_CONFIG_NO_PIN (-1)

/* Who sees on rain-panelweb's page whose jobs there are. */
enum rain_config_web_names {
	RAIN_WEB_NAMES_NOBODY,
	RAIN_WEB_NAMES_ADMINISTRATORS, /* root and ledger.administrators, on this machine */
	RAIN_WEB_NAMES_EVERYBODY,
};

/* Who comes first in the home queue (scheduler/turn.h). */
enum rain_config_order {
	RAIN_ORDER_OFF,
	RAIN_ORDER_SHORTEST,
	RAIN_ORDER_CONTRIBUTION,
};

/* Who is told at submission what to expect. */
enum rain_config_estimate {
	RAIN_ESTIMATE_NEVER,
	RAIN_ESTIMATE_BURST, /* whoever asks with --burst */
	RAIN_ESTIMATE_ALWAYS,
};

/* Nodes of one kind and their calibrated speed. */
struct rain_node_type {
	char *name;
	char *nodes;		  /* Slurm host list, "node[1-8]" */
	int64_t mflops_per_core;  /* HPL-measured; 0: not calibrated yet */
};

/* How what lending earned is shared out of the commons. */
enum rain_share_mode {
	RAIN_SHARE_NONE,
	RAIN_SHARE_EQUAL,	 /* all users, or the accounts named */
	RAIN_SHARE_CONTRIBUTION, /* all of it, by weights: the machines that each brought */
	RAIN_SHARE_FIXED,	 /* weights are percent; the rest stays */
};

struct rain_share {
	char *account; /* "user:ada", "project:heat" */
	int64_t weight;
};

/* What guests may have at most: all of them together, or those of one peer. */
struct rain_config_bounds {
	int64_t max_nodes;
	int64_t max_minutes; /* of one job */
	int64_t max_cores;   /* 0: no bound */
	int64_t price_percent;
	struct rain_hours *hours; /* when they may run; none: always */
	unsigned hours_count;
};

struct rain_config_lend_user {
	char *name; /* at its home */
	struct rain_config_bounds bounds;
};

struct rain_config_lend_peer {
	char *name;
	struct rain_config_bounds bounds;
	struct rain_config_lend_user *users; /* bounds of some of its users, beside those */
	size_t user_count;
};

struct rain_config {
	char *path;
	char *cluster_name; /* [a-z][a-z0-9-]{0,15} */

	struct {
		char *database;	 /* libpq connection string */
		char *spool;	 /* directory that jobcomp_rain writes */
		char *socket;
		int64_t home_num, home_den; /* share of the calibrated price that home use costs */
		char **administrators;	    /* user names, NULL-terminated; root always is one */
		char *metrics;		    /* HOST:PORT for OpenMetrics over HTTP; empty: none */
		char *metrics_file;	    /* the same as a file, kept up to date; empty: none */
		/* share of the calibrated price of a job at home that its user is given */
		int64_t reward_num, reward_den;
		int64_t reward_cap_utok; /* for a user and day */
		enum rain_share_mode share_mode;
		int share_days;
		struct rain_share *shares;
		size_t share_count;
	} ledger;

	struct rain_node_type *node_types;
	size_t node_type_count;

	struct {
		char *database;
		char *listen;	    /* HOST:PORT for peers */
		char **addresses;   /* HOST:PORT under which peers reach us; empty: can't be dialled */
		char *agent_listen; /* HOST:PORT on the cluster's own network */
		char *state;	    /* directory */
		char *socket;	    /* job side (HTTP) */
		char *control;	    /* commands (RPC) */
		char *overflow_partition;
		char *policy; /* "simple" or "clever": scheduler/overflow.h */
		char *metrics, *metrics_file; /* as the ledger's */
	} gateway;

	struct {
		bool enabled;
		char *partition;
		struct rain_config_bounds bounds;	/* of all guests */
		struct rain_config_lend_peer *peers;	/* bounds of some peers, beside those */
		size_t peer_count;
		int64_t credit_limit;	/* micro-tokens that one peer may owe us */
		int64_t allowance_minutes; /* of each processor, for a peer that has given nothing */
		int64_t reciprocity_percent; /* what a peer may have, of what it has given */
		int64_t start_seconds; /* how long a guest may wait for the nodes that it was promised */
		int64_t cache_gib; /* on each node, for inputs of guests; 0: none */
		uid_t guest_uid_min, guest_uid_max; /* both 0: no pool, no lending */
	} lend;

	struct {
		char *socket;
		char *gateway_user;
	} broker;

	struct {
		enum rain_config_order order;
		int64_t patience, max_wait_hours;
		int64_t reference_utok; /* contribution: with as many, half of the wait */
	} priority;

	struct {
		enum rain_config_estimate at_submission;
	} estimate;

	struct {
		char *driver; /* "mcp23017", "leds" or "sim" */
		char *listen; /* HOST:PORT; empty: none */
		int64_t port; /* under which `rain panel` asks the nodes */
		char *nodes;  /* host list shown by `rain panel` */
		char *head;   /* HOST:PORT whose reachability the network LED shows */
		char *socket;
		char *mode;   /* "status" or "load", where there is no switch */
		char *record; /* directory of what nodes keep of their heat; empty: none */
		char *web_user; /* as whom rain-panelweb runs */
		/* Driver mcp23017. A pin is 0…7 for A0…A7, 8…15 for B0…B7, or
		 * RAIN_CONFIG_NO_PIN. */
		int64_t i2c_bus;
		int64_t i2c_address;
		int led_pins[RAIN_CONFIG_PANEL_LEDS];
		int switch_pin;
		bool leds_active_low;	/* lit when the pin is low */
		bool switch_active_low; /* low stands for "load" */
		bool switch_pull_up;
		/* Driver leds: names below /sys/class/leds; "" for none. */
		char *led_names[RAIN_CONFIG_PANEL_LEDS];
		char *web_listen; /* HOST:PORT of rain-panelweb */
		enum rain_config_web_names web_names;
		char *code_keeper; /* node that gives out the owners' codes; "": none */
	} panel;
};

/* Reads and checks the file (NULL: RAIN_CONFIG_PATH). Errors name file, line
 * and what is allowed. The caller destroys it. */
struct rain_config *rain_config_load(const char *path, struct rain_error *err);

void rain_config_destroy(struct rain_config *config);

/* The speed of a core of the slowest calibrated kind of node in MFLOP/s, 0 when none is:
 * nobody pays for speed that he may not get. */
int64_t rain_config_mflops(const struct rain_config *config);

/* Splits "host:port", "[::1]:port" into new strings. */
int rain_config_address_split(const char *address, char **host, char **port,
			      struct rain_error *err);

/* True for [a-z][a-z0-9-]{0,15}: names of clusters and peers, which become
 * node names, account names and files. */
bool rain_config_name_is_valid(const char *name);

#endif
