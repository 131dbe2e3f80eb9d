// SPDX-License-Identifier: GPL-2.0-or-later
/* rain-ledgerd: books the jobs that Slurm reports, and answers about tokens. */
#include "accounting/ledgerd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "accounting/intake.h"
#include "accounting/ledgerd_group.h"
#include "accounting/ledgerd_checks.h"
#include "accounting/ledgerd_keep.h"
#include "accounting/segment.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/notify.h"

/* inotify tells of new records at once; the timer catches what it missed. */
#define RESCAN_MS 30000
#define GATHER_MS 2
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 10000

static const char help[] =
	"Usage: rain-ledgerd [OPTION]...\n"
	"Books ended jobs from the spool of jobcomp_rain into the token ledger, and\n"
	"answers rain-balance, rain-report and rain-grant. Stays in the foreground.\n"
	"\n"
	"  -c, --config FILE  configuration (default: " RAIN_CONFIG_PATH ")\n"
	"  -d, --debug        log more\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\n"
	"SIGHUP reads the configuration again and retries the records that were put\n"
	"aside; SIGTERM ends it. Exit codes: 0 ended, 1 failed, 2 wrong usage.\n";

static void schedule(struct rain_ledgerd *ledgerd, int64_t delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	evtimer_add(ledgerd->intake, &delay);
}

static int64_t backoff_ms(int failures)
{
	int64_t delay = BACKOFF_FIRST_MS;

	for (int i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	return delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
}

/* The spool may come later than we do: tried again before each look. */
static void watch(struct rain_ledgerd *ledgerd)
{
	if (ledgerd->watching || ledgerd->inotify_fd < 0)
		return;
	ledgerd->watching = inotify_add_watch(ledgerd->inotify_fd, ledgerd->config->ledger.spool,
					      IN_MODIFY | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) >= 0;
}

/* While the database is away, or at work for us, the timer decides.  Else a moment's
 * patience puts what ends together into one transaction; the first sets the time. */
void rain_ledgerd_wake(struct rain_ledgerd *ledgerd)
{
	if (ledgerd->failures > 0 || ledgerd->gathering || ledgerd->booking)
		return;
	ledgerd->gathering = 1;
	schedule(ledgerd, GATHER_MS);
}

static void on_intake(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_intake_result result;
	struct rain_error err;

	(void)fd;
	(void)events;
	ledgerd->gathering = 0;
	ledgerd->backlog = ledgerd->booking = false;
	watch(ledgerd);
	rain_ledgerd_look_for_foreign(ledgerd);
	if (rain_intake_run(ledgerd->spool, ledgerd->config, ledgerd->store, &result, &err) < 0) {
		ledgerd->metrics.failures++;
		ledgerd->failures++;
		rain_log_warning("job records wait in the spool: %s", err.text);
		schedule(ledgerd, backoff_ms(ledgerd->failures));
		return;
	}
	if (ledgerd->failures > 0)
		rain_log_info("the spool and the database are back after %d attempts",
			      ledgerd->failures);
	ledgerd->failures = 0;
	ledgerd->booking = result.more;
	ledgerd->backlog = result.backlog;
	rain_metrics_batch(&ledgerd->metrics, &result);
	if (result.recorded > 0)
		rain_log_debug("job runs are booked: count=%zu", result.recorded);
	if (result.rejected > 0)
		rain_ledgerd_count_rejected(ledgerd);
	if (result.stuck > 0)
		rain_log_warning("records that can't be booked can't be put aside either and stay where "
				 "they are: count=%zu", result.stuck);
	schedule(ledgerd, result.more ? 0 : RESCAN_MS);
}

/* Returns whether there is more to learn at once. */
static bool publish_predictions(struct rain_ledgerd *ledgerd, int64_t now)
{
	struct rain_error err;
	bool more;

	if (rain_predictions_run(&ledgerd->predictions, ledgerd->store, ledgerd->config->ledger.spool,
				 now, &more, &err) == 0) {
		ledgerd->predictions_failed = 0;
		return more;
	}
	if (!ledgerd->predictions_failed) {
		ledgerd->predictions_failed = 1;
		rain_log_warning("run times can't be predicted: %s", err.text);
	}
	return false;
}

/* A ledger so large that this takes long is asked less often. */
static void on_publish(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;
	int64_t now = rain_clock_monotonic_ms(), delay;
	struct timeval wait;
	struct rain_error err;

	(void)fd;
	(void)events;
	if (rain_publish_run(&ledgerd->publish, ledgerd->store, ledgerd->config->ledger.spool, now,
			     &err) == 0) {
		ledgerd->publish_failed = 0;
	} else if (!ledgerd->publish_failed) {
		ledgerd->publish_failed = 1;
		rain_log_warning("plugins can't know the balances: %s", err.text);
	}
	if (publish_predictions(ledgerd, now) && !ledgerd->backlog) {
		delay = 0;
	} else {
		delay = 20 * (rain_clock_monotonic_ms() - now);
		delay = delay > RAIN_PUBLISH_MS ? delay : RAIN_PUBLISH_MS;
	}
	wait = (struct timeval){.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};
	evtimer_add(ledgerd->publishing, &wait);
}

static void on_inotify(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	uint64_t segment;
	ssize_t n;

	(void)events;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		const char *next = buffer;

		while (next < buffer + n) {
			const struct inotify_event *event = (const void *)next;

			/* The directory went away, or we shall never be told again. */
			if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF))
				ledgerd->watching = 0;
			if (!ledgerd->watching || event->mask & IN_Q_OVERFLOW ||
			    (event->len > 0 && rain_segment_number(event->name, &segment)))
				rain_ledgerd_wake(ledgerd);
			next += sizeof(*event) + event->len;
		}
	}
}

