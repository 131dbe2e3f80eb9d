// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/gateway.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/notify.h"
#include "federation/limits.h"
#include "federation/metrics.h"

#define CLEAN_S 3600 /* between two looks for old blobs */

bool rain_gateway_is_administrator(const struct rain_gateway *gateway, uid_t uid)
{
	char **name = gateway->config->ledger.administrators;

	if (uid == 0)
		return true;
	for (; name && *name; name++) {
		const struct passwd *user = getpwnam(*name);

		if (user && user->pw_uid == uid)
			return true;
	}
	return false;
}

static void on_stop(evutil_socket_t number, short what, void *arg)
{
	struct rain_gateway *gateway = arg;

	(void)what;
	rain_log_info("stopping signal=%d", (int)number);
	event_base_loopbreak(gateway->base);
}

/* SIGHUP: what others are told and allowed may change; who we are and where
 * we listen is the restart's. */
static void on_reload(evutil_socket_t number, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_error err = {{0}};
	struct rain_config *config = rain_config_load(gateway->config_path, &err);

	(void)number;
	(void)what;
	if (config && strcmp(config->cluster_name, gateway->config->cluster_name) != 0) {
		rain_error_set(&err, "the cluster's name can't change while the gateway runs");
		rain_config_destroy(config);
		config = NULL;
	}
	if (!config) {
		rain_log_error("the configuration stays as it was: %s", err.text);
		return;
	}
	/* The first one stays: paths of sockets and the like are kept by others. */
	if (gateway->config != gateway->config_first)
		rain_config_destroy(gateway->config);
	gateway->config = config;
	rain_metrics_outlet_file(gateway->outlet, config->gateway.metrics_file);
	rain_log_info("took the changed configuration over (addresses to listen on, sockets and the "
		      "database only with a restart)");
	if (rain_peers_are_loaded(gateway->peers))
		rain_peers_card_announce(gateway);
}

static void on_clean(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	size_t removed = rain_blob_store_clean(gateway->blobs, rain_clock_realtime_ms());

	(void)fd;
	(void)what;
	if (removed)
		rain_log_info("removed old blobs=%zu", removed);
}

static bool blob_in_use(void *arg, const char *sha256)
{
	struct rain_gateway *gateway = arg;

	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->blob_in_use &&
		    gateway->modules[i]->blob_in_use(gateway, sha256))
			return true;
	return false;
}

