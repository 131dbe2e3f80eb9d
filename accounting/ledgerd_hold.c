// SPDX-License-Identifier: GPL-2.0-or-later
/* Holds, for administrators and their programs. The gateway doesn't ask here: its holds are
 * of one transaction with the state of a burst. */
#include "accounting/ledgerd_group.h"

#include <string.h>

#include "common/json.h"
#include "common/tokens.h"

#define UUID_LENGTH 36
#define ACCOUNT_MAX 80
#define PURPOSE_MAX 200
#define TIME_MAX INT64_C(253402300799) /* the end of 9999 */

int rain_ledgerd_uuid(const json_t *request, const char *key, const char **uuid,
		      struct rain_error *err)
{
	if (rain_json_string(request, key, UUID_LENGTH, uuid, err) < 0)
		return -1;
	for (int i = 0; i < UUID_LENGTH; i++) {
		char c = (*uuid)[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !c || !strchr("0123456789abcdefABCDEF", c))
			return rain_error_set(err, "\"%s\" must be a UUID, not \"%s\"", key, *uuid);
	}
	return 0;
}

/* Who may, and which hold. */
static int begin(const struct rain_ledgerd *ledgerd, const struct rain_rpc_caller *caller,
		 const json_t *request, const char **hold, struct rain_error *err)
{
	struct rain_asker asker;

	if (caller->uid != 0 &&
	    rain_asker_administrator(ledgerd, caller, "hold tokens", &asker, err) < 0)
		return -1;
	return rain_ledgerd_uuid(request, "hold", hold, err);
}

static const struct rain_ledgerd_call plain; /* nothing to tell but the answer */

/* {hold, from, to? (system:use), amount_utok, purpose?, until?} -> {"answer": "held" | "exists"} */
json_t *rain_ledgerd_op_hold(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	const char *hold, *from_text, *to_text, *purpose;
	char from[ACCOUNT_MAX], to[ACCOUNT_MAX];
	int64_t amount, until;

	if (begin(arg, caller, request, &hold, err) < 0 ||
	    rain_json_string(request, "from", ACCOUNT_MAX - 1, &from_text, err) < 0 ||
	    rain_json_string_or(request, "to", ACCOUNT_MAX - 1, "system:use", &to_text, err) < 0 ||
	    rain_json_int(request, "amount_utok", 1, RAIN_TOKENS_MAX, &amount, err) < 0 ||
	    rain_json_string_or(request, "purpose", PURPOSE_MAX, "", &purpose, err) < 0 ||
	    rain_json_int_or(request, "until", 1, TIME_MAX, 0, &until, err) < 0 ||
	    rain_ledgerd_account_name(from_text, from, err) < 0 ||
	    rain_ledgerd_account_name(to_text, to, err) < 0)
		return NULL;
	/* The account of a peer is what both sides signed. */
	if (strncmp(from, "peer:", 5) == 0 || strncmp(to, "peer:", 5) == 0) {
		rain_error_set(err, "what peers owe is moved by receipts only, not by \"hold\"");
		return NULL;
	}
	return rain_ledgerd_group_call(
		arg, caller, &plain,
		json_pack("{s:s s:s s:s s:s s:I s:s s:o}", "call", "hold", "hold", hold, "from", from,
			  "to", to, "amount", (json_int_t)amount, "text", purpose, "until",
			  until ? json_integer(until) : json_null()),
		err);
}

/* {hold, key, amount_utok} -> {"answer": "posted" | "exists"} */
json_t *rain_ledgerd_op_post(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	const char *hold, *key;
	int64_t amount;

	if (begin(arg, caller, request, &hold, err) < 0 ||
	    rain_ledgerd_uuid(request, "key", &key, err) < 0 ||
	    rain_json_int(request, "amount_utok", 0, RAIN_TOKENS_MAX, &amount, err) < 0)
		return NULL;
	return rain_ledgerd_group_call(arg, caller, &plain,
				       json_pack("{s:s s:s s:s s:I}", "call", "post", "hold", hold,
						 "key", key, "amount", (json_int_t)amount),
				       err);
}

/* {hold} -> {"answer": "voided" | "exists"} */
json_t *rain_ledgerd_op_void(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	const char *hold;

	if (begin(arg, caller, request, &hold, err) < 0)
		return NULL;
	return rain_ledgerd_group_call(arg, caller, &plain,
				       json_pack("{s:s s:s}", "call", "void", "hold", hold), err);
}

/* {hold, until} -> {"answer": "extended" | "exists"} */
json_t *rain_ledgerd_op_extend(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	const char *hold;
	int64_t until;

	if (begin(arg, caller, request, &hold, err) < 0 ||
	    rain_json_int(request, "until", 1, TIME_MAX, &until, err) < 0)
		return NULL;
	return rain_ledgerd_group_call(arg, caller, &plain,
				       json_pack("{s:s s:s s:I}", "call", "extend", "hold", hold,
						 "until", (json_int_t)until),
				       err);
}
