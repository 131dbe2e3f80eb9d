/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an agent, which is a guest, tells of the end of its script. */
#include "common/json.h"
#include "federation/message.h"

int rain_exit_report_parse(const json_t *body, struct rain_exit_report *report,
			   struct rain_error *err)
{
	int terminated = 0;

	*report = (struct rain_exit_report){0};
	if (rain_json_int(body, "code", -1, 255, &report->code, err) ||
	    rain_json_int_or(body, "signal", 0, RAIN_SIGNAL_MAX, 0, &report->signal, err) ||
	    rain_json_int(body, "stdout_bytes", 0, RAIN_STREAM_BYTES_MAX, &report->stdout_bytes,
			  err) ||
	    rain_json_int(body, "stderr_bytes", 0, RAIN_STREAM_BYTES_MAX, &report->stderr_bytes,
			  err) ||
	    rain_json_string_or(body, "error", 4096, "", &report->reason, err) ||
	    rain_json_string_or(body, "agent", RAIN_AGENT_SIZE - 1, "", &report->agent, err))
		return -1;
	if (json_object_get(body, "terminated") &&
	    rain_json_bool(body, "terminated", &terminated, err))
		return -1;
	report->terminated = terminated;
	report->outputs = rain_outputs_parse(body, "outputs", err);
	return report->outputs ? 0 : -1;
}
