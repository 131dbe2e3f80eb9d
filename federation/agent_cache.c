/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's end of the cache of unpacked inputs: guest_cache.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "federation/agent.h"
#include "federation/guest_cache.h"

/* -1: this node keeps nothing. */
static int keeper_connect(const struct rain_agent *agent)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", agent->job_dir,
			      RAIN_GUEST_CACHE_SOCKET);

	if (fd >= 0 && length < (int)sizeof(address.sun_path) &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* enum rain_guest_cache_answer, or 0: the keeper is gone. */
static char ask(int keeper, enum rain_guest_cache_step step,
		struct rain_guest_cache_request *request)
{
	char said = 0;
	ssize_t got;

	request->step = (char)step;
	if (send(keeper, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request))
		return 0;
	do
		got = recv(keeper, &said, 1, 0);
	while (got < 0 && errno == EINTR);
	return got == 1 ? said : 0;
}

static int64_t inputs_bytes(const struct rain_agent *agent)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < agent->manifest.input_count; i++)
		bytes += rain_digests_size(&agent->manifest.inputs[i]);
	return bytes;
}

/* 1: work/ has the inputs, from the cache; 0: it is an ordinary directory, as it
 * was; -1 with err. */
static int step(struct rain_agent *agent, int keeper, enum rain_guest_cache_step which,
		struct rain_guest_cache_request *request, struct rain_error *err)
{
	char said = ask(keeper, which, request);

	if (said == RAIN_GUEST_CACHE_MOUNTED) {
		if (rain_agent_work_open(agent, NULL) == 0)
			return 1;
		/* The mount doesn't reach this namespace. */
		said = ask(keeper, RAIN_GUEST_CACHE_BACK, request);
	}
	if (said == RAIN_GUEST_CACHE_FAILED)
		return rain_error_set(err, "this node has lost the job's directory");
	return rain_agent_work_open(agent, err);
}

static int stage(struct rain_agent *agent, int keeper, struct rain_error *err)
{
	struct rain_guest_cache_request request = {.bytes = inputs_bytes(agent)};
	int result;

	if (rain_guest_cache_key(agent->manifest.inputs, agent->manifest.input_count,
				 request.key) < 0)
		return rain_agent_unpack_here(agent, err);
	result = step(agent, keeper, RAIN_GUEST_CACHE_USE, &request, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	if (rain_agent_unpack_here(agent, err) < 0)
		return -1;
	return step(agent, keeper, RAIN_GUEST_CACHE_KEEP, &request, err) < 0 ? -1 : 0;
}

int rain_agent_stage_here(struct rain_agent *agent, struct rain_error *err)
{
	struct rain_guest_cache_request none = {.step = RAIN_GUEST_CACHE_NONE};
	int keeper = keeper_connect(agent), result = 0;

	if (keeper < 0)
		return rain_agent_unpack_here(agent, err);
	if (agent->manifest.input_count > 0)
		result = stage(agent, keeper, err);
	else
		(void)!send(keeper, &none, sizeof(none), MSG_NOSIGNAL);
	close(keeper);
	return result;
}
