/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/paneld.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/notify.h"
#include "panel/frame_json.h"
#include "panel/request.h"
#include "panel/sense.h"
#include "panel/trim.h"

#define SYS_ROOT "/sys"
/* How often it looks around: network, heat, jobs. The kernel renews the load
 * every five seconds. */
#define TICK_MS 10000
#define TICK_LOAD_MS 5000
/* Smaller changes of the sensors are nobody's news. */
#define TELL_MILLIDEGREES 500
#define TELL_KHZ 10000
#define SIM_SOCKET_NAME "sim.sock"
#define FDS_MAX (RAIN_PANEL_SERVER_FDS + 8)

static char *frame_line(void *arg)
{
	struct rain_paneld *daemon = arg;
	struct rain_panel_picture picture = {
		.node = daemon->node,
		.driver = daemon->device.driver->name,
		.state = &daemon->state,
		.frame = &daemon->frame,
		.changed_ms = daemon->frame_changed_ms,
		.writes = daemon->device.writes,
		.monotonic_ms = rain_clock_monotonic_ms(),
		.realtime_ms = rain_clock_realtime_ms(),
	};

	return rain_panel_frame_json(&picture);
}

/* Computes the frame and shows it. Returns when it changes by itself. */
static int64_t refresh(struct rain_paneld *daemon, int64_t now_ms)
{
	struct rain_panel_frame frame;
	int64_t next_ms = rain_panel_frame_compute(&daemon->state, now_ms, &frame);

	if (memcmp(&frame, &daemon->frame, sizeof(frame)) != 0) {
		daemon->frame = frame;
		daemon->frame_changed_ms = rain_clock_realtime_ms();
		daemon->changed = true;
	}
	rain_panel_device_show(&daemon->device, frame.level, now_ms);
	return next_ms;
}

static int turn_switch(void *arg, const char *name, struct rain_error *err)
{
	struct rain_paneld *daemon = arg;
	struct rain_panel_device *device = &daemon->device;
	enum rain_panel_mode mode;

	if (rain_panel_mode_parse(name, &mode) < 0)
		return rain_error_set(err, "mode is neither \"status\" nor \"load\"");
	if (!device->driver->turn_switch || !device->handle)
		return rain_error_set(err, "the switch of this panel turns by hand only");
	device->driver->turn_switch(device->handle, mode);
	if (rain_panel_device_read_switch(device, &daemon->state.mode,
					  rain_clock_monotonic_ms())) {
		daemon->changed = true;
		daemon->tick_ms = 0; /* the load of this moment */
	}
	refresh(daemon, rain_clock_monotonic_ms());
	return 0;
}

static char *record_line(void *arg, int64_t since_s, int64_t until_s, int64_t step_hours,
			 struct rain_error *err)
{
	struct rain_paneld *daemon = arg;

	return rain_record_tell(&daemon->record, since_s, until_s, step_hours, err);
}

static int code_of(void *arg, uid_t uid, const char **code, struct rain_error *err)
{
	struct rain_paneld *daemon = arg;

	return rain_panel_keeper_code(&daemon->keeper, uid, rain_clock_monotonic_ms(), code, err);
}

static int open_sockets(struct rain_paneld *daemon, struct rain_error *err)
{
	struct rain_panel_server_calls calls = {frame_line, record_line, code_of, turn_switch,
						daemon};
	const char *path = daemon->config->panel.socket;
	char copy[PATH_MAX], sim_path[PATH_MAX + sizeof(SIM_SOCKET_NAME) + 1];
	const char *directory;

	if (strlen(path) >= sizeof(copy))
		return rain_error_set(err, "panel.socket is too long");
	strcpy(copy, path);
	directory = dirname(copy);
	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make %s: %s", directory, strerror(errno));
	snprintf(sim_path, sizeof(sim_path), "%s/%s", directory, SIM_SOCKET_NAME);
	daemon->notice_fd = rain_paneld_notice_open(path, err);
	if (daemon->notice_fd < 0)
		return -1;
	if (asprintf(&daemon->user_path, "%s/%s", directory, RAIN_PANEL_USER_SOCKET_NAME) < 0) {
		daemon->user_path = NULL;
		return rain_error_set(err, "out of memory");
	}
	daemon->user_fd = rain_paneld_user_open(daemon->user_path, err);
	if (daemon->user_fd < 0)
		return -1;
	/* Last: who reaches the port finds the rest there. */
	return rain_panel_server_init(&daemon->server, daemon->config->panel.listen, sim_path,
				      &calls, err);
}

