/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lights cost, by the clock: `make bench-panel`.  The real rain-paneld
 * on sockets of its own, and the very code of the SPANK plugin (only what Slurm
 * gives it is made up here).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/file.h"
#include "panel/state.h"
#include "panel/test/paneld_fixture.h"
#include "plugins/spank_notice.h"

#define SENDS 2000
#define TURNS 200
#define IDLE_MS 15000

static uint32_t job = 100;

spank_err_t spank_get_item(spank_t spank, spank_item_t item, ...)
{
	va_list args;

	(void)spank;
	va_start(args, item);
	if (item == S_JOB_ID)
		*va_arg(args, uint32_t *) = job;
	else
		*va_arg(args, uid_t *) = 20001;
	va_end(args);
	return ESPANK_SUCCESS;
}

void slurm_debug(const char *fmt, ...)
{
	(void)fmt;
}

static double clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell(const char *what, double *took, size_t count, const char *unit)
{
	qsort(took, count, sizeof(*took), compare);
	printf("%-52s p50 %7.1f  p99 %7.1f  most %7.1f %s\n", what, took[count / 2],
	       took[count * 99 / 100], took[count - 1], unit);
}

/* The notice as the plugin sends it. */
static void notice(size_t i)
{
	static const struct rain_spank_settings settings = {
		.overflow_partition = "overflow", .has_guests = true,
		.guest_uid_min = 61000, .guest_uid_max = 61015};

	rain_spank_notice_send(NULL, &settings, i % 2 ? RAIN_PANEL_END : RAIN_PANEL_START);
	job += i % 2;
}

/* The three system calls that no notice can do without, with nobody to be woken. */
static void bare_calls(size_t i)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)i;
	(void)!send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* As much work as a notice is, without any system call. */
static void no_calls(size_t i)
{
	static volatile size_t sum;

	for (int k = 0; k < 10000; k++)
		sum += i;
}

/* One after another, with a breath for the daemon between them: by the clock, and what
 * of it was this thread's own. */
static void time_each(const char *what, void (*call)(size_t i), bool with_breath)
{
	static double took[SENDS], worked[SENDS];

	for (size_t i = 0; i < SENDS; i++) {
		double cpu = clock_us(CLOCK_THREAD_CPUTIME_ID), began = now_us();

		call(i);
		took[i] = now_us() - began;
		worked[i] = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
		if (with_breath)
			poll(NULL, 0, 1);
	}
	tell(what, took, SENDS, "us");
	tell("    of which this thread worked", worked, SENDS, "us");
}

static void bench_notice(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(chdir(fixture->directory), 0);
	time_each("work without a system call, with pauses", no_calls, true);
	time_each("socket, send to nobody, close, with pauses", bare_calls, true);
	time_each("notice of a job, rain-paneld runs, with pauses", notice, true);
	kill(fixture->pid, SIGSTOP);
	time_each("notice of a job, rain-paneld is stopped, with pauses", notice, true);
	time_each("notice of a job, rain-paneld is stopped, socket full", notice, false);
	kill(fixture->pid, SIGCONT);
	stop(fixture);
	time_each("notice of a job, no rain-paneld", notice, false);
}

static void wait_mode(struct talk *talk, const char *mode)
{
	for (bool seen = false; !seen;) {
		json_t *line = hear(talk);
		json_t *frame = json_object_get(line, "result");

		seen = strcmp(json_string_value(json_object_get(frame, "mode")), mode) == 0;
		json_decref(line);
	}
}

static void wait_light(struct talk *talk, bool lit)
{
	for (bool seen = false; !seen;) {
		json_t *line = hear(talk);

		seen = (level(json_object_get(line, "result"), 3) > 0) == lit;
		json_decref(line);
	}
}

static void bench_answer(void **state)
{
	struct fixture *fixture = *state;
	struct talk *watch = talk_to(connect_tcp(fixture));
	struct talk *hand = talk_to(connect_unix(path_of(fixture, "sim.sock"), SOCK_STREAM));
	static double turned[TURNS], lit[TURNS];

	poll(NULL, 0, RAIN_PANEL_SELF_TEST_MS + 200); /* it tries its lights first */
	say(watch, "{\"op\":\"watch\"}\n");
	json_decref(hear(watch));
	for (size_t i = 0; i < TURNS; i++) {
		const char *mode = i % 2 ? "status" : "load";
		char request[64];
		double began;

		snprintf(request, sizeof(request), "{\"op\":\"mode\",\"mode\":\"%s\"}\n", mode);
		began = now_us();
		say(hand, request);
		wait_mode(watch, mode);
		turned[i] = (now_us() - began) / 1000;
		json_decref(hear(hand));
	}
	for (size_t i = 0; i < TURNS; i++) {
		double began = now_us();

		notify_job(fixture, RAIN_PANEL_START, (uint32_t)(i + 1), 20001, RAIN_PANEL_HOME);
		wait_light(watch, true);
		lit[i] = (now_us() - began) / 1000;
		notify_job(fixture, RAIN_PANEL_END, (uint32_t)(i + 1), 20001, RAIN_PANEL_HOME);
		wait_light(watch, false);
	}
	tell("switch turned, until the panel shows the other mode", turned, TURNS, "ms");
	tell("job noticed, until its light is on", lit, TURNS, "ms");
	hang_up(watch);
	hang_up(hand);
}

/* Nanoseconds of CPU of the daemon. */
static double cpu_ns(const struct fixture *fixture)
{
	char path[64], *text;
	double value;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)fixture->pid);
	text = rain_file_read(path, 4096, NULL, NULL);
	value = text ? strtod(text, NULL) : 0;
	free(text);
	return value;
}

static long rss_kb(const struct fixture *fixture)
{
	char path[64], *text, *at;
	long value;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fixture->pid);
	text = rain_file_read(path, 65536, NULL, NULL);
	at = text ? strstr(text, "VmRSS:") : NULL;
	value = at ? strtol(at + strlen("VmRSS:"), NULL, 10) : 0;
	free(text);
	return value;
}

static void idle(const struct fixture *fixture, const char *what)
{
	double before = cpu_ns(fixture), began = now_us();

	poll(NULL, 0, IDLE_MS);
	printf("%-52s %.4f %% of a core, %ld kB RSS\n", what,
	       (cpu_ns(fixture) - before) / (now_us() - began) / 10, rss_kb(fixture));
}

static void bench_idle(void **state)
{
	struct fixture *fixture = *state;

	idle(fixture, "rain-paneld without jobs");
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 13, 61001, RAIN_PANEL_GUEST);
	wait_for_job(fixture, 13, true);
	idle(fixture, "rain-paneld with two owners' patterns");
}

#define BENCH(bench) cmocka_unit_test_setup_teardown(bench, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest benches[] = {BENCH(bench_idle), BENCH(bench_answer),
					     BENCH(bench_notice)};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name("panel/bench", benches, NULL, NULL);
}
