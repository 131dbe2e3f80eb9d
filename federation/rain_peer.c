// SPDX-License-Identifier: GPL-2.0-or-later
/* rain peer: makes clusters peers, and shows them. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/table.h"
#include "common/tokens.h"

#define CALL_MS 15000
#define JOIN_MS 60000  /* how long `accept` waits for the other cluster */
#define JOIN_ASK_MS 50 /* between two questions to the gateway */

static const char help[] =
	"Usage: rain peer invite [--valid TIME] [--name ALIAS]\n"
	"       rain peer accept LINE [--name ALIAS]\n"
	"       rain peer list [--json]\n"
	"\n"
	"Two clusters become peers by one line each way: an administrator of the one\n"
	"runs 'rain peer invite' and sends the line that it prints, like a password, to\n"
	"an administrator of the other, who runs 'rain peer accept' with it.\n"
	"\n"
	"  -v, --valid TIME   how long the invitation may be used: a number and s, m, h\n"
	"                     or d (default 1h, at most 30d)\n"
	"  -n, --name ALIAS   what to call the other cluster here (default: what it calls\n"
	"                     itself)\n"
	"  -j, --json         list as JSON\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n";

struct options {
	const char *verb;
	const char *line;
	const char *name;
	const char *config;
	int64_t valid_s; /* 0: not given */
	bool json;
};

/* "90", "90s", "30m", "1h", "2d" */
static int parse_time(const char *text, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long number;

	if (*text < '0' || *text > '9')
		return -1;
	number = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (*end == units[i].unit && (!*end || !end[1]) && number > 0 &&
		    number <= 30 * 86400) {
			*seconds = number * units[i].seconds;
			return *seconds <= 30 * 86400 ? 0 : -1;
		}
	return -1;
}

static bool is(const char *text, const char *letter, const char *word)
{
	return strcmp(text, letter) == 0 || strcmp(text, word) == 0;
}

/* -1 when it has complained. */
static int read_options(int argc, char *argv[], struct options *options)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (is(argv[i], "-j", "--json")) {
			options->json = true;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			if (is(argv[i], "-n", "--name") && value)
				options->name = value;
			else if (is(argv[i], "-c", "--config") && value)
				options->config = value;
			else if (!is(argv[i], "-v", "--valid") || !value) {
				rain_cli_usage("unknown option or missing value: '%s'", argv[i]);
				return -1;
			} else if (parse_time(value, &options->valid_s) < 0) {
				rain_cli_usage("'%s' is no time: a number and s, m, h or d, at most 30d",
					       value);
				return -1;
			}
			i++;
		} else if (!options->verb) {
			options->verb = argv[i];
		} else if (!options->line) {
			options->line = argv[i];
		} else {
			rain_cli_usage("too many words: '%s'", argv[i]);
			return -1;
		}
	}
	return 0;
}

/* rain_rpc_call() has one error for all; this tells whether anybody listens. */
static bool listens(const char *path, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool connected;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	/* EAGAIN: somebody does, and is busy. */
	connected = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
				errno == EAGAIN);
	if (!connected)
		rain_error_set(err, "rain-gatewayd isn't running here: %s: %s", path,
			       strerror(errno));
	if (fd >= 0)
		close(fd);
	return connected;
}

/* Asks the gateway (steals request); NULL when it has complained and set *code. */
static json_t *ask(const char *socket_path, json_t *request, int *code)
{
	struct rain_error err = {{0}};
	json_t *result = NULL;

	*code = RAIN_EXIT_FAILURE;
	if (!listens(socket_path, &err))
		*code = RAIN_EXIT_UNAVAILABLE;
	else if (!request)
		rain_error_set(&err, "what you typed is no UTF-8 text");
	else
		result = rain_rpc_call(socket_path, request, CALL_MS, &err);
	json_decref(request);
	if (!result)
		rain_cli_fail(*code, &err);
	return result;
}

