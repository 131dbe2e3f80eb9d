/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_AGENT_H
#define RAIN_FEDERATION_AGENT_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "federation/digest.h"
#include "federation/environment.h"
#include "federation/local_http.h"

/* rain-agent in parts. */

#define RAIN_AGENT_WAIT_S 30
#define RAIN_AGENT_INPUTS_MAX 64
#define RAIN_AGENT_ARGS_MAX 256
#define RAIN_AGENT_SCRIPT_MAX (4 * 1024 * 1024)
#define RAIN_AGENT_EXIT_FAILED 125 /* RAIN failed, not the program */

/* What the gateway says is to be run. */
struct rain_agent_manifest {
	json_t *json; /* owns what the rest points to */
	struct rain_digest script, environment;
	struct rain_digests inputs[RAIN_AGENT_INPUTS_MAX];
	size_t input_count;
	const char *args[RAIN_AGENT_ARGS_MAX + 1]; /* NULL-terminated */
	const char *stage_out[RAIN_AGENT_INPUTS_MAX];
	size_t stage_out_count;
	bool parts; /* home takes outputs in parts */
	bool direct; /* somebody sits before it … */
	int64_t rows, columns; /* … at a terminal of this size; 0: without one */
};

struct rain_agent {
	const char *loan, *gateway; /* HOST:PORT */
	char self[33]; /* random: tells this agent from another one of the same job */
	uint32_t job;
	long nodes;
	char job_dir[256];
	int directory; /* job_dir */
	int work;      /* job_dir/work */
	struct rain_local_client *client; /* for the main thread */
	struct rain_agent_manifest manifest;
	struct rain_bundle_seen *seen; /* the inputs, before the script ran */
};

/* agent_manifest.c */
int rain_agent_manifest_read(json_t *json, struct rain_agent_manifest *manifest,
			     struct rain_error *err);
void rain_agent_manifest_release(struct rain_agent_manifest *manifest);

/* agent_stage.c: opens the job's directories on this node, gets the manifest
 * (waiting until it is complete), and unpacks the inputs: here, or by a step of
 * the job on each of its nodes. */
int rain_agent_open(struct rain_agent *agent, struct rain_error *err);
int rain_agent_manifest_get(struct rain_agent *agent, struct rain_error *err);
int rain_agent_work_open(struct rain_agent *agent, struct rain_error *err);
int rain_agent_unpack(struct rain_agent *agent, size_t i, int into, struct rain_error *err);
int rain_agent_unpack_here(struct rain_agent *agent, struct rain_error *err);
int rain_agent_stage_everywhere(struct rain_agent *agent, struct rain_error *err);
/* agent_cache.c: unpacks the inputs here, or has them from this node's cache
 * (guest_cache.h). */
int rain_agent_stage_here(struct rain_agent *agent, struct rain_error *err);
/* Puts a small blob into an unnamed file in the job's directory. -1 with err. */
int rain_agent_blob_get(struct rain_agent *agent, const struct rain_digest *digest,
			struct rain_error *err);
/* "/v1/loans/LOAN<rest>" */
void rain_agent_path(const struct rain_agent *agent, char path[static 256], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* agent_stream.c: what comes out of a pipe goes to the gateway, at once when
 * it is quiet, in larger pieces when it isn't; a full pipe stops the program
 * when the gateway doesn't keep up. */
struct rain_agent_stream {
	const char *name; /* "stdout" */
	int pipe;
	struct rain_agent *agent;
	struct rain_local_client *client;
	pthread_t thread;
	int64_t offset; /* bytes the gateway has */
	bool refused;	/* the gateway takes no more: the rest is dropped */
	struct rain_error err;
	char *buffer;
};
int rain_agent_stream_init(struct rain_agent_stream *stream, struct rain_agent *agent,
			   const char *name, struct rain_error *err);
/* Takes the reading end of a pipe over and follows it to its end. */
int rain_agent_stream_start(struct rain_agent_stream *stream, int pipe, struct rain_error *err);
void rain_agent_stream_join(struct rain_agent_stream *stream);
/* Adds a line of RAIN's own; only while no thread runs. */
void rain_agent_stream_say(struct rain_agent_stream *stream, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* agent_signals.c: threads that take signals, from Slurm and from the gateway.
 * Until the program runs, one that would end it ends the staging instead. */
#define RAIN_AGENT_SIGNALS_EARLY 64
struct rain_agent_signals {
	struct rain_agent *agent;
	struct rain_local_client *client;
	pthread_mutex_t lock;
	int control;   /* the sandbox's, or -1 */
	int terminal;  /* the program's, or -1 */
	int ended_by;  /* a signal to end that came before the program ran, or 0 */
	unsigned char early[RAIN_AGENT_SIGNALS_EARLY]; /* others that did: the program gets them */
	size_t early_count;
	bool terminated; /* Slurm has sent SIGTERM */
	bool gone;     /* the gateway doesn't know the loan any more */
};
int rain_agent_signals_start(struct rain_agent_signals *signals, struct rain_agent *agent,
			     struct rain_error *err);
/* Whose size SIGWINCH changes. */
void rain_agent_signals_terminal(struct rain_agent_signals *signals, int terminal);
/* From now on signals go to this socket (-1: nowhere), early ones first. Returns
 * ended_by. */
int rain_agent_signals_attach(struct rain_agent_signals *signals, int control);

/* agent_input.c: a thread that writes stdin into `fd`, which it takes over, to its
 * end. */
int rain_agent_input_start(struct rain_agent *agent, int fd, bool terminal, struct rain_error *err);
/* A terminal of the manifest's size; *slave is to be the program's. -1 with err. */
int rain_agent_terminal_open(const struct rain_agent *agent, int *slave, struct rain_error *err);
/* As TIOCSWINSZ, for numbers from elsewhere. */
void rain_agent_terminal_resize(int terminal, int64_t rows, int64_t columns);

/* agent_run.c: runs the program in the sandbox. code: 0..255 or -1. */
struct rain_agent_end {
	int code, signal;
};
int rain_agent_run(struct rain_agent *agent, struct rain_agent_signals *signals,
		   struct rain_agent_stream streams[2], struct rain_agent_end *end,
		   struct rain_error *err);

#endif