static void on_stop(evutil_socket_t signal_number, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;

	(void)events;
	rain_log_info("stops on %s", strsignal(signal_number));
	rain_notify("STOPPING=1");
	event_base_loopbreak(ledgerd->base);
}

static int inotify_open(struct rain_ledgerd *ledgerd, struct rain_error *err)
{
	ledgerd->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (ledgerd->inotify_fd < 0)
		return rain_error_set(err, "can't watch directories: %s", strerror(errno));
	ledgerd->inotify = event_new(ledgerd->base, ledgerd->inotify_fd, EV_READ | EV_PERSIST,
				     on_inotify, ledgerd);
	if (!ledgerd->inotify || event_add(ledgerd->inotify, NULL) < 0)
		return rain_error_set(err, "no memory for the event loop");
	ledgerd->watching = 0;
	return 0;
}

static void inotify_close(struct rain_ledgerd *ledgerd)
{
	if (ledgerd->inotify)
		event_free(ledgerd->inotify);
	if (ledgerd->inotify_fd >= 0)
		close(ledgerd->inotify_fd);
	ledgerd->inotify = NULL;
	ledgerd->inotify_fd = -1;
}

/* Takes the new configuration over, or keeps all of the old one. */
static int reload(struct rain_ledgerd *ledgerd, struct rain_error *err)
{
	struct rain_config *config = rain_config_load(ledgerd->config_path, err);
	struct rain_ledger *store = config ? rain_ledger_create(config->ledger.database) : NULL;

	if (!store) {
		if (config)
			rain_error_set(err, "no memory for the new configuration");
		rain_config_destroy(config);
		return -1;
	}
	if (strcmp(config->ledger.socket, ledgerd->config->ledger.socket) != 0)
		rain_log_warning("the new ledger.socket %s is used after a restart",
				 config->ledger.socket);
	rain_ledger_destroy(ledgerd->store);
	rain_config_destroy(ledgerd->config);
	ledgerd->store = store;
	ledgerd->config = config;
	rain_metrics_outlet_file(ledgerd->outlet, config->ledger.metrics_file);
	rain_intake_restart(ledgerd->spool); /* the spool may be another */
	inotify_close(ledgerd);
	if (inotify_open(ledgerd, err) < 0)
		return -1;
	if (rain_ledgerd_group_reload(ledgerd->group, err) < 0)
		return -1;
	if (rain_checks_reload(ledgerd->checks, config->ledger.database, err) < 0)
		return -1;
	return rain_keep_reload(ledgerd->keep, config->ledger.database, err);
}

static void on_reload(evutil_socket_t signal_number, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_error err;

	(void)signal_number;
	(void)events;
	rain_notify("RELOADING=1");
	if (reload(ledgerd, &err) < 0)
		rain_log_error("the configuration is not taken over: %s", err.text);
	else
		rain_log_info("the configuration is read again");
	rain_ledgerd_readmit(ledgerd);
	schedule(ledgerd, 0);
	rain_notify("READY=1");
}

