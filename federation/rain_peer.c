// SPDX-License-Identifier: GPL-2.0-or-later
/* rain peer: makes clusters peers, and shows them. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/table.h"
#include "common/tokens.h"
#include "federation/command.h"
#include "federation/rain_peer.h"

#define CALL_MS 15000
#define JOIN_MS 60000  /* how long `accept` waits for the other cluster */
#define JOIN_ASK_MS 50 /* between two questions to the gateway */

static const char help[] =
	"Usage: rain peer invite [--valid TIME] [--name ALIAS]\n"
	"       rain peer accept LINE [--name ALIAS]\n"
	"       rain peer list [--json | --parsable2 | --csv | --openmetrics]\n"
	"       rain peer pause PEER [--lend | --borrow]\n"
	"       rain peer resume PEER [--lend | --borrow]\n"
	"       rain peer limit PEER TOKENS\n"
	"       rain peer ban PEER USER [--reason TEXT]\n"
	"       rain peer unban PEER USER\n"
	"       rain peer bans [--json | --parsable2 | --csv]\n"
	"       rain peer disputes [--json | --parsable2 | --csv]\n"
	"       rain peer dispute PEER accept|withdraw\n"
	"       rain peer remove PEER\n"
	"\n"
	"Two clusters become peers by one line each way: an administrator of the one\n"
	"runs 'rain peer invite' and sends the line that it prints, like a password, to\n"
	"an administrator of the other, who runs 'rain peer accept' with it.\n"
	"\n"
	"pause lends a peer nothing (--lend), sends it none of our jobs (--borrow), or\n"
	"both; what runs goes on.  limit sets how many tokens it may owe.  ban takes no more\n"
	"jobs of one of its users and sends away what is here.  disputes lists receipts that\n"
	"weren't paid as claimed; dispute settles those that were refused, without which none\n"
	"after them can be paid: accept pays the peer's, withdraw gives up ours.  remove makes\n"
	"it a stranger; what it owes, or is owed, stays in the ledger.\n"
	"\n"
	"  -v, --valid TIME   how long the invitation may be used: a number and s, m, h\n"
	"                     or d (default 1h, at most 30d)\n"
	"  -n, --name ALIAS   what to call the other cluster here (default: what it calls\n"
	"                     itself)\n"
	"  -l, --lend         pause, resume: only what it gets from us\n"
	"  -b, --borrow       pause, resume: only what we get from it\n"
	"  -r, --reason TEXT  ban: why, for the list of bans; the peer isn't told\n"
	"  -j, --json         list as JSON\n"
	"  -p, --parsable2    list with fields separated by '|'\n"
	"      --csv          list as comma-separated values\n"
	"  -o, --openmetrics  list as OpenMetrics (see gateway.metrics in rain.conf, too)\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n";

struct options {
	const char *verb;
	const char *word;  /* what follows the verb: a line, a peer */
	const char *value; /* and a third word: an amount, a user */
	const char *name;
	const char *reason;
	const char *config;
	int64_t valid_s; /* 0: not given */
	bool lend, borrow;
	enum rain_peer_form form;
	enum rain_table_style style;
};

static bool has_value(const char *verb)
{
	return strcmp(verb, "limit") == 0 || strcmp(verb, "ban") == 0 || strcmp(verb, "unban") == 0 ||
	       strcmp(verb, "dispute") == 0;
}

/* -1 when it has complained. */
static int read_words(int count, char *words[], struct options *options)
{
	int most;

	if (count == 0) {
		rain_cli_usage("say what to do: invite, accept, list, pause, resume, limit, ban, "
			       "unban, bans, disputes, dispute or remove");
		return -1;
	}
	options->verb = words[0];
	most = has_value(options->verb) ? 3 : 2;
	if (count > most) {
		rain_cli_usage("too many words: '%s'", words[most]);
		return -1;
	}
	options->word = count > 1 ? words[1] : NULL;
	options->value = count > 2 ? words[2] : NULL;
	return 0;
}

