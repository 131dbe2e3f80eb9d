// SPDX-License-Identifier: GPL-2.0-or-later
/* What a job will take, from what its user ran before. */
#include "accounting/ledgerd.h"

#include <pwd.h>

#include "common/json.h"
#include "scheduler/predict.h"
#include "scheduler/predict_key.h"

#define LIMIT_MAX INT32_MAX

/* {name?, cpus, limit_s, user?} -> {expected_s, median_s, high_s, samples, basis,
 * confidence}; `user` for administrators only: what somebody runs is nobody else's
 * business. */
json_t *rain_ledgerd_op_predict(void *arg, const struct rain_rpc_caller *caller,
				const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_prediction prediction;
	const struct passwd *entry;
	struct rain_asker asker;
	const char *name, *user;
	int64_t cpus, limit;
	uid_t uid;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "name", 1024, "", &name, err) < 0 ||
	    rain_json_string_or(request, "user", 64, asker.user, &user, err) < 0 ||
	    rain_json_int(request, "cpus", 1, INT32_MAX, &cpus, err) < 0 ||
	    rain_json_int(request, "limit_s", 1, LIMIT_MAX, &limit, err) < 0)
		return NULL;
	entry = getpwnam(user);
	uid = entry ? entry->pw_uid : (uid_t)-1;
	if (uid != caller->uid && !asker.administrator) {
		rain_error_set(err, "only an administrator may ask for others");
		return NULL;
	}
	if (!entry || !ledgerd->predictions.history) {
		rain_error_set(err, entry ? "the history of run times hasn't been read yet"
					  : "there is no such user on this machine");
		return NULL;
	}
	rain_history_predict(ledgerd->predictions.history, uid, rain_predict_name(name), (int32_t)cpus,
			     (int32_t)limit, INT64_MAX, &prediction);
	return json_pack("{s:i s:i s:i s:i s:s s:i}", "expected_s", prediction.expected, "median_s",
			 prediction.median, "high_s", prediction.high, "samples", (int)prediction.samples,
			 "basis", rain_predictions_basis(prediction.basis), "confidence",
			 (int)prediction.confidence);
}
