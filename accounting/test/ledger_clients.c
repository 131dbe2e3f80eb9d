// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many clients of rain-ledgerd's socket at once, each with jobs one after another: a hold,
 * and when that is durable its post, and when that is durable the next job.
 *
 *   ledger_clients SOCKET [-c CLIENTS] [-t SECONDS | -n JOBS of each] [-u USERS] [-m] [-l FILE]
 *
 * Users are user:u1 to user:uUSERS; what they pay goes to system:commons. -m mixes: some jobs are voided,
 * some extended, some ask before for more than there is. -l writes how long each job took, in
 * µs, a line each. Who gets no answer, or hears that the database is away, asks again with the
 * same keys until it is known. Prints "tps = …", and "jobs: posted N voided N refused N".
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

enum { CLIENTS_MAX = 250, LINE_MAX_BYTES = 4096, HELD = 1000, POSTED = 900 };

enum step { POOR, HOLD, EXTEND, POST, VOID };

struct client {
	int fd; /* -1: not connected */
	char request[512], line[LINE_MAX_BYTES];
	size_t length;
	enum step step;
	bool repeated;
	uint64_t hold[2], key[2];
	int user;
	int64_t begun_us;
	int jobs;
};

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int users = 1000, jobs_each;
static int64_t end_us;
static bool mixed;
static FILE *latencies;
static int64_t posted, voided, refused;

static void fail(const char *what, const char *line)
{
	fprintf(stderr, "ledger_clients: %s: %s\n", what, line);
	exit(1);
}

static uint64_t dice(void)
{
	static uint64_t pool[64];
	static size_t left;

	if (left == 0) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			fail("no random numbers", strerror(errno));
		left = sizeof(pool) / sizeof(pool[0]);
	}
	return pool[--left];
}

static void uuid(char text[37], const uint64_t number[2])
{
	snprintf(text, 37, "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64,
		 number[0] >> 32, number[0] >> 16 & 0xffff, number[0] & 0xfff, number[1] >> 48 & 0xfff,
		 number[1] & 0xffffffffffff);
}

static void write_request(struct client *c)
{
	char hold[37], key[37];

	uuid(hold, c->hold);
	uuid(key, c->key);
	switch (c->step) {
	case POOR:
		snprintf(c->request, sizeof(c->request),
			 "{\"op\":\"hold\",\"hold\":\"%s\",\"from\":\"user:u%d\",\"to\":\"system:commons\","
			 "\"amount_utok\":999999999999999999}\n", key, c->user);
		break;
	case HOLD:
		snprintf(c->request, sizeof(c->request),
			 "{\"op\":\"hold\",\"hold\":\"%s\",\"from\":\"user:u%d\",\"to\":\"system:commons\","
			 "\"amount_utok\":%d%s}\n", hold, c->user, HELD,
			 mixed ? ",\"until\":4102444800,\"purpose\":\"a \\\"job\\\"\"" : "");
		break;
	case EXTEND:
		snprintf(c->request, sizeof(c->request),
			 "{\"op\":\"extend\",\"hold\":\"%s\",\"until\":4102444801}\n", hold);
		break;
	case POST:
		snprintf(c->request, sizeof(c->request),
			 "{\"op\":\"post\",\"hold\":\"%s\",\"key\":\"%s\",\"amount_utok\":%d}\n", hold, key,
			 POSTED);
		break;
	case VOID:
		snprintf(c->request, sizeof(c->request), "{\"op\":\"void\",\"hold\":\"%s\"}\n", hold);
	}
}

/* Nobody there: tried again at the next turn. */
static void ask(struct client *c)
{
	size_t size = strlen(c->request);

	c->length = 0;
	if (c->fd < 0) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0)
			fail("no socket", strerror(errno));
		if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
			close(c->fd);
			c->fd = -1;
			return;
		}
	}
	if (send(c->fd, c->request, size, MSG_NOSIGNAL) != (ssize_t)size) {
		close(c->fd);
		c->fd = -1;
	}
}

/* False: enough. */
static bool begin(struct client *c)
{
	if (jobs_each ? c->jobs == jobs_each : rain_clock_monotonic_us() >= end_us)
		return false;
	for (int i = 0; i < 2; i++) {
		c->hold[i] = dice();
		c->key[i] = dice();
	}
	c->user = 1 + (int)(dice() % (uint64_t)users);
	c->step = mixed && dice() % 8 == 0 ? POOR : HOLD;
	c->begun_us = rain_clock_monotonic_us();
	c->repeated = false;
	write_request(c);
	ask(c);
	return true;
}

