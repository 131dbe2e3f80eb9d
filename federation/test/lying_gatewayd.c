// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway whose owner cheats: rain-gatewayd with some of its functions wrapped (ld's
 * --wrap), so that it lies in good form. Which lie it tells is the word in LIE_FILE,
 * read each time; without the file it is honest. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "federation/gateway.h"
#include "federation/http_date.h"
#include "federation/mind.h"
#include "federation/receipt.h"

#define LIE_FILE "/var/lib/rain/gateway/lie"
#define BLOB_FILE LIE_FILE ".blob" /* "SHA256 SIZE" */

int __real_rain_receipt_sign(const struct rain_receipt *receipt, const struct rain_identity *lender,
			     struct rain_receipt_text *text, struct rain_error *err);
int __wrap_rain_receipt_sign(const struct rain_receipt *receipt, const struct rain_identity *lender,
			     struct rain_receipt_text *text, struct rain_error *err);
int __real_rain_mind_price(const struct rain_terms *terms, int64_t core_ms, int64_t *utok, struct rain_error *err);
int __wrap_rain_mind_price(const struct rain_terms *terms, int64_t core_ms, int64_t *utok, struct rain_error *err);
int64_t __real_rain_receipt_amount(int64_t claimed_utok, int64_t observed_utok, int64_t held_utok, bool *disputed);
int64_t __wrap_rain_receipt_amount(int64_t claimed_utok, int64_t observed_utok, int64_t held_utok, bool *disputed);
int __real_rain_mailbox_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			     const char *type, const json_t *body, struct rain_error *err);
int __wrap_rain_mailbox_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			     const char *type, const json_t *body, struct rain_error *err);
int __real_rain_exit_report_parse(const json_t *body, struct rain_exit_report *report, struct rain_error *err);
int __wrap_rain_exit_report_parse(const json_t *body, struct rain_exit_report *report, struct rain_error *err);
json_t *__real_rain_manifest_parse(const json_t *object, struct rain_error *err);
json_t *__wrap_rain_manifest_parse(const json_t *object, struct rain_error *err);

const char *__real_rain_http_date(char text[static RAIN_HTTP_DATE_SIZE]);
const char *__wrap_rain_http_date(char text[static RAIN_HTTP_DATE_SIZE]);
json_t *__real_rain_peers_own_card(struct rain_gateway *gateway, const struct rain_peer *peer);
json_t *__wrap_rain_peers_own_card(struct rain_gateway *gateway, const struct rain_peer *peer);

static bool lie_is(const char *lie)
{
	char word[32] = "";
	FILE *file = fopen(LIE_FILE, "re");

	if (!file)
		return false;
	if (fscanf(file, "%31s", word) != 1)
		word[0] = '\0';
	fclose(file);
	return strcmp(word, lie) == 0;
}

/* Another character of the same alphabet: a signature in good form that is wrong. */
static void spoil(char *signature)
{
	signature[10] = signature[10] == 'A' ? 'B' : 'A';
}

/* "overclaim": short runs take very long. */
int __wrap_rain_mind_price(const struct rain_terms *terms, int64_t core_ms, int64_t *utok, struct rain_error *err)
{
	if (core_ms < 60000 && lie_is("overclaim"))
		core_ms *= 1000000;
	return __real_rain_mind_price(terms, core_ms, utok, err);
}

/* "inflate": the receipt claims a thousand tokens. "forge": a wrong signature. "fork": a
 * second receipt with the number of the one before. */
int __wrap_rain_receipt_sign(const struct rain_receipt *receipt, const struct rain_identity *lender,
			     struct rain_receipt_text *text, struct rain_error *err)
{
	struct rain_receipt told = *receipt;
	int result;

	if (lie_is("inflate"))
		told.claimed_utok = 1000000000;
	if (lie_is("fork") && told.number > 1)
		told.number--;
	result = __real_rain_receipt_sign(&told, lender, text, err);
	if (result == 0 && lie_is("forge"))
		spoil(text->signature);
	return result;
}

/* "stingy": as home, it acknowledges next to nothing. */
int64_t __wrap_rain_receipt_amount(int64_t claimed_utok, int64_t observed_utok, int64_t held_utok, bool *disputed)
{
	if (!lie_is("stingy"))
		return __real_rain_receipt_amount(claimed_utok, observed_utok, held_utok, disputed);
	*disputed = true;
	return 1;
}