/* ---- invite ---- */

static int invite(const char *socket_path, const struct options *options)
{
	json_t *request = json_pack("{s:s}", "op", "peer-invite"), *result;
	struct rain_error err = {{0}};
	const char *line;
	int64_t valid_s;
	int code;

	if (options->name)
		json_object_set_new(request, "name", json_string(options->name));
	if (options->valid_s)
		json_object_set_new(request, "valid_s", json_integer(options->valid_s));
	result = ask(socket_path, request, &code);
	if (!result)
		return code;
	if (rain_json_string(result, "line", 4096, &line, &err) < 0 ||
	    rain_json_int(result, "valid_s", 1, INT64_MAX, &valid_s, &err) < 0) {
		json_decref(result);
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	printf("%s\n", line);
	fprintf(stderr,
		"This line makes whoever uses it first a peer of this cluster, for the next %lld "
		"minutes.\nOn the other cluster:  rain peer accept LINE\n",
		(long long)(valid_s + 59) / 60);
	json_decref(result);
	return RAIN_EXIT_OK;
}

/* ---- accept ---- */

static int wait_for_join(const char *socket_path, int64_t number)
{
	json_t *request = json_pack("{s:s,s:I}", "op", "peer-join", "join", (json_int_t)number);
	int64_t end = rain_clock_monotonic_ms() + JOIN_MS;
	struct timespec pause = {0, JOIN_ASK_MS * 1000000};
	struct rain_error err = {{0}};
	int code = RAIN_EXIT_FAILURE;

	for (;;) {
		json_t *result = rain_rpc_call(socket_path, request, CALL_MS, &err);
		const char *state, *peer, *error;

		if (!result || rain_json_string(result, "state", 16, &state, &err) < 0 ||
		    rain_json_string(result, "peer", 16, &peer, &err) < 0 ||
		    rain_json_string(result, "error", 1024, &error, &err) < 0) {
			json_decref(result);
			break;
		}
		if (strcmp(state, "joined") == 0) {
			printf("%s is a peer of this cluster now.\n", peer);
			code = RAIN_EXIT_OK;
		} else if (strcmp(state, "failed") == 0) {
			rain_error_set(&err, "%s", error);
		} else if (rain_clock_monotonic_ms() < end) {
			json_decref(result);
			nanosleep(&pause, NULL);
			continue;
		} else {
			rain_error_set(&err, "the other cluster doesn't answer; the gateway goes on "
					     "trying: see 'rain peer list' later");
		}
		json_decref(result);
		break;
	}
	json_decref(request);
	return code == RAIN_EXIT_OK ? code : rain_cli_fail(code, &err);
}

static int accept_line(const char *socket_path, const struct options *options)
{
	struct rain_error err = {{0}};
	json_t *request, *result;
	int64_t number;
	int status;

	if (!options->line)
		return rain_cli_usage("accept needs the line that 'rain peer invite' printed on the "
				      "other cluster");
	request = json_pack("{s:s,s:s}", "op", "peer-accept", "line", options->line);
	if (request && options->name)
		json_object_set_new(request, "name", json_string(options->name));
	result = ask(socket_path, request, &status);
	if (!result)
		return status;
	status = rain_json_int(result, "join", 1, INT64_MAX, &number, &err);
	json_decref(result);
	if (status < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	return wait_for_join(socket_path, number);
}

/* ---- list ---- */

static const char *text_of(const json_t *peer, const char *key)
{
	const char *text = json_string_value(json_object_get(peer, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *peer, const char *key)
{
	return json_integer_value(json_object_get(peer, key));
}

/* "never", "just now", "40 s ago", "5 min ago", "3 h ago", "2 d ago" */
static const char *format_age(int64_t now_ms, int64_t then_ms, char *text, size_t size)
{
	long long s = (now_ms - then_ms) / 1000;

	if (!then_ms)
		return "never";
	if (s < 2)
		return "just now";
	if (s < 120)
		snprintf(text, size, "%lld s ago", s);
	else if (s < 7200)
		snprintf(text, size, "%lld min ago", s / 60);
	else if (s < 172800)
		snprintf(text, size, "%lld h ago", s / 3600);
	else
		snprintf(text, size, "%lld d ago", s / 86400);
	return text;
}

static void add_row(struct rain_table *table, const json_t *peer, int64_t now_ms)
{
	const json_t *addresses = json_object_get(peer, "addresses");
	const char *address = json_string_value(json_array_get(addresses, 0));
	char id[13], age[32], latency[24], balance[RAIN_TOKENS_TEXT_SIZE];
	char limit[RAIN_TOKENS_TEXT_SIZE], outbox[24];
	const char *cells[10];

	snprintf(id, sizeof(id), "%s", text_of(peer, "id"));
	snprintf(latency, sizeof(latency), "%lld ms", (long long)number_of(peer, "latency_ms"));
	snprintf(outbox, sizeof(outbox), "%lld", (long long)number_of(peer, "outbox"));
	cells[0] = text_of(peer, "name");
	cells[1] = id;
	cells[2] = address ? address : "dials us";
	cells[3] = text_of(peer, "state");
	cells[4] = format_age(now_ms, number_of(peer, "last_contact_ms"), age, sizeof(age));
	cells[5] = number_of(peer, "latency_ms") < 0 ? "-" : latency;
	cells[6] = rain_tokens_format(number_of(peer, "balance_utok"), balance);
	cells[7] = rain_tokens_format(number_of(peer, "credit_limit_utok"), limit);
	cells[8] = outbox;
	cells[9] = text_of(json_object_get(peer, "card"), "software");
	rain_table_add(table, cells);
}

static int list(const char *socket_path, const struct options *options)
{
	static const char *const headers[] = {"PEER", "ID", "ADDRESS", "STATE", "LAST CONTACT",
					      ">LATENCY", ">BALANCE", ">CREDIT LIMIT", ">OUTBOX",
					      "SOFTWARE", NULL};
	struct rain_error err = {{0}};
	json_t *result, *peers, *peer;
	struct rain_table *table;
	size_t i;
	int code;

	result = ask(socket_path, json_pack("{s:s}", "op", "peer-list"), &code);
	if (!result)
		return code;
	if (options->json) {
		rain_cli_print_json(result);
		json_decref(result);
		return RAIN_EXIT_OK;
	}
	table = rain_table_create(headers);
	if (!table || rain_json_array(result, "peers", 1024, &peers, &err) < 0) {
		rain_table_destroy(table);
		json_decref(result);
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	json_array_foreach(peers, i, peer)
		add_row(table, peer, number_of(result, "now_ms"));
	rain_table_print(table, RAIN_TABLE_TEXT, stdout);
	rain_table_destroy(table);
	json_decref(result);
	return RAIN_EXIT_OK;
}

int main(int argc, char *argv[])
{
	struct options options = {0};
	struct rain_config *config;
	struct rain_error err = {{0}};
	int code;

	for (int i = 1; i < argc; i++) /* also behind the verb: rain peer list --help */
		rain_cli_standard_options(2, (char *[]){argv[0], argv[i], NULL}, help);
	if (read_options(argc, argv, &options) < 0)
		return RAIN_EXIT_USAGE;
	if (!options.verb)
		return rain_cli_usage("say what to do: invite, accept or list");
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (strcmp(options.verb, "invite") == 0)
		code = invite(config->gateway.control, &options);
	else if (strcmp(options.verb, "accept") == 0)
		code = accept_line(config->gateway.control, &options);
	else if (strcmp(options.verb, "list") == 0)
		code = list(config->gateway.control, &options);
	else
		code = rain_cli_usage("'%s' is neither invite nor accept nor list", options.verb);
	rain_config_destroy(config);
	return code;
}
