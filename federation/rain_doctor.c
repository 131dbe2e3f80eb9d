// SPDX-License-Identifier: GPL-2.0-or-later
/* rain doctor: looks at the ledger, the gateway and the peers for what commonly is wrong,
 * and says what to do. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/tokens.h"
#include "federation/command.h"
#include "federation/limits.h"
#include "rain_config.h"

#define CALL_MS 15000

static const char help[] =
	"Usage: rain doctor [--json]\n"
	"\n"
	"Looks at the ledger (records that wait or are put aside), at the gateway and at each\n"
	"peer: names, port, key, clock, versions, limits.\n"
	"Each line is ok, note (it works; you may want to know), or wrong.\n"
	"\n"
	"  -j, --json         as JSON\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage.\n";

enum verdict { OK, NOTE, WRONG };

/* [{"verdict":…, "about":…, "text":…}] */
struct findings {
	json_t *list;
	bool wrong;
};

static void find(struct findings *findings, enum verdict verdict, const char *about, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void find(struct findings *findings, enum verdict verdict, const char *about, const char *fmt, ...)
{
	static const char *const names[] = {"ok", "note", "wrong"};
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	/* Some of it is a stranger's word. */
	for (char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	findings->wrong |= verdict == WRONG;
	json_array_append_new(findings->list, json_pack("{s:s,s:s,s:s}", "verdict", names[verdict], "about", about,
							"text", text));
}

/* --- this cluster --- */

/* Whether somebody listens at HOST:PORT of our own; 0.0.0.0 and :: mean this host. */
static bool listens(const char *address, struct rain_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
	const char *colon = strrchr(address, ':');
	char host[128];
	bool open = false;
	int result;

	if (!colon || (size_t)(colon - address) >= sizeof host) {
		rain_error_set(err, "'%s' is no HOST:PORT", address);
		return false;
	}
	snprintf(host, sizeof host, "%.*s", (int)(colon - address - (address[0] == '[' ? 2 : 0)),
		 address + (address[0] == '[' ? 1 : 0));
	result = getaddrinfo(host, colon + 1, &hints, &list);
	if (result) {
		rain_error_set(err, "%s", gai_strerror(result));
		return false;
	}
	for (a = list; a && !open; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

		if (fd < 0)
			continue;
		open = connect(fd, a->ai_addr, a->ai_addrlen) == 0;
		if (!open)
			rain_error_set(err, "%s", strerror(errno));
		close(fd);
	}
	freeaddrinfo(list);
	return open;
}

static void look_at_port(struct findings *findings, const struct rain_config *config)
{
	struct rain_error err = {{0}};

	if (!listens(config->gateway.listen, &err))
		find(findings, WRONG, "port", "nobody listens on %s (gateway.listen): %s; see the log of rain-gatewayd",
		     config->gateway.listen, err.text);
	else if (!config->gateway.addresses || !config->gateway.addresses[0])
		find(findings, NOTE, "port", "gateway.addresses is empty: peers can't dial this cluster, it dials them");
	else
		find(findings, OK, "port", "%s is open here; peers are told %s", config->gateway.listen,
		     config->gateway.addresses[0]);
}

static void look_at_key(struct findings *findings, const struct rain_config *config)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof path, "%s/identity.pem", config->gateway.state);
	if (stat(path, &st) < 0 && errno == EACCES)
		find(findings, NOTE, "key", "only root can look whether %s is private", path);
	else if (stat(path, &st) < 0)
		find(findings, WRONG, "key", "%s: %s; it is this cluster's identity: restore it from a backup", path,
		     strerror(errno));
	else if (st.st_mode & 077)
		find(findings, WRONG, "key", "%s can be read by others (mode %03o): chmod 600, and if others had it, "
		     "peer anew with a new key", path, (unsigned)st.st_mode & 0777);
	else
		find(findings, OK, "key", "%s is private; keep a backup", path);
}

static void look_at_clock(struct findings *findings)
{
	struct timex timex = {0};

	if (adjtimex(&timex) == TIME_ERROR)
		find(findings, NOTE, "clock", "not synchronised: nothing between clusters depends on it, but logs and "
		     "receipts are dated by it; install an NTP client");
	else
		find(findings, OK, "clock", "synchronised");
}

/* --- the ledger --- */

/* Why the first of the records put aside is there; "" for who may not see that. */
static void reason_of_rejected(const struct rain_config *config, char *text, size_t size)
{
	json_t *request = json_pack("{s:s}", "op", "rejected");
	json_t *answer = rain_rpc_call(config->ledger.socket, request, CALL_MS, NULL);
	const json_t *row = json_array_get(json_object_get(answer, "rejected"), 0);

	snprintf(text, size, "%s%.60s%s%.160s", row ? " (" : "", rain_command_text(row, "file"),
		 row ? ": " : "", rain_command_text(row, "reason"));
	if (row)
		snprintf(text + strlen(text), size - strlen(text), ")");
	json_decref(answer);
	json_decref(request);
}

