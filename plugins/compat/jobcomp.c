// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/compat/jobcomp.h"

/* The location is an argument until 23.02, then a setting. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
extern int jobcomp_p_set_location(void) RAIN_EXPORT;
int jobcomp_p_set_location(void)
{
	return rain_jobcomp_location(slurm_conf.job_comp_loc);
}
#else
extern int jobcomp_p_set_location(char *location) RAIN_EXPORT;
int jobcomp_p_set_location(char *location)
{
	return rain_jobcomp_location(location);
}
#endif

/* From 25.05 on plugins hear of starts too. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(25, 5, 0)
extern int jobcomp_p_record_job_start(job_record_t *job, uint32_t event) RAIN_EXPORT;
int jobcomp_p_record_job_start(job_record_t *job, uint32_t event)
{
	(void)job, (void)event;
	return SLURM_SUCCESS;
}

extern int jobcomp_p_record_job_end(job_record_t *job, uint32_t event) RAIN_EXPORT;
int jobcomp_p_record_job_end(job_record_t *job, uint32_t event)
{
	(void)event;
	return rain_jobcomp_ended(job);
}
#else
extern int jobcomp_p_log_record(job_record_t *job) RAIN_EXPORT;
int jobcomp_p_log_record(job_record_t *job)
{
	return rain_jobcomp_ended(job);
}
#endif

/* `sacct --completion`, which finds nothing here: the ledger answers
 * (`rain report`). Returns a List, whose name changes with the version. */
extern void *jobcomp_p_get_jobs(void *condition) RAIN_EXPORT;
void *jobcomp_p_get_jobs(void *condition)
{
	(void)condition;
	return NULL;
}
