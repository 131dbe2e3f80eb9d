/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/json.h"
#include "panel/request.h"

#define ANSWER_MS 2000
#define ANSWER_SIZE 1024

static const char help[] =
	"Usage: rain led user1|user2 on|off|auto\n"
	"       rain led user1|user2 blink RATE\n"
	"       rain led user1|user2 code N\n"
	"       rain led identify SECONDS\n"
	"\n"
	"Drives a user LED of the node it runs on, from within a job that holds the node.\n"
	"On all nodes of a job:  srun --ntasks-per-node=1 rain led user1 blink 2\n"
	"The end of the job clears it.\n"
	"\n"
	"  on, off      lit, dark\n"
	"  blink RATE   RATE times a second, 1 to 10\n"
	"  code N       N short flashes, 1 to 9, and a pause, over and over\n"
	"  auto         the owner's pattern again\n"
	"  identify     all LEDs of this node blink for so long (0: no longer); a job that\n"
	"               holds it may do that, and root\n"
	"\n"
	"  -s, --socket PATH  ask at PATH instead of " RAIN_PANEL_USER_SOCKET "\n"
	"  -h, --help         show this and exit\n"
	"  -V, --version      show the version and exit\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 wrong usage, 3 this node's panel does not answer.\n";

static int read_number(const char *text, long max, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	return errno || end == text || *end || *number < 0 || *number > max ? -1 : 0;
}

/* The words of the command line as a request; NULL after saying what is wrong. */
static json_t *make_request(int argc, char *argv[])
{
	bool numbered = argc > 1 && (strcmp(argv[1], "blink") == 0 || strcmp(argv[1], "code") == 0);
	static const char *const plain[] = {"on", "off", "auto"};
	long number = 0;

	if (argc == 2 && strcmp(argv[0], "identify") == 0) {
		if (read_number(argv[1], RAIN_PANEL_IDENTIFY_MAX_S, &number) == 0)
			return json_pack("{s:i,s:s,s:i}", "v", 1, "op", "identify", "seconds",
					 (int)number);
		rain_cli_usage("SECONDS is 0 to %d, not \"%s\"", RAIN_PANEL_IDENTIFY_MAX_S, argv[1]);
		return NULL;
	}
	if (argc < 1 || rain_panel_user_led(argv[0]) < 0) {
		rain_cli_usage("say user1, user2 or identify first");
		return NULL;
	}
	if (numbered && argc == 3 && read_number(argv[2], 1000, &number) == 0)
		return json_pack("{s:i,s:s,s:s,s:s,s:i}", "v", 1, "op", "led", "led", argv[0],
				 "show", argv[1], "number", (int)number);
	if (numbered) {
		rain_cli_usage("%s needs a number after it", argv[1]);
		return NULL;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(plain[i], argv[1]) == 0)
			return json_pack("{s:i,s:s,s:s,s:s}", "v", 1, "op", "led", "led", argv[0],
					 "show", argv[1]);
	}
	rain_cli_usage("after %s say on, off, auto, blink RATE or code N", argv[0]);
	return NULL;
}

static int open_socket(const char *path, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(address.sun_path)) {
		close(fd);
		return rain_error_set(err, "the path %.60s… is too long for a socket", path);
	}
	/* An address that the kernel chooses, for the answer. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0) {
		memcpy(address.sun_path, path, strlen(path));
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
	}
	rain_error_set(err, "no rain-paneld answers at %s on this node: %s", path, strerror(errno));
	close(fd);
	return -1;
}

static int take_answer(const char *text, size_t size, struct rain_error *err)
{
	json_t *answer = rain_json_parse(text, size, ANSWER_SIZE, err);
	const char *sentence;
	int rc = RAIN_EXIT_FAILURE;

	if (json_is_true(json_object_get(answer, "ok")))
		rc = RAIN_EXIT_OK;
	else if (answer && rain_json_string(answer, "error", ANSWER_SIZE, &sentence, err) == 0)
		rain_error_set(err, "%s", sentence);
	json_decref(answer);
	return rc == RAIN_EXIT_OK ? rc : rain_cli_fail(rc, err);
}

static int ask(const char *path, const char *text, struct rain_error *err)
{
	int fd = open_socket(path, err);
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	char answer[ANSWER_SIZE];
	ssize_t got = -1;

	if (fd < 0)
		return rain_cli_fail(RAIN_EXIT_UNAVAILABLE, err);
	if (poll(&ready, 1, ANSWER_MS) == 1 &&
	    send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
		ready.events = POLLIN;
		if (poll(&ready, 1, ANSWER_MS) == 1)
			got = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	}
	close(fd);
	if (got < 0) {
		rain_error_set(err, "rain-paneld of this node does not answer at %s", path);
		return rain_cli_fail(RAIN_EXIT_UNAVAILABLE, err);
	}
	return take_answer(answer, (size_t)got, err);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'}, {0}};
	const char *path = RAIN_PANEL_USER_SOCKET;
	struct rain_error err;
	json_t *request;
	char *text;
	int option, rc;

	rain_cli_standard_options(argc, argv, help);
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+s:", options, NULL)) >= 0) {
		if (option != 's')
			return rain_cli_usage("option %s is unknown or lacks its value",
					      argv[optind - 1]);
		path = optarg;
	}
	request = make_request(argc - optind, argv + optind);
	if (!request)
		return RAIN_EXIT_USAGE;
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text) {
		rain_error_set(&err, "out of memory");
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	rc = ask(path, text, &err);
	free(text);
	return rc;
}