static int open_signals(struct rain_paneld *daemon, struct rain_error *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return rain_error_set(err, "can't block signals: %s", strerror(errno));
	daemon->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (daemon->signal_fd < 0)
		return rain_error_set(err, "can't wait for signals: %s", strerror(errno));
	return 0;
}

static void adopt_guests(struct rain_paneld *daemon)
{
	daemon->heal.guest_uid_min = daemon->config->lend.guest_uid_min;
	daemon->heal.guest_uid_max = daemon->config->lend.guest_uid_max;
}

int rain_paneld_init(struct rain_paneld *daemon, const char *config_path, const char *node,
		     const char *helper, struct rain_error *err)
{
	int64_t now_ms = rain_clock_monotonic_ms();
	enum rain_panel_mode mode;

	memset(daemon, 0, sizeof(*daemon));
	daemon->config_path = config_path;
	daemon->node = node;
	daemon->helper = helper;
	daemon->notice_fd = daemon->user_fd = daemon->network_fd = daemon->signal_fd = -1;
	daemon->server.tcp_fd = daemon->server.local_fd = -1;
	daemon->head.fd = -1;
	daemon->record.fd = -1;
	for (size_t i = 0; i < RAIN_PANEL_CLIENTS_MAX; i++)
		daemon->server.clients[i].fd = -1;
	rain_panel_child_init(&daemon->head.resolver, 0);
	rain_panel_heal_init(&daemon->heal, node, helper);
	rain_panel_child_init(&daemon->asker.child, 0);
	rain_panel_child_init(&daemon->keeper.child, 0);

	daemon->config = rain_config_load(config_path, err);
	if (!daemon->config)
		return -1;
	if (rain_panel_mode_parse(daemon->config->panel.mode, &mode) < 0)
		return rain_error_set(err, "panel.mode is neither \"status\" nor \"load\"");
	rain_panel_state_init(&daemon->state, mode);
	adopt_guests(daemon);
	rain_panel_keeper_init(&daemon->keeper, strcmp(daemon->config->panel.code_keeper, node) == 0,
			       helper, daemon->config->panel.record, node, now_ms);
	if (open_signals(daemon, err) < 0 ||
	    rain_panel_asker_init(&daemon->asker, daemon->config, node, err) < 0 ||
	    rain_panel_head_init(&daemon->head, daemon->config->panel.head, err) < 0 ||
	    rain_panel_device_init(&daemon->device, daemon->config, now_ms, err) < 0 ||
	    open_sockets(daemon, err) < 0)
		return -1;
	daemon->network_fd = rain_panel_sense_network_open();
	if (rain_record_open(&daemon->record, daemon->config->panel.record, node, err) < 0)
		rain_log_warning("%s", err->text);
	return 0;
}

static void sense_network(struct rain_paneld *daemon)
{
	enum rain_panel_network network = RAIN_PANEL_NETWORK_OK;

	if (!rain_panel_sense_network())
		network = RAIN_PANEL_NETWORK_DOWN;
	else if (!daemon->head.known)
		network = daemon->state.network; /* the first check is under way */
	else if (!daemon->head.reachable)
		network = RAIN_PANEL_NETWORK_NO_HEAD;
	if (network != daemon->state.network)
		daemon->changed = true;
	daemon->state.network = network;
}

/* Writes down what the sensors say; who watches learns what he would see. */
static void keep_heat(struct rain_paneld *daemon, int64_t now_ms)
{
	const struct rain_panel_state *state = &daemon->state;
	struct rain_heat_look look = {.time_s = rain_clock_realtime_ms() / 1000,
				      .temperature = state->temperature,
				      .millidegrees = state->millidegrees,
				      .clock_khz = state->clock_khz};

	rain_record_look(&daemon->record, &look, now_ms);
	if (llabs(state->millidegrees - daemon->told_millidegrees) < TELL_MILLIDEGREES &&
	    llabs(state->clock_khz - daemon->told_khz) < TELL_KHZ)
		return;
	daemon->told_millidegrees = state->millidegrees;
	daemon->told_khz = state->clock_khz;
	daemon->changed = true;
}

