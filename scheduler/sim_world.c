/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to sites: links are cut, some leave, some come back under new names. */
#include "scheduler/sim_internal.h"

int sim_world_start(struct rain_sim *sim, struct rain_error *err)
{
	(void)sim;
	(void)err;
	return 0;
}

int sim_world_timer(struct rain_sim *sim, const struct rain_heap_item *item,
		    struct rain_error *err)
{
	(void)sim;
	(void)item;
	(void)err;
	return 0;
}