/* -1 when it has complained. */
static int read_options(int argc, char *argv[], struct options *options)
{
	static const struct option long_options[] = {
		{"valid", required_argument, NULL, 'v'},  {"name", required_argument, NULL, 'n'},
		{"lend", no_argument, NULL, 'l'},	  {"borrow", no_argument, NULL, 'b'},
		{"reason", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
		{"parsable2", no_argument, NULL, 'p'},	  {"csv", no_argument, NULL, 'C'},
		{"openmetrics", no_argument, NULL, 'o'},  {"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "v:n:lbr:jpoc:", long_options, NULL)) != -1) {
		switch (option) {
		case 'v':
			if (rain_command_time(optarg, &options->valid_s) == 0)
				break;
			rain_cli_usage("'%s' is no time: a number and s, m, h or d, at most 30d",
				       optarg);
			return -1;
		case 'n': options->name = optarg; break;
		case 'l': options->lend = true; break;
		case 'b': options->borrow = true; break;
		case 'r': options->reason = optarg; break;
		case 'j': options->form = RAIN_PEER_JSON; break;
		case 'p': options->style = RAIN_TABLE_PARSABLE2; break;
		case 'C': options->style = RAIN_TABLE_CSV; break;
		case 'o': options->form = RAIN_PEER_METRICS; break;
		case 'c': options->config = optarg; break;
		default: rain_cli_usage("wrong option"); return -1;
		}
	}
	return read_words(argc - optind, argv + optind, options);
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
	result = rain_command_ask(socket_path, request, &code);
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

	if (!options->word)
		return rain_cli_usage("accept needs the line that 'rain peer invite' printed on the "
				      "other cluster");
	request = json_pack("{s:s,s:s}", "op", "peer-accept", "line", options->word);
	if (request && options->name)
		json_object_set_new(request, "name", json_string(options->name));
	result = rain_command_ask(socket_path, request, &status);
	if (!result)
		return status;
	status = rain_json_int(result, "join", 1, INT64_MAX, &number, &err);
	json_decref(result);
	if (status < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	return wait_for_join(socket_path, number);
}

/* ---- pause, resume, limit, remove ---- */

static int pause_peer(const char *socket_path, const struct options *options)
{
	bool paused = strcmp(options->verb, "pause") == 0, both = !options->lend && !options->borrow;
	json_t *result;
	int code;

	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s,s:b,s:b,s:b}", "op", "peer-pause", "peer",
					    options->word, "paused", paused, "lend",
					    both || options->lend, "borrow", both || options->borrow),
				  &code);
	if (!result)
		return code;
	printf("%s: lending to it is %s, sending jobs there is %s.\n", options->word,
	       json_is_true(json_object_get(result, "lend_paused")) ? "paused" : "on",
	       json_is_true(json_object_get(result, "borrow_paused")) ? "paused" : "on");
	json_decref(result);
	return RAIN_EXIT_OK;
}

static int limit_peer(const char *socket_path, const struct options *options)
{
	struct rain_error err = {{0}};
	json_t *result;
	int64_t utok;
	int code;

	if (!options->value)
		return rain_cli_usage("limit needs a peer and the tokens that it may owe");
	if (rain_tokens_parse(options->value, &utok, &err) < 0)
		return rain_cli_usage("%s", err.text);
	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s,s:I}", "op", "peer-limit", "peer", options->word,
					    "limit_utok", (json_int_t)utok),
				  &code);
	if (!result)
		return code;
	printf("%s may owe %s tokens now.\n", options->word, options->value);
	json_decref(result);
	return RAIN_EXIT_OK;
}

static int remove_peer(const char *socket_path, const struct options *options)
{
	json_t *result;
	int code;

	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s}", "op", "peer-remove", "peer", options->word),
				  &code);
	if (!result)
		return code;
	printf("%s is no peer of this cluster any more.\n", options->word);
	json_decref(result);
	return RAIN_EXIT_OK;
}

static int ban_user(const char *socket_path, const struct options *options)
{
	if (!options->value)
		return rain_cli_usage("%s needs a peer and the name that the user has there",
				      options->verb);
	if (strcmp(options->verb, "unban") == 0)
		return rain_peer_unban(socket_path, options->word, options->value);
	return rain_peer_ban(socket_path, options->word, options->value, options->reason);
}

static int list_bans(const char *socket_path, const struct options *options)
{
	return rain_peer_bans(socket_path, options->form == RAIN_PEER_JSON, options->style);
}

static int settle_dispute(const char *socket_path, const struct options *options)
{
	if (!options->value)
		return rain_cli_usage("dispute needs a peer, and 'accept' or 'withdraw'");
	return rain_peer_dispute(socket_path, options->word, options->value);
}

static int list_disputes(const char *socket_path, const struct options *options)
{
	return rain_peer_disputes(socket_path, options->form == RAIN_PEER_JSON, options->style);
}

static int list_peers(const char *socket_path, const struct options *options)
{
	return rain_peer_list(socket_path, options->form, options->style);
}

static const struct verb {
	const char *name;
	bool needs_peer;
	int (*run)(const char *socket_path, const struct options *options);
} verbs[] = {
	{"invite", false, invite},     {"accept", false, accept_line}, {"list", false, list_peers},
	{"pause", true, pause_peer},   {"resume", true, pause_peer},   {"limit", true, limit_peer},
	{"ban", true, ban_user},       {"unban", true, ban_user},      {"bans", false, list_bans},
	{"disputes", false, list_disputes}, {"dispute", true, settle_dispute},
	{"remove", true, remove_peer},
};

static int run(const char *socket_path, const struct options *options)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(options->verb, verbs[i].name) != 0)
			continue;
		if (verbs[i].needs_peer && !options->word)
			return rain_cli_usage("%s needs the name of a peer", options->verb);
		return verbs[i].run(socket_path, options);
	}
	return rain_cli_usage("'%s' is none of invite, accept, list, pause, resume, limit, ban, "
			      "unban, bans, disputes, dispute, remove", options->verb);
}

int main(int argc, char *argv[])
{
	struct options options = {.style = RAIN_TABLE_TEXT};
	struct rain_config *config;
	struct rain_error err = {{0}};
	int code;

	for (int i = 1; i < argc; i++) /* also behind the verb: rain peer list --help */
		rain_cli_standard_options(2, (char *[]){argv[0], argv[i], NULL}, help);
	if (read_options(argc, argv, &options) < 0)
		return RAIN_EXIT_USAGE;
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = run(config->gateway.control, &options);
	rain_config_destroy(config);
	return code;
}
