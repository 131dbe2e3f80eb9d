// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "accounting/client.h"
#include "accounting/period.h"
#include "accounting/show.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain rate [show] [--all]\n"
	"       rain rate set TRES RATIO [OPTION]...\n"
	"Shows or sets what a unit of a TRES (cpu, mem, gres/gpu; \"calibrated\" for the\n"
	"measured speed of cores) costs for a second, in micro-tokens, as a ratio such as\n"
	"5/18 or 0. A rate that has been in force stays in history; a new one ends it.\n"
	"Setting is for administrators of RAIN.\n"
	"\n"
	"  -a, --all             all versions, not only those in force\n"
	"  -p, --partition NAME  in this partition only (default: all without their own)\n"
	"  -q, --qos NAME        with this QOS only (likewise)\n"
	"  -F, --from TIME       from this time on (default: now)\n"
	"  -r, --reason TEXT     why, kept in the ledger\n"
	RAIN_SHOW_HELP RAIN_SHOW_TIMES RAIN_SHOW_EXIT;

static const struct rain_column columns[] = {
	{"TRES", "tres", RAIN_COLUMN_PLAIN},	   {"RATE", "rate", RAIN_COLUMN_NUMBER},
	{"CLUSTER", "cluster", RAIN_COLUMN_PLAIN}, {"PARTITION", "partition", RAIN_COLUMN_PLAIN},
	{"QOS", "qos", RAIN_COLUMN_PLAIN},	   {"FROM", "valid_from", RAIN_COLUMN_TIME},
	{"UNTIL", "valid_until", RAIN_COLUMN_TIME}, {"BY", "actor", RAIN_COLUMN_PLAIN},
	{"REASON", "reason", RAIN_COLUMN_PLAIN},   {NULL, NULL, RAIN_COLUMN_PLAIN},
};

struct rate {
	const char *partition, *qos, *from, *reason;
	bool all;
};

static int rate_show(const struct rain_show *show, const struct rate *rate)
{
	struct rain_error err;
	int code;
	json_t *answer = rain_client_call(show->config,
					  json_pack("{s:s s:b}", "op", "rates", "all", (int)rate->all),
					  &code, &err);

	if (!answer)
		return rain_cli_fail(code, &err);
	code = rain_show_rows(show, columns, answer, "rows");
	json_decref(answer);
	return code;
}

static int rate_set(const struct rain_show *show, const struct rate *rate, const char *tres,
		    const char *ratio)
{
	int64_t num, den, from = 0, now = rain_clock_realtime_ms() / 1000;
	struct rain_error err;
	json_t *request;

	if (rain_ratio_parse(ratio, &num, &den, &err) < 0)
		return rain_cli_usage("%s", err.text);
	if (rate->from && rain_period_parse(rate->from, now, &from, &err) < 0)
		return rain_cli_usage("--from: %s", err.text);
	request = json_pack("{s:s s:s s:I s:I s:s* s:s* s:s*}", "op", "rate_set", "tres", tres, "num",
			    (json_int_t)num, "den", (json_int_t)den, "partition", rate->partition,
			    "qos", rate->qos, "reason", rate->reason);
	if (from > 0)
		json_object_set_new(request, "from", json_integer(from));
	return rain_show_call(show, request);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'},
						{"partition", required_argument, NULL, 'p'},
						{"qos", required_argument, NULL, 'q'},
						{"from", required_argument, NULL, 'F'},
						{"reason", required_argument, NULL, 'r'},
						RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	struct rate rate = {0};
	const char *verb;
	int option, left;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "ap:q:F:r:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 'a': rate.all = true; break;
		case 'p': rate.partition = optarg; break;
		case 'q': rate.qos = optarg; break;
		case 'F': rate.from = optarg; break;
		case 'r': rate.reason = optarg; break;
		default:
			if (!rain_show_option(&show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	verb = optind < argc ? argv[optind] : "show";
	left = argc - optind;
	if (strcmp(verb, "show") == 0 && left <= 1)
		return rate_show(&show, &rate);
	if (strcmp(verb, "set") == 0 && left == 3)
		return rate_set(&show, &rate, argv[optind + 1], argv[optind + 2]);
	return rain_cli_usage("say 'show', or 'set TRES RATIO'");
}
