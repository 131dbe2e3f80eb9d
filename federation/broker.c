/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-brokerd: the only hand on Slurm that the gateway has. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/rpc_server.h"
#include "federation/broker_check.h"
#include "federation/broker_harden.h"
#include "federation/broker_worker.h"

static const char help[] =
	"Usage: rain-brokerd [--config=FILE] [--debug]\n"
	"\n"
	"Moves jobs that may overflow between their own partition and the overflow\n"
	"partition, and submits the jobs of guests, for rain-gatewayd and nobody else.\n"
	"Runs as root, stays in the foreground, and keeps no state: it may be killed at\n"
	"any time.  SIGTERM ends it; SIGHUP reads the configuration again.\n"
	"\n"
	"  -c, --config=FILE  configuration (default: " RAIN_CONFIG_PATH ")\n"
	"  -d, --debug        log every request\n"
	"  -h, --help         show this help\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit status: 0 stopped by a signal, 1 a failure, 2 wrong usage.\n";

struct broker {
	const char *config_path;
	struct rain_config *config;
	struct event_base *base;
	struct event *stop_event, *reload_event;
	struct rain_rpc_server *server;
	struct rain_broker_worker *worker;
	uid_t gateway_uid;
	int stop_pipe[2];
};

static struct rain_broker_limits limits_of(const struct rain_config *config)
{
	return (struct rain_broker_limits){
		.overflow_partition = config->gateway.overflow_partition,
		.guest_partition = config->lend.partition,
		.lend = config->lend.enabled,
		.max_nodes = config->lend.bounds.max_nodes,
		.max_minutes = config->lend.bounds.max_minutes,
		.guest_uid_min = config->lend.guest_uid_min,
		.guest_uid_max = config->lend.guest_uid_max,
		.agent = config->gateway.agent_listen,
	};
}

static bool op_changes(enum rain_broker_op op)
{
	return op == RAIN_BROKER_BIND || op == RAIN_BROKER_UNBIND ||
	       op == RAIN_BROKER_GUEST_SUBMIT || op == RAIN_BROKER_GUEST_RELEASE ||
	       op == RAIN_BROKER_GUEST_CANCEL;
}

static void log_request(const struct rain_broker_request *request, const json_t *result,
			const char *error)
{
	enum rain_log_level level = op_changes(request->op) ? RAIN_LOG_INFO : RAIN_LOG_DEBUG;
	const json_t *id = json_object_get(result, "job_id");
	unsigned job_id = json_is_integer(id) ? (unsigned)json_integer_value(id) : request->job_id;

	if (result)
		rain_log(level, "done op=%s job=%u%s%s%s%s", rain_broker_op_name(request->op),
			 job_id, request->feature[0] ? " peer=" : "", request->feature,
			 request->loan[0] ? " loan=" : "", request->loan);
	else
		rain_log(level, "not done op=%s job=%u%s%s: %s", rain_broker_op_name(request->op),
			 job_id, request->loan[0] ? " loan=" : "", request->loan, error);
}

static json_t *serve(struct broker *broker, enum rain_broker_op op,
		     const struct rain_rpc_caller *caller, const json_t *request,
		     struct rain_error *err)
{
	struct rain_broker_limits limits = limits_of(broker->config);
	struct rain_broker_request checked;
	json_t *result;

	if (caller->uid != broker->gateway_uid && caller->uid != 0) {
		rain_log_warning("refused a caller uid=%u pid=%d op=%s", (unsigned)caller->uid,
				 (int)caller->pid, rain_broker_op_name(op));
		rain_error_set(err, "only %s may ask rain-brokerd",
			       broker->config->broker.gateway_user);
		return NULL;
	}
	if (rain_broker_check(op, request, &limits, &checked, err) < 0) {
		rain_log_warning("refused a request op=%s: %s", rain_broker_op_name(op), err->text);
		return NULL;
	}
	result = rain_broker_worker_call(broker->worker, &checked, err);
	log_request(&checked, result, err->text);
	return result;
}

#define HANDLER(name, op)                                                                     \
	static json_t *on_##name(void *arg, const struct rain_rpc_caller *caller,             \
				 const json_t *request, struct rain_error *err)               \
	{                                                                                     \
		return serve(arg, op, caller, request, err);                                  \
	}

HANDLER(queue, RAIN_BROKER_QUEUE)
HANDLER(capacity, RAIN_BROKER_CAPACITY)
HANDLER(split, RAIN_BROKER_SPLIT)
HANDLER(load, RAIN_BROKER_LOAD)
HANDLER(bind, RAIN_BROKER_BIND)
HANDLER(unbind, RAIN_BROKER_UNBIND)
HANDLER(clock, RAIN_BROKER_CLOCK)
HANDLER(end, RAIN_BROKER_END)
HANDLER(annotate, RAIN_BROKER_ANNOTATE)
HANDLER(guest_submit, RAIN_BROKER_GUEST_SUBMIT)
HANDLER(guest_find, RAIN_BROKER_GUEST_FIND)
HANDLER(guest_release, RAIN_BROKER_GUEST_RELEASE)
HANDLER(guest_cancel, RAIN_BROKER_GUEST_CANCEL)
HANDLER(guest_query, RAIN_BROKER_GUEST_QUERY)
HANDLER(map, RAIN_BROKER_MAP)

