// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "accounting/store.h"
#include "common/cli.h"
#include "common/config.h"
#include "common/rpc.h"
#include "common/tokens.h"

/* The ledger gives up on its database after 10 s; wait for that sentence. */
#define TIMEOUT_MS 30000
#define KEY_SIZE 37

/* *told: it has answered, if only to refuse. */
static json_t *call(const char *config_path, json_t *request, int timeout_ms, bool *told, int *code,
		    struct rain_error *err)
{
	struct rain_config *config = rain_config_load(config_path, err);
	json_t *result = NULL;

	*told = true;
	*code = RAIN_EXIT_FAILURE;
	if (config && !request)
		rain_error_set(err, "what you typed is no UTF-8 text");
	else if (config && !rain_rpc_listens(config->ledger.socket, "rain-ledgerd", err))
		*code = RAIN_EXIT_UNAVAILABLE;
	else if (config)
		result = rain_rpc_ask(config->ledger.socket, request, timeout_ms, told, err);
	if (!result && strncmp(err->text, RAIN_LEDGER_SUBJECT, strlen(RAIN_LEDGER_SUBJECT)) == 0) {
		*code = RAIN_EXIT_UNAVAILABLE;
		*told = false; /* it may have heard, and done it */
	}
	json_decref(request);
	rain_config_destroy(config);
	return result;
}

json_t *rain_client_call_within(const char *config, json_t *request, int timeout_ms, int *code,
				struct rain_error *err)
{
	bool told;

	return call(config, request, timeout_ms, &told, code, err);
}

json_t *rain_client_call(const char *config, json_t *request, int *code, struct rain_error *err)
{
	return rain_client_call_within(config, request, TIMEOUT_MS, code, err);
}

/* A random UUID (version 4). */
static int key_make(char key[static KEY_SIZE], struct rain_error *err)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return rain_error_set(err, "no random numbers: %s", strerror(errno));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(key, KEY_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

/* Written ahead: a handler of signals can't format. */
static char hint[160];

static void on_interrupt(int number)
{
	ssize_t n = write(STDERR_FILENO, hint, strlen(hint));

	(void)n; /* whom else to tell? */
	raise(number); /* SA_RESETHAND: it ends the program now */
}

static void hint_on_interrupt(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

json_t *rain_client_order(const char *config, json_t *request, const char *key, int *code,
			  struct rain_error *err)
{
	char fresh[KEY_SIZE];
	json_t *answer;
	bool told;

	*code = key ? RAIN_EXIT_USAGE : RAIN_EXIT_FAILURE;
	if (key && strlen(key) != KEY_SIZE - 1) /* the rest is the ledger's to see */
		rain_error_set(err, "--key wants a UUID (uuidgen makes one), not \"%.60s\"", key);
	if ((key && strlen(key) != KEY_SIZE - 1) || (!key && key_make(fresh, err) < 0)) {
		json_decref(request);
		return NULL;
	}
	key = key ? key : fresh;
	json_object_set_new(request, "idem", json_string(key));
	snprintf(hint, sizeof(hint), "%s: it may have been done all the same. To repeat it safely, add "
		 "--key %.36s\n", program_invocation_short_name, key);
	hint_on_interrupt();
	answer = call(config, request, TIMEOUT_MS, &told, code, err);
	if (answer)
		json_object_set_new(answer, "key", json_string(key));
	else if (!told)
		fputs(hint, stderr);
	return answer;
}

static char *next_text(struct rain_cells *cells)
{
	assert(cells->used < RAIN_CELLS_MAX);
	return cells->texts[cells->used++];
}

const char *rain_cell_plain(struct rain_cells *cells, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	char *text;

	if (json_is_string(value))
		return json_string_value(value);
	if (!json_is_integer(value))
		return "";
	text = next_text(cells);
	snprintf(text, sizeof(cells->texts[0]), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return text;
}

const char *rain_cell_tokens(struct rain_cells *cells, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);

	_Static_assert(sizeof(cells->texts[0]) >= RAIN_TOKENS_TEXT_SIZE, "a cell holds an amount");
	if (!json_is_integer(value))
		return "-";
	return rain_tokens_format(json_integer_value(value), next_text(cells));
}

const char *rain_cell_core_hours(struct rain_cells *cells, const json_t *row, const char *key)
{
	/* Ten-thousandths, rounded to the nearest: a figure to read, not money. */
	int64_t parts = (json_integer_value(json_object_get(row, key)) + 180) / 360;
	char *text = next_text(cells);

	snprintf(text, sizeof(cells->texts[0]), "%" PRId64 ".%04" PRId64, parts / 10000,
		 parts % 10000);
	return text;
}

const char *rain_cell_time(struct rain_cells *cells, const json_t *row, const char *key)
{
	time_t seconds = (time_t)json_integer_value(json_object_get(row, key));
	char *text = next_text(cells);
	struct tm moment;

	localtime_r(&seconds, &moment);
	strftime(text, sizeof(cells->texts[0]), "%Y-%m-%dT%H:%M:%S%z", &moment);
	return text;
}

void rain_cells_reset(struct rain_cells *cells)
{
	cells->used = 0;
}

void rain_client_print_notes(const json_t *answer)
{
	const json_t *note;
	size_t i;

	json_array_foreach(json_object_get(answer, "notes"), i, note)
		fprintf(stderr, "note: %s\n", json_string_value(note) ? json_string_value(note) : "");
}