static void on_keeping(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ledgerd *ledgerd = arg;
	int64_t now = rain_clock_monotonic_ms();
	int64_t wait = rain_policies_run(&ledgerd->policies, ledgerd->config, ledgerd->store, now);
	struct timeval delay;

	(void)fd;
	(void)events;
	delay = (struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
	evtimer_add(ledgerd->keeping, &delay);
}

static char *metrics_text(void *arg)
{
	return rain_ledgerd_metrics_text(arg);
}

static int timers_init(struct rain_ledgerd *ledgerd, struct rain_error *err)
{
	ledgerd->keeping = evtimer_new(ledgerd->base, on_keeping, ledgerd);
	if (!ledgerd->keeping)
		return rain_error_set(err, "no memory for the event loop");
	event_active(ledgerd->keeping, EV_TIMEOUT, 0);
	ledgerd->outlet = rain_metrics_outlet_create(ledgerd->base, "ledger", ledgerd->config->ledger.metrics,
						     metrics_text, ledgerd, err);
	if (!ledgerd->outlet)
		return -1;
	rain_metrics_outlet_file(ledgerd->outlet, ledgerd->config->ledger.metrics_file);
	return 0;
}

static struct event *signal_event(struct rain_ledgerd *ledgerd, int number, event_callback_fn handler)
{
	struct event *event = evsignal_new(ledgerd->base, number, handler, ledgerd);

	if (event && event_priority_set(event, 0) == 0 && evsignal_add(event, NULL) == 0)
		return event;
	if (event)
		event_free(event);
	return NULL;
}

/* Signals go before all else, and are looked for after each callback: one may wait long for
 * the database. */
static struct event_base *loop_create(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_max_dispatch_interval(config, NULL, 1, 1) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	if (base && event_base_priority_init(base, 2) < 0) {
		event_base_free(base);
		return NULL;
	}
	return base;
}

static int ledgerd_init(struct rain_ledgerd *ledgerd, struct rain_error *err)
{
	signal(SIGPIPE, SIG_IGN);
	ledgerd->config = rain_config_load(ledgerd->config_path, err);
	if (!ledgerd->config)
		return -1;
	ledgerd->store = rain_ledger_create(ledgerd->config->ledger.database);
	ledgerd->spool = rain_intake_create();
	ledgerd->base = loop_create();
	if (ledgerd->base)
		ledgerd->intake = evtimer_new(ledgerd->base, on_intake, ledgerd);
	if (ledgerd->base)
		ledgerd->publishing = evtimer_new(ledgerd->base, on_publish, ledgerd);
	if (!ledgerd->store || !ledgerd->spool || !ledgerd->base || !ledgerd->intake || !ledgerd->publishing)
		return rain_error_set(err, "no memory for the event loop");
	ledgerd->on_term = signal_event(ledgerd, SIGTERM, on_stop);
	ledgerd->on_int = signal_event(ledgerd, SIGINT, on_stop);
	ledgerd->on_hup = signal_event(ledgerd, SIGHUP, on_reload);
	if (!ledgerd->on_term || !ledgerd->on_int || !ledgerd->on_hup)
		return rain_error_set(err, "signals can't be handled");
	if (inotify_open(ledgerd, err) < 0 || timers_init(ledgerd, err) < 0)
		return -1;
	ledgerd->group = rain_ledgerd_group_create(ledgerd, err);
	ledgerd->keep = ledgerd->group ? rain_keep_create(ledgerd->base, ledgerd->config->ledger.database, err)
				       : NULL;
	ledgerd->checks = ledgerd->keep ? rain_checks_create(ledgerd->base, ledgerd->config->ledger.database, err)
					: NULL;
	if (!ledgerd->checks)
		return -1;
	ledgerd->server = rain_rpc_server_create(ledgerd->base, ledgerd->config->ledger.socket,
						 0666, rain_ledgerd_ops, ledgerd, err);
	return ledgerd->server ? 0 : -1;
}

static void ledgerd_release(struct rain_ledgerd *ledgerd)
{
	struct event *events[] = {ledgerd->intake, ledgerd->publishing, ledgerd->keeping, ledgerd->on_term, ledgerd->on_int,
				  ledgerd->on_hup};

	inotify_close(ledgerd);
	rain_keep_destroy(ledgerd->keep);
	if (ledgerd->server) {
		rain_ledgerd_group_end(ledgerd->group);
		rain_ledger_close(ledgerd->store);
		rain_checks_destroy(ledgerd->checks);
		ledgerd->checks = NULL;
		for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
			event_del(events[i]);
		event_base_loop(ledgerd->base, EVLOOP_NONBLOCK); /* the last answers */
	}
	rain_rpc_server_destroy(ledgerd->server);
	rain_ledgerd_group_destroy(ledgerd->group);
	rain_checks_destroy(ledgerd->checks);
	rain_metrics_outlet_destroy(ledgerd->outlet);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (ledgerd->base)
		event_base_free(ledgerd->base);
	rain_publish_release(&ledgerd->publish);
	rain_predictions_release(&ledgerd->predictions);
	rain_intake_destroy(ledgerd->spool);
	rain_ledger_destroy(ledgerd->store);
	rain_config_destroy(ledgerd->config);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"debug", no_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	struct rain_ledgerd ledgerd = {.inotify_fd = -1};
	enum rain_log_level level = RAIN_LOG_INFO;
	struct rain_error err;
	int option, code = RAIN_EXIT_FAILURE;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "c:d", options, NULL)) != -1) {
		if (option == 'c')
			ledgerd.config_path = optarg;
		else if (option == 'd')
			level = RAIN_LOG_DEBUG;
		else
			return rain_cli_usage("wrong option");
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	rain_log_open("rain-ledgerd", level);
	if (ledgerd_init(&ledgerd, &err) < 0) {
		rain_log_error("%s", err.text);
		goto cleanup;
	}
	rain_ledgerd_readmit(&ledgerd);
	schedule(&ledgerd, 0);
	event_active(ledgerd.publishing, EV_TIMEOUT, 0);
	rain_log_info("ready: cluster=%s spool=%s socket=%s", ledgerd.config->cluster_name,
		      ledgerd.config->ledger.spool, ledgerd.config->ledger.socket);
	rain_notify("READY=1");
	if (event_base_dispatch(ledgerd.base) < 0)
		rain_log_error("the event loop failed");
	else
		code = RAIN_EXIT_OK;
cleanup:
	ledgerd_release(&ledgerd);
	return code;
}