static int post_rubbish(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer, struct rain_error *err)
{
	static const char *const rubbish[][2] = {
		{"gossip", "{\"n\":1}"},
		{"receipt", "{\"burst\":\"x\",\"receipt\":[[[[]]]],\"signature\":7}"},
		{"receipt", "{\"burst\":\"00000000-0000-4000-8000-000000000000\",\"receipt\":\"{}\",\"signature\":\"\"}"},
		{"finished", "{\"burst\":\"00000000-0000-4000-8000-000000000000\",\"outcome\":\"exited\",\"code\":-1}"},
		{"countersigned", "{\"burst\":\"00000000-0000-4000-8000-000000000000\",\"amount_utok\":1e99}"},
		{"order", "{\"burst\":\"00000000-0000-4000-8000-000000000000\",\"nodes\":9007199254740991,\"minutes\":-5}"},
		{"event", "{\"burst\":\"' OR 1=1; --\",\"seq\":-1,\"kind\":\"started\"}"},
		{"card", "{\"card\":{\"protocol\":[1],\"name\":\"alpha\",\"key\":\"AAAA\"}}"},
	};

	for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
		json_t *body = json_loads(rubbish[i][1], 0, NULL);
		int result = __real_rain_mailbox_post(gateway, tx, peer, rubbish[i][0], body, err);

		json_decref(body);
		if (result)
			return -1;
	}
	return 0;
}

/* Puts in place of the receipt the last one that was told before. */
static json_t *replayed(const json_t *body)
{
	static json_t *kept;
	json_t *told = json_copy((json_t *)body);

	if (kept && lie_is("replay")) {
		json_object_set(told, "receipt", json_object_get(kept, "receipt"));
		json_object_set(told, "signature", json_object_get(kept, "signature"));
	} else {
		json_decref(kept);
		kept = json_incref(told);
	}
	return told;
}

/* "clock": it is two hours later here than there. */
const char *__wrap_rain_http_date(char text[static RAIN_HTTP_DATE_SIZE])
{
	time_t later = time(NULL) + 7200;
	struct tm when;

	if (!lie_is("clock"))
		return __real_rain_http_date(text);
	strftime(text, RAIN_HTTP_DATE_SIZE, "%a, %d %b %Y %T GMT", gmtime_r(&later, &when));
	return text;
}

/* No lies, but an update: "newer" speaks version 2 alone; "bilingual" still ours, too, and
 * whatever it says has fields that we never heard of. */
static void update(json_t *card)
{
	if (lie_is("newer"))
		json_object_set_new(card, "protocol", json_pack("[i]", 2));
	else if (lie_is("bilingual"))
		json_object_update_new(card, json_pack("{s:[i,i], s:{s:[s]}}", "protocol", 2, 1, "moods", "ours", "good"));
}

json_t *__wrap_rain_peers_own_card(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	json_t *card = __real_rain_peers_own_card(gateway, peer);

	update(card);
	return card;
}

/* "withhold": neither receipts nor countersignatures leave. "rubbish": eight wrong
 * messages before each `finished`. "repeat": each receipt and countersignature thrice.
 * "replay": an old receipt for a new burst. "forge": countersignatures that are none. */
int __wrap_rain_mailbox_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			     const char *type, const json_t *body, struct rain_error *err)
{
	bool receipt = strcmp(type, "receipt") == 0, countersigned = strcmp(type, "countersigned") == 0;
	json_t *told = receipt ? replayed(body) : json_deep_copy(body);
	int result = 0;

	if (countersigned && lie_is("forge")) {
		char signature[RAIN_SIGNATURE_TEXT_SIZE];

		snprintf(signature, sizeof signature, "%s", json_string_value(json_object_get(told, "signature")));
		spoil(signature);
		json_object_set_new(told, "signature", json_string(signature));
	}
	if (strcmp(type, "card") == 0)
		update(json_object_get(told, "card"));
	if (lie_is("bilingual"))
		json_object_set_new(told, "moods", json_pack("[s]", "good"));
	if (strcmp(type, "finished") == 0 && lie_is("rubbish"))
		result = post_rubbish(gateway, tx, peer, err);
	if ((receipt || countersigned) && lie_is("repeat"))
		for (int i = 0; i < 2 && result == 0; i++)
			result = __real_rain_mailbox_post(gateway, tx, peer, type, told, err);
	if (result == 0 && !((receipt || countersigned) && lie_is("withhold")))
		result = __real_rain_mailbox_post(gateway, tx, peer, type, told, err);
	json_decref(told);
	return result;
}

/* The one that BLOB_FILE names in place of the bundles in the list. */
static void exchange(json_t *bundles)
{
	FILE *file = fopen(BLOB_FILE, "re");
	char sha256[65];
	long long size;

	if (!file)
		return;
	if (fscanf(file, "%64s %lld", sha256, &size) == 2) {
		json_array_clear(bundles);
		json_array_append_new(bundles, json_pack("{s:s, s:I}", "sha256", sha256, "size", (json_int_t)size));
	}
	fclose(file);
}

/* "bundle-back": as lender, another bundle comes back than the job has made; … */
int __wrap_rain_exit_report_parse(const json_t *body, struct rain_exit_report *report, struct rain_error *err)
{
	int result = __real_rain_exit_report_parse(body, report, err);

	if (result == 0 && lie_is("bundle-back"))
		exchange(report->outputs);
	return result;
}

/* "bundle-there": as home, another one goes than the user's. */
json_t *__wrap_rain_manifest_parse(const json_t *object, struct rain_error *err)
{
	json_t *manifest = __real_rain_manifest_parse(object, err);

	if (manifest && lie_is("bundle-there"))
		exchange(json_object_get(manifest, "inputs"));
	return manifest;
}
