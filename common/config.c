// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/config.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_bank.h"
#include "common/config_lend.h"
#include "common/config_panel.h"
#include "common/config_priority.h"
#include "common/tokens.h"

/* libconfuse reports through a callback that has no argument of ours. */
static __thread struct rain_error *parse_error;

static void on_parse_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, args);
	rain_error_set(parse_error, "%s line %d: %s", cfg && cfg->filename ? cfg->filename : "?",
		       cfg ? cfg->line : 0, text);
}

static cfg_opt_t cluster_options[] = {CFG_STR("name", NULL, CFGF_NODEFAULT), CFG_END()};

static cfg_opt_t ledger_options[] = {
	CFG_STR("database", "dbname=rain", CFGF_NONE),
	CFG_STR("spool", RAIN_SPOOLDIR "/jobcomp", CFGF_NONE),
	CFG_STR("socket", RAIN_RUNDIR "/ledger/ledger.sock", CFGF_NONE),
	CFG_STR("home-rate", "0", CFGF_NONE),
	CFG_STR_LIST("administrators", "{}", CFGF_NONE),
	CFG_STR("metrics", "", CFGF_NONE),
	CFG_STR("metrics-file", "", CFGF_NONE),
	RAIN_CONFIG_BANK_POLICIES,
	CFG_END()};

static cfg_opt_t node_type_options[] = {CFG_STR("nodes", NULL, CFGF_NODEFAULT),
					CFG_INT("mflops-per-core", 0, CFGF_NONE), CFG_END()};

static cfg_opt_t gateway_options[] = {
	CFG_STR("database", "dbname=rain", CFGF_NONE),
	CFG_STR("listen", "0.0.0.0:7246", CFGF_NONE),
	CFG_STR_LIST("addresses", "{}", CFGF_NONE),
	CFG_STR("agent-listen", "0.0.0.0:7247", CFGF_NONE),
	CFG_STR("state", RAIN_STATEDIR "/gateway", CFGF_NONE),
	CFG_STR("socket", RAIN_RUNDIR "/gateway/gateway.sock", CFGF_NONE),
	CFG_STR("control", RAIN_RUNDIR "/gateway/control.sock", CFGF_NONE),
	CFG_STR("overflow-partition", "overflow", CFGF_NONE),
	CFG_STR("policy", "clever", CFGF_NONE),
	CFG_STR("metrics", "", CFGF_NONE),
	CFG_STR("metrics-file", "", CFGF_NONE),
	CFG_END()};

