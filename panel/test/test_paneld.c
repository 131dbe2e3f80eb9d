/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real rain-paneld, on sockets of its own in a temporary directory. */
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

static void test_a_jobs_life(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk = talk_to(connect_tcp(fixture));
	json_t *line, *frame;
	int64_t began;

	say(talk, "{\"op\":\"watch\"}\n");
	line = hear(talk);
	frame = json_object_get(line, "result");
	assert_string_equal(json_string_value(json_object_get(frame, "node")), fixture->node);
	assert_string_equal(json_string_value(json_object_get(frame, "mode")), "status");
	assert_string_equal(show(frame, 3), "off");
	assert_int_equal(json_array_size(json_object_get(frame, "jobs")), 0);
	json_decref(line);

	began = rain_clock_monotonic_ms();
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 13, 61001, RAIN_PANEL_GUEST);
	for (bool lit = false; !lit; json_decref(line)) {
		line = hear(talk);
		frame = json_object_get(line, "result");
		lit = level(frame, 3) == 255 && level(frame, 4) == 255;
	}
	print_message("user1 and user2 lit %d ms after the notices\n",
		      (int)(rain_clock_monotonic_ms() - began));
	frame = frame_of(fixture);
	assert_string_equal(json_string_value(json_object_get(job_of(frame, 12), "kind")), "home");
	assert_string_equal(json_string_value(json_object_get(job_of(frame, 13), "kind")), "guest");
	assert_int_equal(json_integer_value(json_object_get(job_of(frame, 12), "uid")), 20001);
	assert_non_null(json_object_get(job_of(frame, 12), "since"));
	assert_non_null(json_object_get(frame, "time_ms"));
	json_decref(frame);

	/* The pattern of 20001 is "..--"'s neighbour: just see it go dark again. */
	for (bool dark = false; !dark; json_decref(line)) {
		line = hear(talk);
		dark = level(json_object_get(line, "result"), 3) == 0;
	}
	notify_job(fixture, RAIN_PANEL_END, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, false);
	frame = frame_of(fixture);
	assert_string_equal(show(frame, 3), "off");
	assert_int_equal(level(frame, 3), 0);
	assert_string_equal(show(frame, 4), "pattern");
	json_decref(frame);
	notify_job(fixture, RAIN_PANEL_END, 13, 61001, RAIN_PANEL_GUEST);
	wait_for_job(fixture, 13, false);
	hang_up(talk);
}

static void test_one_write_per_change(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk = talk_to(connect_tcp(fixture));
	json_int_t writes = -1;

	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	say(talk, "{\"op\":\"watch\"}\n");
	for (int i = 0; i < 6; i++) {
		json_t *line = hear(talk);
		json_t *frame = json_object_get(line, "result");
		json_int_t now = json_integer_value(json_object_get(frame, "writes"));

		if (writes >= 0)
			assert_int_equal(now, writes + 1);
		writes = now;
		json_decref(line);
	}
	hang_up(talk);
}

static void test_bad_notices(void **state)
{
	struct fixture *fixture = *state;
	char large[2048];
	pid_t stranger;
	int status;

	memset(large, ' ', sizeof(large));
	notify(fixture, "hello", 5);
	notify(fixture, "", 0);
	notify(fixture, large, sizeof(large));
	notify(fixture, "{\"v\":1,\"event\":\"start\",\"job\":0,\"uid\":1,\"kind\":\"home\"}", 54);
	notify_job(fixture, RAIN_PANEL_END, 4711, 1, RAIN_PANEL_HOME);
	if (geteuid() == 0) {
		/* Even where the file's mode would let him. */
		assert_int_equal(chmod(path_of(fixture, "panel.sock"), 0666), 0);
		stranger = fork();
		if (stranger == 0) {
			if (setgid(65534) < 0 || setuid(65534) < 0)
				_exit(1);
			notify_job(fixture, RAIN_PANEL_START, 66, 65534, RAIN_PANEL_HOME);
			_exit(0);
		}
		waitpid(stranger, &status, 0);
		assert_int_equal(status, 0);
	}
	/* Datagrams keep their order: once this one is taken, the others are. */
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	assert_false(is_here(fixture, 66));
}

static void expect_error(int fd, const char *request, const char *part)
{
	struct talk *talk = talk_to(fd);
	json_t *reply;

	say(talk, request);
	reply = hear(talk);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_non_null(strstr(json_string_value(json_object_get(reply, "error")), part));
	json_decref(reply);
	hang_up(talk);
}

