// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include "accounting/show.h"
#include "common/cli.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain refund [OPTION]... JOBID [AMOUNT]\n"
	"       rain refund [OPTION]... --run NUMBER AMOUNT\n"
	"Gives back what a job was charged: AMOUNT tokens, or all that is left of it.\n"
	"For administrators of RAIN.\n"
	"\n"
	"  -R, --restart N    the run after so many restarts, when the job ran more than\n"
	"                     once\n"
	"      --run NUMBER   the run by its number in the ledger (job_run_id of\n"
	"                     'rain report --by job --json'), when a job number came twice\n"
	"  -r, --reason TEXT  why, kept in the ledger\n"
	"  -k, --key UUID     makes the refund repeatable: the same key again gives\n"
	"                     nothing more (default: a fresh one, which you are told when\n"
	"                     nobody knows whether it was done)\n"
	RAIN_SHOW_HELP RAIN_SHOW_EXIT;

/* A number of digits only. -1 otherwise. */
static int64_t number(const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	return *text >= '0' && *text <= '9' && *end == '\0' ? value : -1;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"restart", required_argument, NULL, 'R'},
						{"run", required_argument, NULL, 'N'},
						{"reason", required_argument, NULL, 'r'},
						{"key", required_argument, NULL, 'k'},
						RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	const char *reason = "", *key = NULL;
	int64_t job = 0, run = 0, restart = 0, amount = 0;
	bool restart_given = false;
	struct rain_error err;
	json_t *request;
	int option;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "R:r:k:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 'R':
			restart = number(optarg);
			restart_given = true;
			break;
		case 'N': run = number(optarg); break;
		case 'r': reason = optarg; break;
		case 'k': key = optarg; break;
		default:
			if (!rain_show_option(&show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	if (run == 0 && optind < argc)
		job = number(argv[optind++]);
	if (run < 0 || job < 0 || restart < 0 || (run == 0 && job == 0))
		return rain_cli_usage("the number of a job is needed");
	if (optind < argc && (rain_tokens_parse(argv[optind++], &amount, &err) < 0 || amount == 0))
		return rain_cli_usage("an amount above 0 is needed");
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	request = json_pack("{s:s s:s}", "op", "refund", "reason", reason);
	if (run > 0)
		json_object_set_new(request, "run", json_integer(run));
	if (job > 0)
		json_object_set_new(request, "job", json_integer(job));
	if (restart_given)
		json_object_set_new(request, "restart", json_integer(restart));
	if (amount > 0)
		json_object_set_new(request, "amount_utok", json_integer(amount));
	return rain_show_order(&show, request, key);
}
