/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "panel/notice.h"
#include "panel/test/paneld_fixture.h"

char *path_of(const struct fixture *fixture, const char *name)
{
	static char path[4][128];
	static int next;
	char *result = path[next++ % 4];

	snprintf(result, sizeof(path[0]), "%s/%s", fixture->directory, name);
	return result;
}

void write_file(const struct fixture *fixture, const char *name, const char *text,
		mode_t mode)
{
	assert_int_equal(rain_file_write(path_of(fixture, name), text, strlen(text), mode, NULL),
			 0);
}

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

int connect_tcp(const struct fixture *fixture)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)fixture->port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

int connect_unix(const char *path, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void say(struct talk *talk, const char *line)
{
	size_t length = strlen(line);

	assert_int_equal(send(talk->fd, line, length, MSG_NOSIGNAL), length);
}

/* The next line as JSON; NULL when the connection ended. */
json_t *hear(struct talk *talk)
{
	for (;;) {
		char *end = memchr(talk->buffer, '\n', talk->size);
		struct pollfd ready = {.fd = talk->fd, .events = POLLIN};
		ssize_t got;

		if (end) {
			size_t length = (size_t)(end - talk->buffer);
			json_t *line = json_loadb(talk->buffer, length, 0, NULL);

			assert_non_null(line);
			talk->size -= length + 1;
			memmove(talk->buffer, end + 1, talk->size);
			return line;
		}
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		got = recv(talk->fd, talk->buffer + talk->size,
			   sizeof(talk->buffer) - talk->size, 0);
		if (got <= 0)
			return NULL;
		talk->size += (size_t)got;
	}
}

struct talk *talk_to(int fd)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	assert_true(fd >= 0);
	talk->fd = fd;
	return talk;
}

void hang_up(struct talk *talk)
{
	close(talk->fd);
	free(talk);
}

/* The present frame; the caller drops it. */
json_t *frame_of(const struct fixture *fixture)
{
	struct talk *talk = talk_to(connect_tcp(fixture));
	json_t *reply, *frame;

	say(talk, "{\"op\":\"frame\"}\n");
	reply = hear(talk);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	frame = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	hang_up(talk);
	return frame;
}

int level(const json_t *frame, int led)
{
	return (int)json_integer_value(json_array_get(json_object_get(frame, "levels"), led));
}

const char *show(const json_t *frame, int led)
{
	const json_t *leds = json_object_get(frame, "leds");

	return json_string_value(json_object_get(json_array_get(leds, led), "show"));
}

const json_t *job_of(const json_t *frame, int id)
{
	json_t *job;
	size_t i;

	json_array_foreach(json_object_get(frame, "jobs"), i, job)
		if (json_integer_value(json_object_get(job, "job")) == id)
			return job;
	return NULL;
}

bool is_here(const struct fixture *fixture, int id)
{
	json_t *frame = frame_of(fixture);
	bool here = job_of(frame, id) != NULL;

	json_decref(frame);
	return here;
}

void wait_for_job(const struct fixture *fixture, int id, bool here)
{
	int64_t until = rain_clock_monotonic_ms() + 2 * PATIENCE_MS;

	while (is_here(fixture, id) != here) {
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 20);
	}
}

void notify(const struct fixture *fixture, const char *text, size_t size)
{
	int fd = connect_unix(path_of(fixture, "panel.sock"), SOCK_DGRAM);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, text, size, 0), size);
	close(fd);
}

void notify_job(const struct fixture *fixture, enum rain_panel_event event, uint32_t job,
		       uid_t uid, enum rain_panel_kind kind)
{
	struct rain_panel_notice notice = {event, job, uid, kind, ""};
	char text[RAIN_PANEL_NOTICE_MAX];
	int length = rain_panel_notice_encode(&notice, text);

	assert_true(length > 0);
	notify(fixture, text, (size_t)length);
}

void launch(struct fixture *fixture)
{
	const char *program = getenv("RAIN_PANELD") ? getenv("RAIN_PANELD") : "./rain-paneld";
	int64_t until = rain_clock_monotonic_ms() + PATIENCE_MS;
	char *config = path_of(fixture, "rain.conf"), *helper = path_of(fixture, "helper");
	int fd;

	fixture->pid = fork();
	if (fixture->pid == 0) {
		int log = open(path_of(fixture, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);

		dup2(log, STDERR_FILENO);
		if (fixture->in_child)
			fixture->in_child();
		execl(program, program, "--config", config, "--node", fixture->node, "--helper",
		      helper, (char *)NULL);
		_exit(127);
	}
	while ((fd = connect_tcp(fixture)) < 0) {
		assert_int_equal(waitpid(fixture->pid, NULL, WNOHANG), 0);
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 10);
	}
	close(fd);
}

int stop(struct fixture *fixture)
{
	int status;

	kill(fixture->pid, SIGTERM);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	fixture->pid = 0;
	return status;
}

void write_config(const struct fixture *fixture, int port, const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "cluster { name = \"alpha\" }\n"
		 "lend { guest-uid-min = 61000 guest-uid-max = 61015 }\n"
		 "panel { driver = \"sim\" listen = \"127.0.0.1:%d\" port = %d nodes = \"localhost\"\n"
		 "  head = \"127.0.0.1:%d\" socket = \"%s\" mode = \"status\"\n"
		 "  record = \"%s\" %s }\n",
		 fixture->port, port, fixture->port, path_of(fixture, "panel.sock"),
		 fixture->directory, more);
	write_file(fixture, "rain.conf", text, 0644);
}

int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char text[1024];

	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/rain-paneld-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	assert_int_equal(chmod(fixture->directory, 0755), 0);
	snprintf(fixture->node, sizeof(fixture->node), "test%d", (int)getpid());
	fixture->port = free_port();
	write_config(fixture, fixture->port, "");
	write_file(fixture, "answers", "{\"done\":true}\n", 0644);
	/* As rain-panel-jobs: all, or what is known about those it is asked for. */
	snprintf(text, sizeof(text),
		 "#!/bin/sh\n[ $1 != --owners ] || exec cat %s\n"
		 "shift\n[ $# -gt 0 ] || exec cat %s\n"
		 "for job; do grep \"\\\"job\\\":$job,\" %s; done\n",
		 path_of(fixture, "owners"), path_of(fixture, "answers"),
		 path_of(fixture, "answers"));
	write_file(fixture, "helper", text, 0755);
	launch(fixture);
	*state = fixture;
	return 0;
}

int tear_down(void **state)
{
	static const char *const files[] = {"rain.conf", "answers", "helper", "log",
					    "panel.sock", "sim.sock", "user.sock", "owners"};
	struct fixture *fixture = *state;
	char record[sizeof(fixture->node) + sizeof(".record")];
	char codes[sizeof(fixture->node) + sizeof(".codes")];

	if (fixture->pid > 0)
		stop(fixture);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(fixture, files[i]));
	snprintf(record, sizeof(record), "%s.record", fixture->node);
	unlink(path_of(fixture, record));
	snprintf(codes, sizeof(codes), "%s.codes", fixture->node);
	unlink(path_of(fixture, codes));
	rmdir(fixture->directory);
	free(fixture);
	return 0;
}