/* Each long poll is a descriptor: take as many as the system gives. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int watch_signals(struct rain_gateway *gateway, struct rain_error *err)
{
	static const struct {
		int number;
		event_callback_fn call;
	} signals[] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_reload}};
	struct timeval hourly = {CLEAN_S, 0};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		gateway->signals[i] = evsignal_new(gateway->base, signals[i].number, signals[i].call,
						   gateway);
		if (!gateway->signals[i] || event_add(gateway->signals[i], NULL) < 0)
			return rain_error_set(err, "signals can't be watched");
	}
	gateway->clean = event_new(gateway->base, -1, EV_PERSIST, on_clean, gateway);
	if (!gateway->clean || event_add(gateway->clean, &hourly) < 0)
		return rain_error_set(err, "out of memory");
	return 0;
}

/* The transport, from the bottom up. */
static int build(struct rain_gateway *gateway, struct rain_error *err)
{
	const struct rain_config *config = gateway->config;

	if (sodium_init() < 0)
		return rain_error_set(err, "libsodium can't be used: no source of randomness");
	if (mkdir(config->gateway.state, 0700) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make %s: %s", config->gateway.state, strerror(errno));
	gateway->base = event_base_new();
	if (!gateway->base)
		return rain_error_set(err, "libevent can't be started");
	if (watch_signals(gateway, err) < 0 ||
	    rain_identity_load(&gateway->identity, config->gateway.state, config->cluster_name,
			       err) < 0)
		return -1;
	gateway->store = rain_store_create(config->gateway.database);
	gateway->broker = rain_rpc_client_create(gateway->base, config->broker.socket);
	if (!gateway->store || !gateway->broker)
		return rain_error_set(err, "out of memory");
	if (!(gateway->blobs = rain_blob_store_create(config->gateway.state, err)) ||
	    !(gateway->client = rain_http_client_create(gateway->base, config->gateway.state, err)) ||
	    !(gateway->mailbox = rain_mailbox_create(gateway, err)) ||
	    !(gateway->peers = rain_peers_create(gateway, err)))
		return -1;
	rain_blob_store_set_in_use(gateway->blobs, blob_in_use, gateway);
	for (size_t i = 0; gateway->modules[i]; i++)
		if (gateway->modules[i]->init && gateway->modules[i]->init(gateway, err) < 0)
			return rain_error_prefix(err, "%s", gateway->modules[i]->name);
	return 0;
}

static int add_ops(struct rain_gateway *gateway, const struct rain_rpc_op *ops, size_t *count,
		   struct rain_error *err)
{
	for (; ops && ops->name; ops++) {
		struct rain_rpc_op *all = realloc(gateway->ops, (*count + 2) * sizeof(*all));

		if (!all)
			return rain_error_set(err, "out of memory");
		gateway->ops = all;
		all[(*count)++] = *ops;
		memset(&all[*count], 0, sizeof(*all));
	}
	return 0;
}

static char *metrics_text(void *arg)
{
	return rain_gateway_metrics_text(arg);
}

/* The doors, opened when everything behind them stands. */
static int open_doors(struct rain_gateway *gateway, struct rain_error *err)
{
	const struct rain_config *config = gateway->config;
	const struct rain_http_route *routes[RAIN_GATEWAY_MODULES_MAX + 3];
	size_t tables = 0, ops = 0;

	routes[tables++] = rain_peers_routes;
	routes[tables++] = rain_mailbox_routes;
	routes[tables++] = rain_blob_http_routes;
	if (add_ops(gateway, rain_peers_ops, &ops, err) < 0 || add_ops(gateway, rain_metrics_ops, &ops, err) < 0)
		return -1;
	for (size_t i = 0; gateway->modules[i]; i++) {
		if (gateway->modules[i]->routes)
			routes[tables++] = gateway->modules[i]->routes;
		if (add_ops(gateway, gateway->modules[i]->ops, &ops, err) < 0)
			return -1;
	}
	gateway->server = rain_http_server_create(gateway, routes, tables, err);
	if (!gateway->server ||
	    rain_http_server_listen_peers(gateway->server, config->gateway.listen,
					  gateway->identity.certificate_pem,
					  gateway->identity.key_pem, err) < 0 ||
	    rain_http_server_listen_jobs(gateway->server, config->gateway.socket, err) < 0)
		return -1;
	if (config->gateway.agent_listen && config->gateway.agent_listen[0] &&
	    rain_http_server_listen_agents(gateway->server, config->gateway.agent_listen, err) < 0)
		return -1;
	/* 0666: everybody may ask; each operation decides by the caller's uid. */
	gateway->control = rain_rpc_server_create(gateway->base, config->gateway.control, 0666,
						  gateway->ops, gateway, err);
	gateway->outlet = rain_metrics_outlet_create(gateway->base, "gateway", config->gateway.metrics, metrics_text,
						     gateway, err);
	if (!gateway->control || !gateway->outlet)
		return -1;
	rain_metrics_outlet_file(gateway->outlet, config->gateway.metrics_file);
	return 0;
}

static void take_down(struct rain_gateway *gateway)
{
	size_t modules = 0;

	rain_rpc_server_destroy(gateway->control);
	rain_metrics_outlet_destroy(gateway->outlet);
	rain_http_server_destroy(gateway->server);
	while (gateway->modules[modules])
		modules++;
	while (modules--)
		if (gateway->modules[modules]->fini)
			gateway->modules[modules]->fini(gateway);
	rain_mailbox_destroy(gateway->mailbox);
	rain_peers_destroy(gateway->peers);
	rain_http_client_destroy(gateway->client);
	rain_blob_store_destroy(gateway->blobs);
	rain_rpc_client_destroy(gateway->broker);
	rain_store_destroy(gateway->store);
	rain_identity_release(&gateway->identity);
	for (size_t i = 0; i < sizeof(gateway->signals) / sizeof(*gateway->signals); i++)
		if (gateway->signals[i])
			event_free(gateway->signals[i]);
	if (gateway->clean)
		event_free(gateway->clean);
	if (gateway->base)
		event_base_free(gateway->base);
	if (gateway->config != gateway->config_first)
		rain_config_destroy(gateway->config);
	rain_config_destroy(gateway->config_first);
	free(gateway->ops);
	free(gateway->metrics_text);
}

int rain_gateway_run(const char *config_path, const struct rain_gateway_module *const modules[])
{
	struct rain_gateway gateway = {.modules = modules};
	struct rain_error err = {{0}};
	int code = RAIN_EXIT_FAILURE;

	raise_descriptors();
	umask(0077);
	gateway.config_path = config_path;
	gateway.config = gateway.config_first = rain_config_load(config_path, &err);
	if (!gateway.config || build(&gateway, &err) < 0 || open_doors(&gateway, &err) < 0) {
		rain_log_error("%s", err.text);
		goto cleanup;
	}
	rain_log_info("ready cluster=%s id=%.12s peers on %s", gateway.config->cluster_name,
		      gateway.identity.id, gateway.config->gateway.listen);
	rain_notify("READY=1");
	event_base_dispatch(gateway.base);
	rain_notify("STOPPING=1");
	code = RAIN_EXIT_OK;
cleanup:
	take_down(&gateway);
	return code;
}
