// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/config_bank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tokens.h"

#define WEIGHT_MAX INT64_C(1000000000)
#define DAYS_MAX 366
#define PERCENT 100

static int read_rewards(cfg_t *section, struct rain_config *config, const char **key,
			struct rain_error *why)
{
	*key = "own-use-reward";
	if (rain_ratio_parse(cfg_getstr(section, *key), &config->ledger.reward_num,
			     &config->ledger.reward_den, why) < 0)
		return -1;
	*key = "own-use-cap";
	if (rain_tokens_parse(cfg_getstr(section, *key), &config->ledger.reward_cap_utok, why) < 0)
		return -1;
	if (config->ledger.reward_num > 0 && config->ledger.reward_cap_utok == 0)
		return rain_error_set(why, "say how many tokens a user may get in a day for own use");
	return 0;
}

static int read_mode(const char *text, enum rain_share_mode *mode, struct rain_error *why)
{
	static const char *const names[] = {[RAIN_SHARE_NONE] = "none",
					    [RAIN_SHARE_EQUAL] = "equal",
					    [RAIN_SHARE_CONTRIBUTION] = "contribution",
					    [RAIN_SHARE_FIXED] = "fixed"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum rain_share_mode)i;
			return 0;
		}
	}
	return rain_error_set(why, "\"%.20s\" is none of none, equal, contribution, fixed", text);
}

/* "ada=4", "project:heat=2"; the weight may be left out where all are equal. */
static int read_share(const char *text, bool weighted, struct rain_share *share,
		      struct rain_error *why)
{
	size_t length = strcspn(text, "=");
	const char *prefix = memchr(text, ':', length) ? "" : "user:";
	char *end = NULL;

	share->weight = 1;
	if (weighted) {
		share->weight = text[length] == '=' ? strtoll(text + length + 1, &end, 10) : 0;
		if (share->weight < 1 || share->weight > WEIGHT_MAX || *end != '\0')
			return rain_error_set(why, "\"%.80s\": write ACCOUNT=WEIGHT, a whole number of "
					      "at least 1", text);
	} else if (text[length] == '=') {
		return rain_error_set(why, "\"%.80s\": equal shares have no weights", text);
	}
	if (length == 0 || asprintf(&share->account, "%s%.*s", prefix, (int)length, text) < 0) {
		share->account = NULL;
		return rain_error_set(why, "\"%.80s\" names no account", text);
	}
	return 0;
}

static int read_shares(cfg_t *section, struct rain_config *config, const char **key,
		       struct rain_error *why)
{
	enum rain_share_mode mode = config->ledger.share_mode;
	unsigned count = cfg_size(section, "shares");
	int64_t sum = 0;

	*key = "shares";
	config->ledger.shares = calloc(count + 1, sizeof(*config->ledger.shares));
	if (!config->ledger.shares)
		return rain_error_set(why, "no memory");
	for (unsigned i = 0; i < count; i++) {
		struct rain_share *share = &config->ledger.shares[i];

		config->ledger.share_count++;
		if (read_share(cfg_getnstr(section, *key, i), mode != RAIN_SHARE_EQUAL, share, why) < 0)
			return -1;
		sum += share->weight;
		for (unsigned k = 0; k < i; k++)
			if (strcmp(config->ledger.shares[k].account, share->account) == 0)
				return rain_error_set(why, "%.80s stands there twice", share->account);
	}
	if (count == 0 && (mode == RAIN_SHARE_CONTRIBUTION || mode == RAIN_SHARE_FIXED))
		return rain_error_set(why, "name the accounts that share, such as {\"ada=4\"}");
	if (mode == RAIN_SHARE_FIXED && sum > PERCENT)
		return rain_error_set(why, "fixed shares are percent, and more than 100 together");
	return 0;
}

int rain_config_bank(cfg_t *section, struct rain_config *config, const char **key,
		     struct rain_error *why)
{
	if (read_rewards(section, config, key, why) < 0)
		return -1;
	*key = "share-commons";
	if (read_mode(cfg_getstr(section, *key), &config->ledger.share_mode, why) < 0)
		return -1;
	*key = "share-days";
	config->ledger.share_days = (int)cfg_getint(section, *key);
	if (config->ledger.share_days < 1 || config->ledger.share_days > DAYS_MAX)
		return rain_error_set(why, "is %d, allowed is 1 to %d", config->ledger.share_days,
				      DAYS_MAX);
	return read_shares(section, config, key, why);
}

void rain_config_bank_release(struct rain_config *config)
{
	for (size_t i = 0; i < config->ledger.share_count; i++)
		free(config->ledger.shares[i].account);
	free(config->ledger.shares);
}
