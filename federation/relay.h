/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_RELAY_H
#define RAIN_FEDERATION_RELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/local_bundle.h"
#include "federation/local_http.h"
#include "federation/options.h"

/* rain-relay in parts. */

/* Exit code when RAIN itself, not the program, failed: stderr says why. As
 * env(1) and timeout(1) do. */
#define RAIN_RELAY_EXIT_FAILED 125

/* Longest long poll that the relay asks for. */
#define RAIN_RELAY_WAIT_S 30

/* How long Slurm has to end a job that it is to end, before the relay ends by itself. */
#define RAIN_RELAY_ENDED_S 60

struct rain_relay {
	const char *socket;
	uint32_t job;
	int directory; /* the job's working directory */
	struct rain_stage_list stage_in, stage_out;
	char *const *command; /* script, or program, and arguments */
	bool direct;   /* a step that somebody sits before, not a script */
	bool interactive; /* … the shell of salloc */
	bool terminal; /* … at a terminal */
	struct rain_local_client *client; /* of the main thread */
	bool whole;    /* the peer takes no bundles in parts */
	bool remembered; /* some inputs are named as they were brought another time, … */
	bool forgotten;	 /* … but the gateway doesn't have them any more */
};

/* relay_inputs.c: brings script, environment and files to the gateway and
 * names them to it. */
int rain_relay_inputs_send(struct rain_relay *relay, char *const environment[],
			   struct rain_error *err);

/* relay_cache.c: the bundle that files with this fingerprint made before.  True
 * when it is known; *parts is to be released in any case. */
bool rain_relay_cache_find(const struct rain_bundle_print *print, struct rain_digests *parts);
/* looked_ns: what the file system's clock said before the files were looked at. */
void rain_relay_cache_keep(const struct rain_bundle_print *print, int64_t looked_ns,
			   const struct rain_digests *parts);

/* relay_outputs.c: fetches and unpacks what came back. `outputs` is the array
 * of the gateway's answer. */
int rain_relay_outputs_take(struct rain_relay *relay, const json_t *outputs,
			    struct rain_error *err);

/* relay_stream.c: one of the two output streams, in a thread of its own. */
struct rain_relay_stream {
	const char *name; /* "stdout" */
	int fd;
	uint32_t job;
	struct rain_local_client *client;
	pthread_t thread;
	pthread_mutex_t lock;
	int64_t offset; /* bytes written to fd */
	int64_t size;	/* of the whole stream; -1: not known yet */
	int failed;	/* errno of a write, or -1: the gateway's refusal */
	struct rain_error err;
};
int rain_relay_stream_start(struct rain_relay_stream *stream, const struct rain_relay *relay,
			    const char *name, int fd, struct rain_error *err);
/* Waits until `size` bytes are written. -1 with err when some are lost. */
int rain_relay_stream_finish(struct rain_relay_stream *stream, int64_t size,
			     struct rain_error *err);
/* Ends it as it is. */
void rain_relay_stream_stop(struct rain_relay_stream *stream);

/* relay_direct.c: the script that starts the step on the peer (as snprintf). */
int rain_relay_direct_script(const struct rain_relay *relay, char *text, size_t size);
/* The program's path below the working directory, or NULL when it lies elsewhere. */
const char *rain_relay_direct_program(const struct rain_relay *relay);
/* "direct" of the manifest. */
json_t *rain_relay_direct_json(const struct rain_relay *relay);
bool rain_relay_terminal_size(int64_t *rows, int64_t *columns);
/* A thread that brings standard input to its end. */
struct rain_relay_input {
	uint32_t job;
	struct rain_local_client *client;
	int64_t offset; /* bytes that the gateway has */
	bool too_long; /* it takes no more */
};
int rain_relay_input_start(struct rain_relay_input *input, const struct rain_relay *relay,
			   struct rain_error *err);

/* relay_signals.c: a thread takes every signal that Slurm or the user sends
 * and passes it to the burst.  Until it is `open`, and after it is `closed`,
 * signals that end a program end the relay. */
struct rain_relay_signals {
	uint32_t job;
	bool terminal; /* SIGWINCH goes with the new size */
	struct rain_local_client *client;
	pthread_t thread;
	atomic_bool open;
};
/* Blocks the signals in the calling thread and those that it starts later. */
int rain_relay_signals_start(struct rain_relay_signals *signals, const struct rain_relay *relay,
			     struct rain_error *err);
void rain_relay_signals_open(struct rain_relay_signals *signals);
void rain_relay_signals_close(struct rain_relay_signals *signals);

/* Ends this process by the signal, without a core. Does not return. */
void rain_relay_die(int number) __attribute__((noreturn));

#endif