static const struct rain_rpc_op ops[] = {
	{"queue", on_queue},
	{"capacity", on_capacity},
	{"split", on_split},
	{"load", on_load},
	{"bind", on_bind},
	{"unbind", on_unbind},
	{"clock", on_clock},
	{"end", on_end},
	{"annotate", on_annotate},
	{"guest_submit", on_guest_submit},
	{"guest_find", on_guest_find},
	{"guest_release", on_guest_release},
	{"guest_cancel", on_guest_cancel},
	{"guest_query", on_guest_query},
	{"map", on_map},
	{NULL, NULL},
};

static int gateway_find(struct broker *broker, gid_t *gid, struct rain_error *err)
{
	const struct passwd *user = getpwnam(broker->config->broker.gateway_user);

	if (!user)
		return rain_error_set(err, "there is no user %s (broker.gateway-user in %s)",
				      broker->config->broker.gateway_user, broker->config->path);
	broker->gateway_uid = user->pw_uid;
	*gid = user->pw_gid;
	return 0;
}

/* A signal handler may do no more; the pipe also ends a wait for Slurm. */
static int stop_fd = -1;

static void on_stop_signal(int number)
{
	char byte = (char)number;
	int saved = errno;

	/* A full pipe says the same already. */
	if (write(stop_fd, &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct broker *broker = arg;

	(void)fd;
	(void)what;
	event_base_loopexit(broker->base, NULL);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct broker *broker = arg;
	struct rain_error err;
	struct rain_config *config = rain_config_load(broker->config_path, &err);
	struct rain_broker_worker *worker;
	gid_t gid;

	(void)fd;
	(void)what;
	worker = config ? rain_broker_worker_create(config, broker->stop_pipe[0]) : NULL;
	if (!worker) {
		rain_log_error("the configuration stays as it was: %s",
			       config ? "no memory" : err.text);
		rain_config_destroy(config);
		return;
	}
	rain_broker_worker_destroy(broker->worker);
	rain_config_destroy(broker->config);
	broker->worker = worker;
	broker->config = config;
	if (gateway_find(broker, &gid, &err) < 0)
		rain_log_error("the gateway's user stays as it was: %s", err.text);
	rain_log_info("read the configuration again");
}

static int signals_init(struct broker *broker, struct rain_error *err)
{
	struct sigaction action = {.sa_handler = on_stop_signal};

	if (pipe2(broker->stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	stop_fd = broker->stop_pipe[1];
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	broker->stop_event =
		event_new(broker->base, broker->stop_pipe[0], EV_READ, on_stop, broker);
	broker->reload_event = evsignal_new(broker->base, SIGHUP, on_reload, broker);
	if (!broker->stop_event || !broker->reload_event ||
	    event_add(broker->stop_event, NULL) < 0 || event_add(broker->reload_event, NULL) < 0)
		return rain_error_set(err, "can't watch signals");
	return 0;
}

static int broker_init(struct broker *broker, struct rain_error *err)
{
	gid_t gid = 0;

	if (geteuid() != 0)
		return rain_error_set(err, "rain-brokerd must run as root: Slurm lets only root move other people's jobs");
	broker->config = rain_config_load(broker->config_path, err);
	if (!broker->config || gateway_find(broker, &gid, err) < 0)
		return -1;
	broker->base = event_base_new();
	if (!broker->base)
		return rain_error_set(err, "can't make an event loop");
	if (signals_init(broker, err) < 0)
		return -1;
	broker->worker = rain_broker_worker_create(broker->config, broker->stop_pipe[0]);
	if (!broker->worker)
		return rain_error_set(err, "no memory");
	broker->server = rain_rpc_server_create(broker->base, broker->config->broker.socket, 0660,
						ops, broker, err);
	if (!broker->server)
		return -1;
	if (chown(broker->config->broker.socket, 0, gid) < 0)
		return rain_error_set(err, "can't give %s to the group of %s: %s",
				      broker->config->broker.socket,
				      broker->config->broker.gateway_user, strerror(errno));
	return rain_broker_harden(err);
}

static void broker_release(struct broker *broker)
{
	rain_rpc_server_destroy(broker->server);
	rain_broker_worker_destroy(broker->worker);
	if (broker->stop_event)
		event_free(broker->stop_event);
	if (broker->reload_event)
		event_free(broker->reload_event);
	if (broker->base)
		event_base_free(broker->base);
	rain_config_destroy(broker->config);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"debug", no_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	struct broker broker = {.config_path = NULL, .stop_pipe = {-1, -1}};
	enum rain_log_level level = RAIN_LOG_INFO;
	struct rain_error err;
	int option, code = RAIN_EXIT_OK;

	rain_cli_standard_options(argc, argv, help);
	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:d", options, NULL)) >= 0) {
		if (option == 'c')
			broker.config_path = optarg;
		else if (option == 'd')
			level = RAIN_LOG_DEBUG;
		else
			return rain_cli_usage("unknown or incomplete option '%s'",
					      argv[optind - 1]);
	}
	if (optind < argc)
		return rain_cli_usage("unexpected word '%s'", argv[optind]);
	rain_log_open("rain-brokerd", level);
	if (broker_init(&broker, &err) < 0) {
		code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	} else {
		rain_log_info("ready socket=%s gateway-user=%s", broker.config->broker.socket,
			      broker.config->broker.gateway_user);
		rain_notify("READY=1");
		event_base_dispatch(broker.base);
		rain_notify("STOPPING=1");
		rain_log_info("stopped");
	}
	broker_release(&broker);
	return code;
}