static void test_requests(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk;
	json_t *reply;
	char large[600];

	expect_error(connect_tcp(fixture), "{\"op\":\"dance\"}\n", "\"frame\", \"watch\"");
	expect_error(connect_tcp(fixture), "{\"op\":\"mode\",\"mode\":\"load\"}\n", "unknown here");
	expect_error(connect_tcp(fixture), "hello\n", "");
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	expect_error(connect_tcp(fixture), large, "longer than");

	expect_error(connect_tcp(fixture), "{\"op\":\"record\",\"since\":5,\"until\":5}\n", "until");
	expect_error(connect_tcp(fixture),
		     "{\"op\":\"record\",\"since\":0,\"until\":9000000,\"step_hours\":1}\n", "rows");

	talk = talk_to(connect_unix(path_of(fixture, "sim.sock"), SOCK_STREAM));
	say(talk, "{\"op\":\"mode\",\"mode\":\"load\"}\n{\"op\":\"mode\",\"mode\":\"disco\"}\n");
	reply = hear(talk);
	assert_string_equal(json_string_value(json_object_get(json_object_get(reply, "result"),
							      "mode")),
			    "load");
	json_decref(reply);
	reply = hear(talk);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	json_decref(reply);
	hang_up(talk);
}

/* What it kept is there again after a restart. */
static void test_record(void **state)
{
	struct fixture *fixture = *state;
	json_t *reply, *result;
	struct talk *talk;
	char question[96];

	kill(fixture->pid, SIGHUP); /* a second look at the sensors */
	stop(fixture);
	launch(fixture);
	talk = talk_to(connect_tcp(fixture));
	snprintf(question, sizeof(question), "{\"op\":\"record\",\"since\":0,\"until\":%lld}\n",
		 (long long)rain_clock_realtime_ms() / 1000 + 1);
	say(talk, question);
	reply = hear(talk);
	result = json_object_get(reply, "result");
	assert_true(json_is_true(json_object_get(result, "kept")));
	assert_int_equal(json_array_size(json_object_get(result, "rows")), 1);
	json_decref(reply);
	hang_up(talk);
}

/* Who watches and doesn't read is dropped, and nobody else notices. */
static void test_slow_watcher(void **state)
{
	struct fixture *fixture = *state;
	struct talk *slow = talk_to(connect_unix(path_of(fixture, "sim.sock"), SOCK_STREAM));
	struct talk *hand = talk_to(connect_unix(path_of(fixture, "sim.sock"), SOCK_STREAM));
	json_t *line;
	int lines = 0;

	say(slow, "{\"op\":\"watch\"}\n");
	for (int i = 0; i < 3000; i++) {
		say(hand, i % 2 ? "{\"op\":\"mode\",\"mode\":\"status\"}\n"
				: "{\"op\":\"mode\",\"mode\":\"load\"}\n");
		json_decref(hear(hand));
	}
	while ((line = hear(slow))) {
		lines++;
		json_decref(line);
	}
	assert_in_range(lines, 1, 2999);
	hang_up(slow);
	hang_up(hand);
	json_decref(frame_of(fixture));
}

static void test_many_clients(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk[40];
	json_t *reply;
	int served = 0;

	for (int i = 0; i < 40; i++) {
		talk[i] = talk_to(connect_tcp(fixture));
		send(talk[i]->fd, "{\"op\":\"frame\"}\n", 15, MSG_NOSIGNAL);
	}
	for (int i = 0; i < 40; i++) {
		reply = hear(talk[i]);
		served += reply != NULL;
		json_decref(reply);
	}
	assert_int_equal(served, 32);
	for (int i = 0; i < 40; i++)
		hang_up(talk[i]);
	json_decref(frame_of(fixture));
}

static int listen_as_step(const struct fixture *fixture, const char *step)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s_%s", fixture->directory,
		 fixture->node, step);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	unlink(address.sun_path);
	return fd;
}

static void print_cost(const struct fixture *fixture, int64_t over_ms, long ticks)
{
	char path[64], *status, *rss;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fixture->pid);
	status = rain_file_read(path, 65536, NULL, NULL);
	rss = status ? strstr(status, "VmRSS:") : NULL;
	if (rss)
		rss[strcspn(rss, "\n")] = '\0';
	print_message("cost of the idle daemon: %ld ms of CPU in %d ms; %s\n",
		      ticks * 1000 / sysconf(_SC_CLK_TCK), (int)over_ms, rss ? rss : "");
	free(status);
}

static long cpu_ticks(const struct fixture *fixture)
{
	unsigned long user = 0, system = 0;
	char path[64], *stat, *fields;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)fixture->pid);
	stat = rain_file_read(path, 65536, NULL, NULL);
	fields = stat ? strrchr(stat, ')') : NULL;
	if (fields)
		sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		       &system);
	free(stat);
	return (long)(user + system);
}

