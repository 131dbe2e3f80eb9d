// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cli_filter/rain: tells whoever submits what to expect, inside sbatch.  It asks
 * rain-estimate, for a bounded time, and says nothing when there is no answer: a
 * submission never fails or waits because of it.  `rain estimate` on its part runs
 * sbatch --test-only to have its options read, and gets them from here.
 */
#include "plugins/compat/controller.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "src/common/plugstack.h"
#include "src/common/slurm_opt.h"

#include "common/config.h"
#include "common/process.h"
#include "plugins/cli_shape.h"

RAIN_PLUGIN("RAIN command filter plugin", "cli_filter/rain")

#define ESTIMATE RAIN_LIBEXECDIR "/rain-estimate"
#define WAIT_MS 1500
#define SHAPE_WANTED "RAIN_ESTIMATE_SHAPE"

extern int init(void) RAIN_EXPORT;
extern int cli_filter_p_setup_defaults(slurm_opt_t *opt, bool early) RAIN_EXPORT;
extern int cli_filter_p_pre_submit(slurm_opt_t *opt, int offset) RAIN_EXPORT;
extern void cli_filter_p_post_submit(int offset, uint32_t job_id, uint32_t step_id) RAIN_EXPORT;

int init(void)
{
	return SLURM_SUCCESS;
}

RAIN_PLUGIN_FINI
{
	RAIN_PLUGIN_FINI_RETURN;
}

int cli_filter_p_setup_defaults(slurm_opt_t *opt, bool early)
{
	(void)opt, (void)early;
	return SLURM_SUCCESS;
}

void cli_filter_p_post_submit(int offset, uint32_t job_id, uint32_t step_id)
{
	(void)offset, (void)job_id, (void)step_id;
}

/* sbatch names a job after its script, later than this. */
static const char *job_name(const slurm_opt_t *opt)
{
	if (opt->job_name)
		return opt->job_name;
	if (opt->sbatch_opt->wrap)
		return "wrap";
	if (opt->sbatch_opt->script_argc > 0 && opt->sbatch_opt->script_argv[0])
		return basename(opt->sbatch_opt->script_argv[0]);
	return "sbatch";
}

static char *shape_of(const slurm_opt_t *opt)
{
	int nodes = opt->min_nodes > 0 ? opt->min_nodes : 1;
	int per_node = opt->ntasks_per_node > 0 && (uint32_t)opt->ntasks_per_node != NO_VAL
			       ? opt->ntasks_per_node : 0;
	int tasks = opt->ntasks_set ? opt->ntasks : nodes * (per_node ? per_node : 1);
	const struct rain_cli_shape shape = {
		.name = job_name(opt),
		.partition = opt->partition,
		.constraint = opt->constraint,
		.nodes = nodes,
		.tasks = tasks > 0 ? tasks : 1,
		.cpus_per_task = opt->cpus_set && opt->cpus_per_task > 0 ? opt->cpus_per_task : 1,
		.ntasks_per_node = per_node,
		.minutes = (uint32_t)opt->time_limit == NO_VAL ? -1 : opt->time_limit < 0 ? 0 : opt->time_limit,
		.burst = spank_option_get("burst"),
		.max_tokens = spank_option_get("burst-max-tokens"),
		.peers = spank_option_get("burst-peers"),
		.stage_in = spank_option_get("stage-in"),
		.array = opt->sbatch_opt->array_inx,
		.directory = opt->chdir,
		.waits = opt->hold ? "hold" : opt->dependency ? "dependency" : NULL,
	};

	return rain_cli_shape_write(&shape);
}

static bool is_wanted(bool asked)
{
	struct rain_config *config = rain_config_load(NULL, NULL);
	bool wanted = config && (config->estimate.at_submission == RAIN_ESTIMATE_ALWAYS ||
				 (asked && config->estimate.at_submission == RAIN_ESTIMATE_BURST));

	rain_config_destroy(config);
	return wanted;
}

/* An answer is one line; whatever goes wrong, there is none. */
static void tell(const char *shape)
{
	const char *const argv[] = {ESTIMATE, "--at-submission", NULL};
	struct rain_process_result result;
	struct rain_error unused;

	if (rain_process_run(argv, NULL, shape, WAIT_MS, &result, &unused) < 0)
		return;
	if (result.exit_code == 0 && result.size > 0) {
		result.output[strcspn(result.output, "\n")] = '\0';
		info("rain: estimate: %s", result.output);
	}
	rain_process_result_release(&result);
}

int cli_filter_p_pre_submit(slurm_opt_t *opt, int offset)
{
	const char *burst;
	bool asked;
	char *shape;

	/* Each component of a heterogeneous job comes by. */
	if (!opt->sbatch_opt || (offset > 0 && !getenv(SHAPE_WANTED)))
		return SLURM_SUCCESS;
	burst = spank_option_get("burst");
	asked = burst && strcmp(burst, "never") != 0;
	if (!getenv(SHAPE_WANTED) && !is_wanted(asked))
		return SLURM_SUCCESS;
	shape = shape_of(opt);
	if (!shape)
		return SLURM_SUCCESS;
	if (getenv(SHAPE_WANTED))
		fprintf(stderr, "rain-shape:%s\n", shape);
	else if (!opt->sbatch_opt->test_only)
		tell(shape);
	free(shape);
	return SLURM_SUCCESS;
}