static cfg_opt_t lend_options[] = {
	CFG_BOOL("enabled", cfg_true, CFGF_NONE),
	CFG_STR("partition", "guest", CFGF_NONE),
	RAIN_CONFIG_LEND_BOUNDS(1024, 60, 100),
	CFG_SEC("peer", rain_config_lend_peer_options,
		CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_STR("credit-limit", "0", CFGF_NONE),
	CFG_INT("allowance-minutes", 144, CFGF_NONE),
	CFG_INT("reciprocity-percent", 300, CFGF_NONE),
	CFG_INT("start-seconds", 60, CFGF_NONE),
	CFG_INT("cache-gib", 4, CFGF_NONE),
	CFG_INT("guest-uid-min", 0, CFGF_NONE),
	CFG_INT("guest-uid-max", 0, CFGF_NONE),
	CFG_END()};

static cfg_opt_t broker_options[] = {
	CFG_STR("socket", RAIN_RUNDIR "/broker/broker.sock", CFGF_NONE),
	CFG_STR("gateway-user", "rain-gw", CFGF_NONE), CFG_END()};

static cfg_opt_t priority_options[] = {RAIN_CONFIG_PRIORITY, CFG_END()};
static cfg_opt_t estimate_options[] = {RAIN_CONFIG_ESTIMATE, CFG_END()};

static cfg_opt_t panel_options[] = {CFG_STR("driver", "sim", CFGF_NONE),
				    CFG_STR("listen", "0.0.0.0:7248", CFGF_NONE),
				    CFG_INT("port", 7248, CFGF_NONE),
				    CFG_STR("nodes", "", CFGF_NONE),
				    CFG_STR("head", "", CFGF_NONE),
				    CFG_STR("socket", RAIN_RUNDIR "/panel/panel.sock", CFGF_NONE),
				    CFG_STR("mode", "status", CFGF_NONE),
				    CFG_STR("record", RAIN_STATEDIR "/panel", CFGF_NONE),
				    CFG_STR("web-user", "rain-panel", CFGF_NONE),
				    RAIN_CONFIG_PANEL_HARDWARE,
				    CFG_END()};

static cfg_opt_t options[] = {CFG_SEC("cluster", cluster_options, CFGF_NONE),
			      CFG_SEC("ledger", ledger_options, CFGF_NONE),
			      CFG_SEC("node-type", node_type_options,
				      CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
			      CFG_SEC("gateway", gateway_options, CFGF_NONE),
			      CFG_SEC("lend", lend_options, CFGF_NONE),
			      CFG_SEC("broker", broker_options, CFGF_NONE),
			      CFG_SEC("priority", priority_options, CFGF_NONE),
			      CFG_SEC("estimate", estimate_options, CFGF_NONE),
			      CFG_SEC("panel", panel_options, CFGF_NONE),
			      CFG_END()};

/* The section being read, so that errors can name it. */
struct reader {
	struct rain_config *config;
	cfg_t *section;
	const char *section_name;
	struct rain_error *err;
	int failed;
};

static void reader_fail(struct reader *reader, const char *key, const char *why)
{
	if (!reader->failed)
		rain_error_set(reader->err, "%s: %s.%s: %s", reader->config->path,
			       reader->section_name, key, why);
	reader->failed = 1;
}

static void enter(struct reader *reader, cfg_t *section, const char *name)
{
	reader->section = section;
	reader->section_name = name;
}

static char *read_string(struct reader *reader, const char *key)
{
	const char *text = cfg_getstr(reader->section, key);
	char *copy;

	if (!text) {
		reader_fail(reader, key, "is missing");
		return NULL;
	}
	copy = strdup(text);
	if (!copy)
		reader_fail(reader, key, "no memory");
	return copy;
}

static char *read_path(struct reader *reader, const char *key)
{
	char *path = read_string(reader, key);

	if (path && path[0] != '/')
		reader_fail(reader, key, "must be an absolute path");
	return path;
}

static char *read_address(struct reader *reader, const char *key, int may_be_empty)
{
	char *address = read_string(reader, key), *host, *port;
	struct rain_error why;

	if (!address || (may_be_empty && address[0] == '\0'))
		return address;
	if (rain_config_address_split(address, &host, &port, &why) < 0) {
		reader_fail(reader, key, why.text);
	} else {
		free(host);
		free(port);
	}
	return address;
}

static int64_t read_int(struct reader *reader, const char *key, int64_t min, int64_t max)
{
	int64_t value = cfg_getint(reader->section, key);
	char why[96];

	if (value < min || value > max) {
		snprintf(why, sizeof(why), "is %lld, allowed is %lld to %lld", (long long)value,
			 (long long)min, (long long)max);
		reader_fail(reader, key, why);
	}
	return value;
}

static char **read_list(struct reader *reader, const char *key)
{
	unsigned count = cfg_size(reader->section, key);
	char **list = calloc(count + 1, sizeof(*list));

	for (unsigned i = 0; list && i < count; i++) {
		list[i] = strdup(cfg_getnstr(reader->section, key, i));
		if (!list[i])
			reader_fail(reader, key, "no memory");
	}
	if (!list)
		reader_fail(reader, key, "no memory");
	return list;
}

static void read_metrics(struct reader *reader, char **address, char **file)
{
	*address = read_address(reader, "metrics", 1);
	*file = read_string(reader, "metrics-file");
	if (*file && **file != '\0' && **file != '/')
		reader_fail(reader, "metrics-file", "must be an absolute path");
}

static void read_ledger(struct reader *reader)
{
	struct rain_config *config = reader->config;
	struct rain_error why;
	const char *key;

	config->ledger.database = read_string(reader, "database");
	config->ledger.spool = read_path(reader, "spool");
	config->ledger.socket = read_path(reader, "socket");
	config->ledger.administrators = read_list(reader, "administrators");
	read_metrics(reader, &config->ledger.metrics, &config->ledger.metrics_file);
	if (rain_ratio_parse(cfg_getstr(reader->section, "home-rate"), &config->ledger.home_num,
			     &config->ledger.home_den, &why) < 0)
		reader_fail(reader, "home-rate", why.text);
	if (rain_config_bank(reader->section, config, &key, &why) < 0)
		reader_fail(reader, key, why.text);
}

static void read_node_types(struct reader *reader, cfg_t *root)
{
	struct rain_config *config = reader->config;
	unsigned count = cfg_size(root, "node-type");

	config->node_types = calloc(count + 1, sizeof(*config->node_types));
	if (!config->node_types) {
		reader_fail(reader, "node-type", "no memory");
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct rain_node_type *type = &config->node_types[i];

		enter(reader, cfg_getnsec(root, "node-type", i), "node-type");
		config->node_type_count++;
		type->name = strdup(cfg_title(reader->section));
		if (!type->name)
			reader_fail(reader, "name", "no memory");
		type->nodes = read_string(reader, "nodes");
		type->mflops_per_core = read_int(reader, "mflops-per-core", 0, 1000000000);
	}
}

static void read_gateway(struct reader *reader)
{
	struct rain_config *config = reader->config;

	config->gateway.database = read_string(reader, "database");
	config->gateway.listen = read_address(reader, "listen", 0);
	config->gateway.addresses = read_list(reader, "addresses");
	config->gateway.agent_listen = read_address(reader, "agent-listen", 0);
	config->gateway.state = read_path(reader, "state");
	config->gateway.socket = read_path(reader, "socket");
	config->gateway.control = read_path(reader, "control");
	config->gateway.overflow_partition = read_string(reader, "overflow-partition");
	read_metrics(reader, &config->gateway.metrics, &config->gateway.metrics_file);
	config->gateway.policy = read_string(reader, "policy");
	if (config->gateway.policy && strcmp(config->gateway.policy, "simple") != 0 &&
	    strcmp(config->gateway.policy, "clever") != 0)
		reader_fail(reader, "policy", "allowed is \"simple\" or \"clever\"");
	for (char **a = config->gateway.addresses; a && *a; a++) {
		struct rain_error why;
		char *host, *port;

		if (rain_config_address_split(*a, &host, &port, &why) < 0) {
			reader_fail(reader, "addresses", why.text);
			return;
		}
		free(host);
		free(port);
	}
}

static void read_lend(struct reader *reader)
{
	struct rain_config *config = reader->config;
	struct rain_error why;
	/* Ids below 1000 belong to the system on every distribution. */
	const int64_t uid_max = 2147483646;
	const char *key;

	config->lend.enabled = cfg_getbool(reader->section, "enabled");
	config->lend.partition = read_string(reader, "partition");
	if (rain_config_lend(reader->section, config, &key, &why) < 0)
		reader_fail(reader, key, why.text);
	if (rain_tokens_parse(cfg_getstr(reader->section, "credit-limit"),
			      &config->lend.credit_limit, &why) < 0)
		reader_fail(reader, "credit-limit", why.text);
	config->lend.allowance_minutes = read_int(reader, "allowance-minutes", 0, 525600);
	config->lend.reciprocity_percent = read_int(reader, "reciprocity-percent", 0, 10000);
	config->lend.start_seconds = read_int(reader, "start-seconds", 1, 3600);
	config->lend.cache_gib = read_int(reader, "cache-gib", 0, 1 << 20);
	config->lend.guest_uid_min = (uid_t)read_int(reader, "guest-uid-min", 0, uid_max);
	config->lend.guest_uid_max = (uid_t)read_int(reader, "guest-uid-max", 0, uid_max);
	if (config->lend.guest_uid_min == 0 && config->lend.guest_uid_max == 0)
		config->lend.enabled = false;
	else if (config->lend.guest_uid_min < 1000 ||
		 config->lend.guest_uid_max < config->lend.guest_uid_min)
		reader_fail(reader, "guest-uid-min",
			    "the pool must start at 1000 or above and not end before it starts");
}

static void read_panel(struct reader *reader)
{
	struct rain_config *config = reader->config;
	struct rain_error why;
	const char *key;

	config->panel.driver = read_string(reader, "driver");
	config->panel.listen = read_address(reader, "listen", 1);
	config->panel.port = read_int(reader, "port", 1, 65535);
	config->panel.nodes = read_string(reader, "nodes");
	config->panel.head = read_address(reader, "head", 1);
	config->panel.socket = read_path(reader, "socket");
	config->panel.mode = read_string(reader, "mode");
	if (config->panel.mode && strcmp(config->panel.mode, "status") != 0 &&
	    strcmp(config->panel.mode, "load") != 0)
		reader_fail(reader, "mode", "allowed is \"status\" or \"load\"");
	config->panel.record = read_string(reader, "record");
	if (config->panel.record && config->panel.record[0] != '/' && config->panel.record[0])
		reader_fail(reader, "record", "must be an absolute path, or \"\"");
	config->panel.web_user = read_string(reader, "web-user");
	if (rain_config_panel_hardware(reader->section, config, &key, &why) < 0)
		reader_fail(reader, key, why.text);
}

static void read_priority(struct reader *reader, cfg_t *root)
{
	struct rain_error why;
	const char *key;

	enter(reader, cfg_getsec(root, "priority"), "priority");
	if (rain_config_priority(reader->section, reader->config, &key, &why) < 0)
		reader_fail(reader, key, why.text);
	enter(reader, cfg_getsec(root, "estimate"), "estimate");
	if (rain_config_estimate(reader->section, reader->config, &key, &why) < 0)
		reader_fail(reader, key, why.text);
}

static int read_all(struct rain_config *config, cfg_t *root, struct rain_error *err)
{
	struct reader reader = {.config = config, .err = err};

	enter(&reader, cfg_getsec(root, "cluster"), "cluster");
	config->cluster_name = read_string(&reader, "name");
	if (config->cluster_name && !rain_config_name_is_valid(config->cluster_name))
		reader_fail(&reader, "name",
			    "write a name of at most 16 small letters, digits and '-', "
			    "starting with a letter");
	enter(&reader, cfg_getsec(root, "ledger"), "ledger");
	read_ledger(&reader);
	read_node_types(&reader, root);
	enter(&reader, cfg_getsec(root, "gateway"), "gateway");
	read_gateway(&reader);
	enter(&reader, cfg_getsec(root, "lend"), "lend");
	read_lend(&reader);
	enter(&reader, cfg_getsec(root, "broker"), "broker");
	config->broker.socket = read_path(&reader, "socket");
	config->broker.gateway_user = read_string(&reader, "gateway-user");
	read_priority(&reader, root);
	enter(&reader, cfg_getsec(root, "panel"), "panel");
	read_panel(&reader);
	return reader.failed ? -1 : 0;
}

struct rain_config *rain_config_load(const char *path, struct rain_error *err)
{
	struct rain_error discarded;
	struct rain_config *config = NULL;
	cfg_t *root;
	int rc;

	if (!path)
		path = RAIN_CONFIG_PATH;
	if (!err)
		err = &discarded;
	/* libconfuse answers a missing and an unreadable file alike. */
	if (access(path, R_OK) < 0) {
		rain_error_set(err, "can't read the configuration %s: %s", path, strerror(errno));
		return NULL;
	}
	root = cfg_init(options, CFGF_NONE);
	if (!root) {
		rain_error_set(err, "no memory for the configuration");
		return NULL;
	}
	cfg_set_error_function(root, on_parse_error);
	parse_error = err;
	rain_error_set(err, "%s: not a configuration file", path);
	rc = cfg_parse(root, path);
	parse_error = NULL;
	if (rc == CFG_SUCCESS) {
		config = calloc(1, sizeof(*config));
		if (config)
			config->path = strdup(path);
		if (!config || !config->path) {
			rain_error_set(err, "no memory for the configuration");
			rc = -1;
		} else {
			rc = read_all(config, root, err);
		}
	}
	cfg_free(root);
	if (rc != 0) {
		rain_config_destroy(config);
		return NULL;
	}
	return config;
}

static void list_free(char **list)
{
	for (char **item = list; item && *item; item++)
		free(*item);
	free(list);
}

void rain_config_destroy(struct rain_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->node_type_count; i++) {
		free(config->node_types[i].name);
		free(config->node_types[i].nodes);
	}
	free(config->node_types);
	list_free(config->ledger.administrators);
	rain_config_bank_release(config);
	list_free(config->gateway.addresses);
	rain_config_lend_release(config);

	char *strings[] = {
		config->path,
		config->cluster_name,
		config->ledger.database,
		config->ledger.spool,
		config->ledger.socket,
		config->ledger.metrics,
		config->ledger.metrics_file,
		config->gateway.database,
		config->gateway.listen,
		config->gateway.agent_listen,
		config->gateway.state,
		config->gateway.socket,
		config->gateway.control,
		config->gateway.overflow_partition,
		config->gateway.policy,
		config->gateway.metrics,
		config->gateway.metrics_file,
		config->lend.partition,
		config->broker.socket,
		config->broker.gateway_user,
		config->panel.driver,
		config->panel.listen,
		config->panel.nodes,
		config->panel.head,
		config->panel.socket,
		config->panel.mode,
		config->panel.record,
		config->panel.web_user,
		config->panel.web_listen,
		config->panel.code_keeper,
	};
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	for (size_t i = 0; i < RAIN_CONFIG_PANEL_LEDS; i++)
		free(config->panel.led_names[i]);
	free(config);
}

int rain_config_address_split(const char *address, char **host, char **port,
			      struct rain_error *err)
{
	const char *colon = strrchr(address, ':');
	const char *start = address;
	size_t length = colon ? (size_t)(colon - address) : 0;
	char *end;
	long number;

	if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
		start++;
		length -= 2;
	} else if (colon && memchr(address, ':', length)) {
		length = 0; /* an IPv6 address without its brackets */
	}
	if (length == 0 || length > 253)
		return rain_error_set(err,
				      "'%.80s' is not an address: write HOST:PORT or [IPv6]:PORT",
				      address);
	errno = 0;
	number = strtol(colon + 1, &end, 10);
	if (errno || !isdigit((unsigned char)colon[1]) || *end != '\0' || number < 1 ||
	    number > 65535)
		return rain_error_set(err, "'%.80s': the port must be a number from 1 to 65535",
				      address);
	*host = strndup(start, length);
	*port = strdup(colon + 1);
	if (!*host || !*port) {
		free(*host);
		free(*port);
		return rain_error_set(err, "no memory for an address");
	}
	return 0;
}

int64_t rain_config_mflops(const struct rain_config *config)
{
	int64_t slowest = 0;

	for (size_t i = 0; i < config->node_type_count; i++) {
		int64_t mflops = config->node_types[i].mflops_per_core;

		if (mflops > 0 && (slowest == 0 || mflops < slowest))
			slowest = mflops;
	}
	return slowest;
}