static void job_end(struct client *c)
{
	c->jobs++;
	if (c->step == POST)
		posted++;
	else
		voided++;
	if (latencies)
		fprintf(latencies, "%" PRId64 "\n", rain_clock_monotonic_us() - c->begun_us);
}

static const char *const done[] = {"", "held", "extended", "posted", "voided"};

/* An answer is here. False: the client has enough. */
static bool answered(struct client *c)
{
	json_t *reply = json_loads(c->line, 0, NULL);
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *answer = json_string_value(json_object_get(json_object_get(reply, "result"), "answer"));
	bool again = error && (strncmp(error, "the ledger's database", 21) == 0 ||
			       strncmp(error, "rain-ledgerd stops", 18) == 0), more = true;

	if (again) {
		c->repeated = true;
		poll(NULL, 0, 10); /* nothing tells when it is back */
		ask(c);
	} else if (c->step == POOR) {
		if (!error || !strstr(error, "available"))
			fail("a hold of more than there is is answered", c->line);
		refused++;
		c->step = HOLD;
	} else if (!answer || (strcmp(answer, done[c->step]) != 0 &&
			       !(c->repeated && strcmp(answer, "exists") == 0))) {
		fail(c->request, c->line);
	} else if (c->step == HOLD) {
		uint64_t next = mixed ? dice() % 8 : 7;

		c->step = next == 0 ? EXTEND : next == 1 ? VOID : POST;
	} else if (c->step == EXTEND) {
		c->step = POST;
	} else {
		job_end(c);
		json_decref(reply);
		return begin(c);
	}
	json_decref(reply);
	if (!again) {
		c->repeated = false;
		write_request(c);
		ask(c);
	}
	return more;
}

static bool readable(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->length, sizeof(c->line) - c->length - 1, 0);

	if (n <= 0) {
		close(c->fd);
		c->fd = -1;
		return true;
	}
	c->length += (size_t)n;
	c->line[c->length] = '\0';
	if (!strchr(c->line, '\n')) {
		if (c->length == sizeof(c->line) - 1)
			fail("an answer without end", c->line);
		return true;
	}
	return answered(c);
}

static void run(struct client *clients, int count)
{
	struct pollfd fds[CLIENTS_MAX];
	bool busy[CLIENTS_MAX];
	int left = 0;

	for (int i = 0; i < count; i++)
		left += busy[i] = begin(&clients[i]);
	while (left > 0) {
		bool alone = true;

		for (int i = 0; i < count; i++) {
			if (busy[i] && clients[i].fd < 0) {
				clients[i].repeated = true;
				ask(&clients[i]);
			}
			fds[i] = (struct pollfd){.fd = busy[i] ? clients[i].fd : -1, .events = POLLIN};
			alone = alone && fds[i].fd < 0;
		}
		if (poll(fds, (nfds_t)count, alone ? 10 : 60000) == 0 && !alone)
			fail("no answer within a minute", "");
		for (int i = 0; i < count; i++)
			if (busy[i] && fds[i].revents && !readable(&clients[i])) {
				busy[i] = false;
				left--;
			}
	}
}

int main(int argc, char *argv[])
{
	static struct client clients[CLIENTS_MAX];
	int count = 1, seconds = 10, option;
	int64_t begun_us = rain_clock_monotonic_us(), took_us;

	while ((option = getopt(argc, argv, "c:t:n:u:ml:")) != -1)
		switch (option) {
		case 'c': count = atoi(optarg); break;
		case 't': seconds = atoi(optarg); break;
		case 'n': jobs_each = atoi(optarg); break;
		case 'u': users = atoi(optarg); break;
		case 'm': mixed = true; break;
		case 'l': latencies = fopen(optarg, "w"); break;
		default: return 2;
		}
	if (optind != argc - 1 || count < 1 || count > CLIENTS_MAX || users < 1 ||
	    strlen(argv[optind]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "Usage: ledger_clients SOCKET [OPTION]...\n");
		return 2;
	}
	strcpy(address.sun_path, argv[optind]);
	end_us = begun_us + (int64_t)seconds * 1000000;
	for (int i = 0; i < count; i++)
		clients[i].fd = -1;
	run(clients, count);
	took_us = rain_clock_monotonic_us() - begun_us;
	printf("tps = %.1f\njobs: posted %" PRId64 " voided %" PRId64 " refused %" PRId64 "\n",
	       (double)(posted + voided) * 1e6 / (double)took_us, posted, voided, refused);
	for (int i = 0; i < count; i++)
		if (clients[i].fd >= 0)
			close(clients[i].fd);
	return latencies && fclose(latencies) != 0;
}