/* A job whose start was missed appears, one whose end was missed goes, one
 * that Slurm can't tell about stays, and one with a step here is not even
 * asked about. */
static void test_heals(void **state)
{
	struct fixture *fixture = *state;
	int found = listen_as_step(fixture, "77.0");
	int kept = listen_as_step(fixture, "80.4294967291");
	int64_t began;
	json_t *frame;
	long ticks;

	notify_job(fixture, RAIN_PANEL_START, 78, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 79, 20002, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 80, 20003, RAIN_PANEL_HOME);
	wait_for_job(fixture, 80, true);
	write_file(fixture, "answers",
		   "{\"job\":77,\"here\":true,\"uid\":61003,\"elapsed\":60}\n"
		   "{\"job\":78,\"here\":false}\n",
		   0644);
	began = rain_clock_monotonic_ms();
	ticks = cpu_ticks(fixture);
	kill(fixture->pid, SIGHUP); /* look around now */
	wait_for_job(fixture, 77, true);
	frame = frame_of(fixture);
	assert_string_equal(json_string_value(json_object_get(job_of(frame, 77), "kind")), "guest");
	assert_true(json_integer_value(json_object_get(job_of(frame, 77), "elapsed_ms")) >= 60000);
	json_decref(frame);
	wait_for_job(fixture, 78, false);
	assert_true(is_here(fixture, 79));
	assert_true(is_here(fixture, 80));
	ticks = cpu_ticks(fixture) - ticks;
	print_message("healed after %d ms, %ld ms of CPU\n",
		      (int)(rain_clock_monotonic_ms() - began),
		      ticks * 1000 / sysconf(_SC_CLK_TCK));
	close(found);
	close(kept);
}

static void test_knows_jobs_of_before(void **state)
{
	struct fixture *fixture = *state;

	stop(fixture);
	write_file(fixture, "answers",
		   "{\"job\":5,\"here\":true,\"uid\":20001,\"elapsed\":7}\n{\"done\":true}\n", 0644);
	launch(fixture);
	wait_for_job(fixture, 5, true);
}

/* A daemon that died leaves sockets, which are in nobody's way. */
static void test_after_a_crash(void **state)
{
	struct fixture *fixture = *state;

	kill(fixture->pid, SIGKILL);
	waitpid(fixture->pid, NULL, 0);
	launch(fixture);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
}

static void test_all_off_at_the_end(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk = talk_to(connect_tcp(fixture));
	json_t *line, *last = NULL;
	int status;

	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	say(talk, "{\"op\":\"watch\"}\n");
	json_decref(hear(talk));
	status = stop(fixture);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	while ((line = hear(talk))) {
		json_decref(last);
		last = line;
	}
	assert_non_null(last);
	for (int led = 0; led < 5; led++)
		assert_int_equal(level(json_object_get(last, "result"), led), 0);
	json_decref(last);
	assert_int_equal(access(path_of(fixture, "panel.sock"), F_OK), -1);
	assert_int_equal(access(path_of(fixture, "sim.sock"), F_OK), -1);
	hang_up(talk);
}

/* Runs `rain-led WORDS` as uid below a process with the given title and owner;
 * returns its exit code. */