static void look_at_ledger(struct findings *findings, const struct rain_config *config)
{
	json_t *request = json_pack("{s:s}", "op", "status");
	struct rain_error err = {{0}};
	json_t *answer = rain_rpc_call(config->ledger.socket, request, CALL_MS, &err);
	const char *spool = rain_command_text(answer, "spool");
	long long waiting = (long long)rain_command_number(answer, "waiting");
	long long rejected = (long long)rain_command_number(answer, "rejected");
	char reason[256];

	if (!answer)
		find(findings, WRONG, "ledger", "%s; records of ended jobs wait in %s meanwhile", err.text,
		     config->ledger.spool);
	else if (!json_is_true(json_object_get(answer, "database")))
		find(findings, WRONG, "ledger", "its database or spool can't be used: see the log of rain-ledgerd; "
		     "%lld records of ended jobs wait in %.200s, none is lost", waiting, spool);
	else
		find(findings, OK, "ledger", "answers; %lld records of ended jobs wait to be booked", waiting);
	if (rejected > 0) {
		reason_of_rejected(config, reason, sizeof reason);
		find(findings, WRONG, "ledger", "%lld records of ended jobs can't be booked and lie in "
		     "%.100s/rejected%s; rain ledger rejected lists them, rain ledger replay tries those again that are "
		     "whole when the cause is gone", rejected, spool, reason);
	}
	json_decref(answer);
	json_decref(request);
}

/* --- each peer --- */

static void look_at_reach(struct findings *findings, const char *name, const json_t *peer)
{
	const char *state = rain_command_text(peer, "state");

	if (strcmp(state, "up") == 0)
		find(findings, OK, name, "messages reach it, in %lld ms", (long long)rain_command_number(peer, "latency_ms"));
	else if (strcmp(state, "incompatible") == 0)
		find(findings, WRONG, name, "no protocol version in common (it runs %s): the older one has to be updated",
		     rain_command_text(json_object_get(peer, "card"), "software"));
	else if (strcmp(state, "diverged") == 0)
		find(findings, WRONG, name, "its count of messages and ours differ: one side lost a part of its database; "
		     "remove the peer on both sides and invite it again");
	else if (strcmp(state, "unreachable") == 0)
		find(findings, WRONG, name, "neither cluster has an address that the other can dial: one of them needs "
		     "an open port and gateway.addresses");
	else if (strcmp(state, "paused") == 0)
		find(findings, NOTE, name, "paused both ways: rain peer resume %s ends that", name);
	else
		find(findings, WRONG, name, "out of reach; %lld messages wait for it: is its gateway up, its port open, "
		     "its address still %s?", (long long)rain_command_number(peer, "outbox"),
		     json_array_size(json_object_get(peer, "addresses"))
			     ? json_string_value(json_array_get(json_object_get(peer, "addresses"), 0))
			     : "that it dials us");
}

static void look_at_dealings(struct findings *findings, const char *name, const json_t *peer)
{
	const json_t *card = json_object_get(peer, "card");
	const char *calls_itself = rain_command_text(card, "name"), *software = rain_command_text(card, "software");
	long long ended = rain_command_number(peer, "ended"), lost = rain_command_number(peer, "lost");
	char limit[RAIN_TOKENS_TEXT_SIZE];

	if (strcmp(name, calls_itself) != 0)
		find(findings, NOTE, name, "calls itself %s", calls_itself);
	if (strcmp(software, PACKAGE_NAME " " PACKAGE_VERSION) != 0)
		find(findings, NOTE, name, "runs %s, we %s", software, PACKAGE_NAME " " PACKAGE_VERSION);
	if (rain_command_number(peer, "available_utok") <= 0)
		find(findings, NOTE, name, "its credit of %s tokens is used up: it gets nothing before it lends to us; "
		     "rain peer limit raises it", rain_tokens_format(rain_command_number(peer, "credit_limit_utok"), limit));
	if (rain_command_number(peer, "disputed"))
		find(findings, NOTE, name, "%lld receipts are disputed or were refused: see 'rain peer disputes'",
		     (long long)rain_command_number(peer, "disputed"));
	if (rain_command_number(peer, "refused"))
		find(findings, NOTE, name, "%lld of its messages made no sense: see the log",
		     (long long)rain_command_number(peer, "refused"));
	if (lost > ended)
		find(findings, WRONG, name, "it lost %lld of our %lld jobs of the last 30 days: rain peer pause %s --borrow "
		     "keeps the others away", lost, ended + lost, name);
}

