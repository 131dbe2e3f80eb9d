// SPDX-License-Identifier: GPL-2.0-or-later
/* What HPL and hpcc print. */
#include <stdint.h>
#include <stdlib.h>

#include "scheduler/hpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_hpl_result result;
	struct rain_error err;

	if (rain_hpl_parse((const char *)data, size, &result, &err) == 0 &&
	    (result.mflops < 1 || result.problem.order < 1 || result.problem.rows < 1 ||
	     result.problem.columns < 1 || !(result.seconds >= 0)))
		abort();
	return 0;
}