static void look_around(struct rain_paneld *daemon, int64_t now_ms)
{
	struct rain_panel_state *state = &daemon->state;
	enum rain_panel_temperature before = state->temperature;

	rain_panel_head_check(&daemon->head, now_ms);
	sense_network(daemon);
	state->load_percent = rain_panel_sense_load();
	state->temperature = rain_panel_sense_temperature(SYS_ROOT, state->load_percent,
							  &state->millidegrees, &state->clock_khz);
	if (state->temperature != before) {
		daemon->changed = true;
		if (state->temperature == RAIN_PANEL_TEMPERATURE_HOT)
			rain_log_warning("too hot node=%s", daemon->node);
		else if (state->temperature == RAIN_PANEL_TEMPERATURE_SLOW)
			rain_log_warning("cool, but not at full speed node=%s clock_khz=%lld",
					 daemon->node, (long long)state->clock_khz);
	}
	keep_heat(daemon, now_ms);
	rain_panel_heal_sweep(&daemon->heal, state, now_ms);
	rain_panel_trim(); /* the lights need little of what this needed */
	daemon->tick_ms = now_ms + (state->mode == RAIN_PANEL_LOAD ? TICK_LOAD_MS : TICK_MS);
}

/* What can change while it runs: the head and the guests' uids. */
static void reload(struct rain_paneld *daemon)
{
	struct rain_config *fresh;
	struct rain_panel_head head;
	struct rain_error err;

	fresh = rain_config_load(daemon->config_path, &err);
	if (!fresh || rain_panel_head_init(&head, fresh->panel.head, &err) < 0) {
		rain_log_error("goes on with the old configuration: %s", err.text);
		rain_config_destroy(fresh);
		return;
	}
	rain_panel_head_release(&daemon->head);
	rain_config_destroy(daemon->config);
	daemon->head = head;
	daemon->config = fresh;
	daemon->device.config = fresh;
	adopt_guests(daemon);
	daemon->tick_ms = 0;
	rain_log_info("has read its configuration again");
}

static void read_signals(struct rain_paneld *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(daemon);
		else
			daemon->stop = true;
	}
}

/* The order of what is polled; the server's descriptors follow. */
enum slot {
	SLOT_SIGNAL,
	SLOT_NOTICE,
	SLOT_USER,
	SLOT_NETWORK,
	SLOT_HEAD,
	SLOT_HEAL,
	SLOT_KEEPER,
	SLOT_ASKER,
	SLOT_SERVER
};

/* Fills in what to wait for (poll ignores -1). Returns how many; lowers
 * *deadline_ms. */
static size_t prepare(struct rain_paneld *daemon, struct pollfd fds[static FDS_MAX],
		      int64_t *deadline_ms)
{
	int64_t until[6];
	short events = 0;

	fds[SLOT_SIGNAL] = (struct pollfd){.fd = daemon->signal_fd, .events = POLLIN};
	fds[SLOT_NOTICE] = (struct pollfd){.fd = daemon->notice_fd, .events = POLLIN};
	fds[SLOT_USER] = (struct pollfd){.fd = daemon->user_fd, .events = POLLIN};
	fds[SLOT_NETWORK] = (struct pollfd){.fd = daemon->network_fd, .events = POLLIN};
	fds[SLOT_HEAD].fd = rain_panel_head_fd(&daemon->head, &events, &until[0]);
	fds[SLOT_HEAD].events = events;
	fds[SLOT_HEAD].revents = 0;
	fds[SLOT_HEAL].fd = rain_panel_heal_fd(&daemon->heal, &until[1]);
	fds[SLOT_HEAL].events = POLLIN;
	fds[SLOT_HEAL].revents = 0;
	fds[SLOT_KEEPER].fd = rain_panel_keeper_fd(&daemon->keeper, &until[4]);
	fds[SLOT_KEEPER].events = POLLIN;
	fds[SLOT_ASKER].fd = rain_panel_asker_fd(&daemon->asker, &daemon->keeper, &daemon->state,
						 &until[5]);
	fds[SLOT_ASKER].events = POLLIN;
	until[2] = rain_panel_device_deadline(&daemon->device);
	until[3] = daemon->tick_ms;
	for (size_t i = 0; i < sizeof(until) / sizeof(until[0]); i++) {
		if (until[i] < *deadline_ms)
			*deadline_ms = until[i];
	}
	return SLOT_SERVER +
	       rain_panel_server_poll(&daemon->server, fds + SLOT_SERVER, deadline_ms);
}