static int led(const struct fixture *fixture, const char *title, uid_t stepd_uid, uid_t uid,
	       const char *words)
{
	const char *program = getenv("RAIN_LED") ? getenv("RAIN_LED") : "./rain-led";
	char *socket_path = path_of(fixture, "user.sock"), *stepd = path_of(fixture, "slurmstepd");
	char command[512], drop[128];
	int status;
	pid_t pid;

	snprintf(drop, sizeof(drop), "setpriv --reuid=%u --regid=%u --clear-groups", (unsigned)uid,
		 (unsigned)uid);
	/* More than one command, so that the shell stays as the parent. */
	snprintf(command, sizeof(command), "%s %s --socket %s %s 2>/dev/null; exit $?", drop, program,
		 socket_path, words);
	pid = fork();
	if (pid == 0) {
		if (setresuid(stepd_uid, stepd_uid, stepd_uid) < 0)
			_exit(126);
		execl(stepd, title, "-c", command, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Only the job's own processes drive its LEDs, only while it is here. */
static void test_led(void **state)
{
	struct fixture *fixture = *state;
	json_t *frame;

	if (geteuid() != 0) {
		print_message("# only root can pretend to be several users\n");
		skip();
	}
	unlink(path_of(fixture, "slurmstepd"));
	assert_int_equal(symlink("/bin/sh", path_of(fixture, "slurmstepd")), 0);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 13, 20002, RAIN_PANEL_HOME);
	wait_for_job(fixture, 13, true);

	/* no job; somebody else's job; a job that is not here; a title that root
	 * did not give; wrong words */
	assert_int_equal(led(fixture, "sh", 0, 20001, "user1 on"), 1);
	assert_int_equal(led(fixture, "slurmstepd: [13.0]", 0, 20001, "user1 on"), 1);
	assert_int_equal(led(fixture, "slurmstepd: [14.0]", 0, 20001, "user1 on"), 1);
	assert_int_equal(led(fixture, "slurmstepd: [12.0]", 0, 20001, "user1 blink 11"), 1);
	assert_int_equal(led(fixture, "slurmstepd: [12.0]", 0, 20001, "boot on"), 2);
	frame = frame_of(fixture);
	assert_null(json_object_get(json_array_get(json_object_get(frame, "leds"), 3), "job"));
	json_decref(frame);

	assert_int_equal(led(fixture, "slurmstepd: [12.0]", 0, 20001, "user2 on"), 0);
	assert_int_equal(led(fixture, "slurmstepd: [13.batch]", 0, 20002, "user1 code 3"), 0);
	frame = frame_of(fixture);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_array_get(json_object_get(frame, "leds"), 4), "job")),
		12);
	assert_string_equal(show(frame, 4), "on");
	assert_string_equal(show(frame, 3), "pattern");
	json_decref(frame);
	notify_job(fixture, RAIN_PANEL_END, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, false);
	frame = frame_of(fixture);
	assert_string_equal(show(frame, 4), "off");
	json_decref(frame);
	assert_int_equal(led(fixture, "slurmstepd: [12.0]", 0, 20001, "user2 on"), 1);

	assert_int_equal(led(fixture, "sh", 0, 20001, "identify 60"), 1);
	assert_int_equal(led(fixture, "sh", 0, 0, "identify 60"), 0);
	frame = frame_of(fixture);
	for (int i = 0; i < 5; i++)
		assert_string_equal(show(frame, i), "blink");
	json_decref(frame);
	assert_int_equal(led(fixture, "slurmstepd: [13.0]", 0, 20002, "identify 0"), 0);
	unlink(path_of(fixture, "slurmstepd"));
}

/* A title that the user gives to a process of his own is worth nothing. */
static void test_led_of_a_false_step(void **state)
{
	struct fixture *fixture = *state;
	char command[256];
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("# only root can pretend to be several users\n");
		skip();
	}
	unlink(path_of(fixture, "slurmstepd"));
	assert_int_equal(symlink("/bin/sh", path_of(fixture, "slurmstepd")), 0);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	snprintf(command, sizeof(command), "./rain-led --socket %s user1 on 2>/dev/null; exit $?",
		 path_of(fixture, "user.sock"));
	pid = fork();
	if (pid == 0) {
		if (setresgid(20001, 20001, 20001) < 0 || setresuid(20001, 20001, 20001) < 0)
			_exit(126);
		execl(path_of(fixture, "slurmstepd"), "slurmstepd: [12.0]", "-c", command,
		      (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	unlink(path_of(fixture, "slurmstepd"));
}

/* On the socket that everybody may write to: noise, floods and silence. */
static void test_noise_from_users(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_unix(path_of(fixture, "user.sock"), SOCK_DGRAM | SOCK_NONBLOCK);
	char large[4096];

	assert_true(fd >= 0);
	memset(large, 'x', sizeof(large));
	for (int i = 0; i < 20000; i++)
		(void)!send(fd, large, i % 2 ? sizeof(large) : 5, MSG_DONTWAIT);
	/* Slurm's own socket is another one: a job's start gets through at once. */
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	close(fd);
}

static void test_idle_cost(void **state)
{
	struct fixture *fixture = *state;
	int64_t began = rain_clock_monotonic_ms();
	long ticks = cpu_ticks(fixture);

	/* Something to measure needs time to pass. */
	while (rain_clock_monotonic_ms() < began + 3000)
		poll(NULL, 0, 500);
	print_cost(fixture, rain_clock_monotonic_ms() - began, cpu_ticks(fixture) - ticks);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_jobs_life),	 TEST(test_one_write_per_change),
		TEST(test_bad_notices),	 TEST(test_requests),
		TEST(test_record),
		TEST(test_slow_watcher), TEST(test_many_clients),
		TEST(test_heals),	 TEST(test_knows_jobs_of_before),
		TEST(test_after_a_crash), TEST(test_all_off_at_the_end),
		TEST(test_led),		 TEST(test_led_of_a_false_step),
		TEST(test_noise_from_users), TEST(test_idle_cost),
	};

	return cmocka_run_group_tests_name("panel/paneld", tests, NULL, NULL);
}
