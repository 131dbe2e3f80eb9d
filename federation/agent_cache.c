/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's end of the cache of unpacked inputs: guest_cache.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "federation/agent.h"
#include "federation/guest_cache.h"

_Static_assert(RAIN_AGENT_INPUTS_MAX <= RAIN_GUEST_CACHE_BUNDLES_MAX, "a manifest fits a request");

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

static int64_t inputs_bytes(const struct rain_agent *agent)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < agent->manifest.input_count; i++)
		bytes += rain_digests_size(&agent->manifest.inputs[i]);
	return bytes;
}

/* A keeper that is gone says nothing: state 0. */
static void ask(int keeper, enum rain_guest_cache_step step, struct rain_guest_cache_request *request,
		struct rain_guest_cache_answer *said)
{
	ssize_t got = -1;

	request->step = step;
	if (send(keeper, request, sizeof(*request), MSG_NOSIGNAL) == (ssize_t)sizeof(*request))
		do
			got = recv(keeper, said, sizeof(*said), 0);
		while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(*said))
		*said = (struct rain_guest_cache_answer){0};
}

/* 1: work/ has the inputs, from the cache; 0: it is an ordinary directory, as it
 * was; -1 with err. */
static int step(struct rain_agent *agent, int keeper, enum rain_guest_cache_step which,
		struct rain_guest_cache_request *request, struct rain_guest_cache_answer *said,
		struct rain_error *err)
{
	ask(keeper, which, request, said);
	if (said->state == RAIN_GUEST_CACHE_MOUNTED) {
		if (rain_agent_work_open(agent, NULL) == 0)
			return 1;
		/* The mount doesn't reach this namespace. */
		ask(keeper, RAIN_GUEST_CACHE_BACK, request, said);
	}
	if (said->state == RAIN_GUEST_CACHE_FAILED)
		return rain_error_set(err, "this node has lost the job's directory");
	return rain_agent_work_open(agent, err);
}

/* Each into a directory of its own. */
static int unpack_one(struct rain_agent *agent, uint32_t i, struct rain_error *err)
{
	char name[32];
	int into, result;

	snprintf(name, sizeof(name), RAIN_GUEST_CACHE_INPUT, i);
	if (mkdirat(agent->directory, name, 0700) < 0)
		return rain_error_set(err, "can't make %s: %s", name, strerror(errno));
	into = openat(agent->directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (into < 0)
		return rain_error_set(err, "can't open %s: %s", name, strerror(errno));
	result = rain_agent_unpack(agent, i, into, err);
	close(into);
	return result;
}

static int stage(struct rain_agent *agent, int keeper, struct rain_error *err)
{
	struct rain_guest_cache_request request = {
		.bytes = inputs_bytes(agent), .count = (uint32_t)agent->manifest.input_count};
	struct rain_guest_cache_answer said;
	int result;

	for (uint32_t i = 0; i < request.count; i++)
		if (rain_guest_cache_key(&agent->manifest.inputs[i], request.keys[i]) < 0)
			return rain_error_set(err, "out of memory");
	result = step(agent, keeper, RAIN_GUEST_CACHE_USE, &request, &said, err);
	if (result == 0 && said.state == RAIN_GUEST_CACHE_PLAIN) {
		for (uint32_t i = 0; i < request.count && result == 0; i++)
			if (!said.has[i])
				result = unpack_one(agent, i, err);
		if (result == 0)
			result = step(agent, keeper, RAIN_GUEST_CACHE_KEEP, &request, &said, err);
	}
	if (result != 0)
		return result < 0 ? -1 : 0;
	return rain_agent_unpack_here(agent, err);
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