static void dispatch(struct rain_paneld *daemon, const struct pollfd *fds, size_t count,
		     int64_t now_ms)
{
	if (fds[SLOT_SIGNAL].revents)
		read_signals(daemon);
	if (fds[SLOT_NOTICE].revents &&
	    rain_paneld_notice_read(daemon->notice_fd, &daemon->state, now_ms))
		daemon->changed = true;
	if (fds[SLOT_USER].revents &&
	    rain_paneld_user_read(daemon->user_fd, &daemon->state, now_ms))
		daemon->changed = true;
	if (fds[SLOT_NETWORK].revents) {
		rain_panel_sense_network_drain(daemon->network_fd);
		sense_network(daemon);
		rain_panel_head_check(&daemon->head, now_ms);
	}
	if (rain_panel_head_progress(&daemon->head, fds[SLOT_HEAD].revents != 0, now_ms))
		sense_network(daemon);
	if (rain_panel_heal_progress(&daemon->heal, &daemon->state, fds[SLOT_HEAL].revents != 0,
				     now_ms))
		daemon->changed = true;
	rain_panel_keeper_progress(&daemon->keeper, fds[SLOT_KEEPER].revents != 0, now_ms);
	if (rain_panel_asker_progress(&daemon->asker, &daemon->keeper, &daemon->state,
				      fds[SLOT_ASKER].revents != 0, now_ms))
		daemon->changed = true;
	if (now_ms >= daemon->tick_ms)
		look_around(daemon, now_ms);
	rain_panel_device_tick(&daemon->device, now_ms);
	if (rain_panel_device_read_switch(&daemon->device, &daemon->state.mode, now_ms))
		daemon->changed = true;
	rain_panel_server_serve(&daemon->server, fds + SLOT_SERVER, count - SLOT_SERVER, now_ms);
}

static void publish(struct rain_paneld *daemon)
{
	char *line;

	if (!daemon->changed)
		return;
	daemon->changed = false;
	if (!rain_panel_server_is_watched(&daemon->server))
		return;
	line = frame_line(daemon);
	if (line)
		rain_panel_server_publish(&daemon->server, line);
	free(line);
}

/* Those who watch see it, too. */
static void go_dark(struct rain_paneld *daemon)
{
	memset(&daemon->frame, 0, sizeof(daemon->frame));
	daemon->frame_changed_ms = rain_clock_realtime_ms();
	daemon->changed = true;
	rain_panel_device_show(&daemon->device, daemon->frame.level, rain_clock_monotonic_ms());
	publish(daemon);
}

int rain_paneld_run(struct rain_paneld *daemon, struct rain_error *err)
{
	struct pollfd fds[FDS_MAX];

	look_around(daemon, rain_clock_monotonic_ms());
	daemon->state.booted = true;
	daemon->state.self_test_until_ms = rain_clock_monotonic_ms() + RAIN_PANEL_SELF_TEST_MS;
	rain_notify("READY=1");
	while (!daemon->stop) {
		int64_t now_ms = rain_clock_monotonic_ms();
		int64_t deadline_ms = refresh(daemon, now_ms);
		size_t count;
		int timeout;

		publish(daemon);
		count = prepare(daemon, fds, &deadline_ms);
		if (deadline_ms <= now_ms)
			timeout = 0;
		else if (deadline_ms - now_ms > INT_MAX)
			timeout = -1;
		else
			timeout = (int)(deadline_ms - now_ms);
		if (poll(fds, count, timeout) < 0 && errno != EINTR)
			return rain_error_set(err, "can't wait: %s", strerror(errno));
		dispatch(daemon, fds, count, rain_clock_monotonic_ms());
	}
	rain_notify("STOPPING=1");
	go_dark(daemon);
	return 0;
}

void rain_paneld_release(struct rain_paneld *daemon)
{
	rain_panel_device_release(&daemon->device);
	rain_panel_server_release(&daemon->server);
	rain_panel_heal_release(&daemon->heal);
	rain_panel_asker_release(&daemon->asker);
	rain_panel_keeper_release(&daemon->keeper);
	rain_panel_head_release(&daemon->head);
	rain_record_close(&daemon->record);
	if (daemon->notice_fd >= 0) {
		close(daemon->notice_fd);
		unlink(daemon->config->panel.socket);
	}
	if (daemon->user_fd >= 0) {
		close(daemon->user_fd);
		unlink(daemon->user_path);
	}
	free(daemon->user_path);
	if (daemon->network_fd >= 0)
		close(daemon->network_fd);
	if (daemon->signal_fd >= 0)
		close(daemon->signal_fd);
	rain_config_destroy(daemon->config);
}