/* "3 h", "5 min", "40 s" */
static const char *format_span(int64_t ms, char *text, size_t size)
{
	int64_t s = ms / 1000;

	if (s < 120)
		snprintf(text, size, "%" PRId64 " s", s);
	else if (s < 7200)
		snprintf(text, size, "%" PRId64 " min", s / 60);
	else if (s < 172800)
		snprintf(text, size, "%" PRId64 " h", s / 3600);
	else
		snprintf(text, size, "%" PRId64 " days", s / 86400);
	return text;
}

static void look_at_its_clock(struct findings *findings, const char *name, const json_t *peer)
{
	const json_t *ahead = json_object_get(peer, "clock_ahead_ms");
	int64_t ms = json_integer_value(ahead);
	char span[32];

	if (!json_is_integer(ahead))
		find(findings, NOTE, name, "its clock isn't known yet");
	else if (ms > RAIN_LIMIT_CLOCK_MS || ms < -RAIN_LIMIT_CLOCK_MS)
		find(findings, NOTE, name, "its clock is %s %s ours: nothing between the two depends on it, but each dates "
		     "logs and statements, and keeps lend.hours, by its own; one of them needs an NTP client",
		     format_span(ms < 0 ? -ms : ms, span, sizeof span), ms < 0 ? "behind" : "ahead of");
	else
		find(findings, OK, name, "its clock agrees with ours");
}

static const json_t *system_of(const json_t *card)
{
	return json_object_get(json_object_get(card, "capabilities"), "system");
}

/* What programs that come from here may miss there. */
static void look_at_its_system(struct findings *findings, const char *name, const json_t *ours, const json_t *theirs)
{
	static const struct {
		const char *key, *what, *hint;
	} parts[] = {
		{"arch", "nodes are", "our jobs are not sent there, for their programs would not start"},
		{"libc", "C library is", "programs built with the newer one may not start with the older"},
		{"open_mpi", "Open MPI is", "programs find there what is there: build them for both"},
		{"pmix", "PMIx is", "programs that bring a PMIx of their own may not start"},
		{"slurm", "Slurm is", "scripts may find other options of srun"},
	};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const char *own = rain_command_text(ours, parts[i].key), *its = rain_command_text(theirs, parts[i].key);

		if (*own && *its && strcmp(own, its) != 0)
			find(findings, NOTE, name, "its %s %.60s, ours %.60s: %s", parts[i].what, its, own, parts[i].hint);
	}
}

static void look_at_peers(struct findings *findings, const json_t *answer)
{
	const json_t *peer, *peers = json_object_get(answer, "peers");
	size_t i;

	if (json_array_size(peers) == 0)
		find(findings, NOTE, "peers", "there are none: rain peer invite");
	json_array_foreach(peers, i, peer) {
		look_at_reach(findings, rain_command_text(peer, "name"), peer);
		look_at_dealings(findings, rain_command_text(peer, "name"), peer);
		look_at_its_clock(findings, rain_command_text(peer, "name"), peer);
		look_at_its_system(findings, rain_command_text(peer, "name"), system_of(json_object_get(answer, "card")),
				   system_of(json_object_get(peer, "card")));
	}
}

static void look(struct findings *findings, const struct rain_config *config)
{
	json_t *request = json_pack("{s:s}", "op", "peer-list");
	struct rain_error err = {{0}};
	json_t *answer = rain_rpc_call(config->gateway.control, request, CALL_MS, &err);

	look_at_ledger(findings, config);
	look_at_key(findings, config);
	look_at_clock(findings);
	look_at_port(findings, config);
	if (answer)
		find(findings, OK, "gateway", "answers: this is %s, id %.12s", rain_command_text(answer, "cluster"),
		     rain_command_text(answer, "id"));
	else
		find(findings, WRONG, "gateway", "%s", err.text);
	if (answer)
		look_at_peers(findings, answer);
	json_decref(answer);
	json_decref(request);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct findings findings = {NULL, false};
	struct rain_error err = {{0}};
	struct rain_config *config;
	const char *path = NULL;
	const json_t *row;
	bool json = false;
	int option;
	size_t i;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "jc:", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'c')
			path = optarg;
		else
			return rain_cli_usage("an option is wrong");
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	config = rain_config_load(path, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	findings.list = json_array();
	look(&findings, config);
	if (json)
		rain_cli_print_json(findings.list);
	else
		json_array_foreach(findings.list, i, row)
			printf("%-5s  %-10s  %s\n", rain_command_text(row, "verdict"), rain_command_text(row, "about"),
			       rain_command_text(row, "text"));
	json_decref(findings.list);
	rain_config_destroy(config);
	return findings.wrong ? RAIN_EXIT_FAILURE : RAIN_EXIT_OK;
}
