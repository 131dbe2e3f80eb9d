/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_MESSAGE_H
#define RAIN_FEDERATION_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The bodies of the messages that two gateways exchange about a burst (text:
 * doc/protocol.txt).  Pure: JSON in, a checked struct out, and back.
 *
 * Parsing trusts nothing: every field has a type and a bound, unknown fields
 * are ignored, and control characters in texts that people will read become
 * '?'.  Durations are relative and in milliseconds; there is no clock time in
 * a message.
 */

#define RAIN_UUID_SIZE 37     /* "01234567-89ab-…" and its NUL */
#define RAIN_SHA256_TEXT_SIZE 65 /* lower-case hex and its NUL */
#define RAIN_SIGNATURE_TEXT_SIZE 87 /* base64url of 64 bytes and its NUL */
#define RAIN_REASON_SIZE 256  /* a sentence */
#define RAIN_USER_SIZE 65
#define RAIN_ARCH_SIZE 17

#define RAIN_NODES_MAX 1024
#define RAIN_TASKS_MAX 65536
#define RAIN_CPUS_MAX 1024	    /* per task, and per node */
#define RAIN_MINUTES_MAX (31 * 24 * 60)
#define RAIN_MESSAGE_MS_MAX (INT64_C(1000) * 60 * 60 * 24 * 62)
#define RAIN_MFLOPS_MAX INT64_C(100000000)
#define RAIN_PERCENT_MAX 100000
#define RAIN_BLOB_BYTES_MAX (INT64_C(1) << 46)
#define RAIN_STREAM_BYTES_MAX (INT64_C(1) << 46)
#define RAIN_MANIFEST_ARGS_MAX 256
#define RAIN_MANIFEST_INPUTS_MAX 256
#define RAIN_MANIFEST_PARTS_MAX 512  /* of one bundle */
#define RAIN_MANIFEST_PATTERNS_MAX 64
#define RAIN_MANIFEST_TEXT_MAX 4096  /* one argument, pattern or path */
#define RAIN_MANIFEST_BYTES_MAX (48 * 1024) /* fits one message */
#define RAIN_OUTPUTS_MAX 256
#define RAIN_RECEIPT_BYTES_MAX 2048
#define RAIN_SIGNAL_MAX 64
#define RAIN_AGENT_SIZE 65 /* an agent's word for itself */
#define RAIN_TERMINAL_MAX 65535 /* rows and columns */

enum rain_message_type {
	RAIN_MESSAGE_ASK,	    /* home -> lender: could you start this now? */
	RAIN_MESSAGE_OFFER,	    /* yes, at this price, for some seconds */
	RAIN_MESSAGE_REFUSE,	    /* no, and why */
	RAIN_MESSAGE_ORDER,	    /* home -> lender: do it; the tokens are held */
	RAIN_MESSAGE_ACCEPTED,
	RAIN_MESSAGE_REJECTED,	    /* the order comes too late, or never fitted */
	RAIN_MESSAGE_WITHDRAWN,	    /* home -> lender: not needed; no inputs were sent */
	RAIN_MESSAGE_EVENT,	    /* both ways, see enum rain_event_kind */
	RAIN_MESSAGE_RECALL,	    /* home -> lender: end the job */
	RAIN_MESSAGE_EVICT,	    /* lender -> home: the owner takes the machine back */
	RAIN_MESSAGE_FINISHED,	    /* lender -> home: the end, whatever it was */
	RAIN_MESSAGE_RECEIPT,	    /* lender -> home: signed usage */
	RAIN_MESSAGE_COUNTERSIGNED, /* home -> lender: signed payment */
	RAIN_MESSAGE_DISPUTED,	    /* home -> lender: both numbers */
	RAIN_MESSAGE_TYPES,
};

enum rain_event_kind {
	RAIN_EVENT_INPUTS,    /* home -> lender: the manifest of the job's inputs */
	RAIN_EVENT_SIGNAL,    /* home -> lender: pass a signal to the job */
	RAIN_EVENT_DELIVERED, /* home -> lender: streams and outputs have arrived */
	RAIN_EVENT_STAGED,    /* lender -> home: all input blobs are here */
	RAIN_EVENT_STARTED,   /* lender -> home: the script runs */
	RAIN_EVENT_OTHER,     /* a kind that this version doesn't know: ignore */
};

/* How a guest job ended. The last two cost nothing. */
enum rain_outcome {
	RAIN_OUTCOME_NONE,
	RAIN_OUTCOME_EXITED,	/* exit code or signal of its own */
	RAIN_OUTCOME_CANCELLED, /* home recalled it */
	RAIN_OUTCOME_TIMEOUT,
	RAIN_OUTCOME_EVICTED,	/* the owner took the machine back */
	RAIN_OUTCOME_LOST,	/* node failure, or nobody knows how it ended */
	RAIN_OUTCOMES,
};

/* What a job needs. */
struct rain_shape {
	int64_t nodes;
	int64_t tasks;
	int64_t cpus_per_task;
	int64_t ntasks_per_node; /* 0: not asked for */
	int64_t minutes;	 /* time limit */
};

/* Cores that the job is priced at. */
int64_t rain_shape_cores(const struct rain_shape *shape);

/* Checks the bounds, and that the numbers fit each other. */
int rain_shape_check(const struct rain_shape *shape, struct rain_error *err);

/* The terms of an offer: cores x time x speed x percent, never above ceiling. */
struct rain_terms {
	int64_t mflops;	 /* of one core */
	int64_t percent; /* of the calibrated price */
	int64_t ceiling_utok;
};

struct rain_message {
	enum rain_message_type type;
	char burst[RAIN_UUID_SIZE];
	struct rain_shape shape;	     /* ask, order */
	char user[RAIN_USER_SIZE];	     /* ask, order: the user's name at home */
	char arch[RAIN_ARCH_SIZE];	     /* ask: "x86_64", or "" for any */
	int64_t expected_s;		     /* ask: how long it probably runs; 0: not said */
	int64_t waiting;		     /* ask: how many more jobs would go there */
	bool line;			     /* refuse for want of room: one after the other is told of it */
	struct rain_terms terms;	     /* offer, order */
	int64_t lease_ms;		     /* offer: how long it stands */
	char reason[RAIN_REASON_SIZE];	     /* refuse, rejected, withdrawn, recall,
						evict, finished, disputed */
	bool capacity;			     /* refuse: only for want of room just now */
	bool room;			     /* refuse: there is room again, for free_nodes */
	int64_t free_nodes, extra_nodes;     /* refuse: free now; of them, not meant for */
	int64_t window_s;		     /* … an owner's job that begins then; 0: not said */
	int64_t credit_utok;		     /* refuse: what would be within the credit; 0: not said */
	int64_t seq;			     /* event: 1, 2, 3, … in each direction */
	enum rain_event_kind kind;	     /* event */
	int64_t signal;			     /* event signal; finished: 0 or the signal */
	int64_t rows, columns;		     /* event signal: a terminal's size, or 0 */
	json_t *manifest;		     /* event inputs: see rain_manifest_parse */
	int64_t job_id;			     /* event started */
	char nodes[RAIN_REASON_SIZE];	     /* event started: for people */
	int64_t grace_ms;		     /* evict */
	enum rain_outcome outcome;	     /* finished */
	int64_t code;			     /* finished: exit code 0..255 */
	bool out_of_memory;		     /* finished, exited: why it was killed */
	int64_t run_ms;			     /* finished */
	int64_t stdout_bytes, stderr_bytes;  /* finished */
	json_t *outputs;		     /* finished: see rain_outputs_parse */
	int64_t claimed_utok;		     /* finished, disputed */
	char receipt[RAIN_RECEIPT_BYTES_MAX]; /* receipt: the canonical bytes */
	char sha256[RAIN_SHA256_TEXT_SIZE];   /* countersigned, disputed: of them */
	char signature[RAIN_SIGNATURE_TEXT_SIZE]; /* receipt, countersigned: base64url */
	int64_t amount_utok;		     /* countersigned, disputed */
	int64_t observed_utok;		     /* disputed */
	int64_t next_number;		     /* disputed: the number that home wants next; 0: not said */
	char next_previous[RAIN_SHA256_TEXT_SIZE]; /* … and its predecessor, "" for the first */
};

/* "ask", … ; NULL and -1 for what isn't one. */
const char *rain_message_name(enum rain_message_type type);
int rain_message_find(const char *name);

const char *rain_outcome_name(enum rain_outcome outcome);
/* RAIN_OUTCOME_NONE when there is no such name. */
enum rain_outcome rain_outcome_find(const char *name);
/* True when the run counts and may cost something. */
bool rain_outcome_is_final(enum rain_outcome outcome);

/* Makes the body of a message (a new reference). Only the fields of its type
 * are used. NULL with err when a field is out of bounds: nothing leaves here
 * that the other side would refuse. */
json_t *rain_message_encode(const struct rain_message *message, struct rain_error *err);

/* Reads a body. On success the caller releases *message. */
int rain_message_parse(enum rain_message_type type, const json_t *body,
		       struct rain_message *message, struct rain_error *err);

/* Frees what the message owns; an all-zero one is fine. */
void rain_message_release(struct rain_message *message);

/* --- pieces that the HTTP faces check too --- */

bool rain_uuid_is_valid(const char *text);
bool rain_sha256_is_valid(const char *text);

/* Relative, no "", ".", ".." or empty component, no control characters. */
bool rain_path_is_safe(const char *path);

/*
 * {script:{sha256,size}, args:[…], environment:{sha256,size},
 *  inputs:[{sha256,size}], stage_out:[pattern]}
 * Returns a new object with only these fields.
 */
json_t *rain_manifest_parse(const json_t *object, struct rain_error *err);

/* Calls visit for every blob a manifest or a list of outputs names, until it
 * returns non-zero, and returns that. */
typedef int (*rain_blob_visit)(void *arg, const char *sha256, int64_t size);
int rain_manifest_blobs(const json_t *manifest, rain_blob_visit visit, void *arg);
int rain_outputs_blobs(const json_t *outputs, rain_blob_visit visit, void *arg);

/* [{sha256,size,path}] under `key` of object (absent: empty): bundles, and the
 * directory of the job that each belongs into, "." itself by default. A new array. */
json_t *rain_outputs_parse(const json_t *object, const char *key, struct rain_error *err);

/* POST /v1/loans/<burst>/exit: how an agent's script ended. */
struct rain_exit_report {
	int64_t code;	/* 0 to 255; -1: none */
	int64_t signal; /* 0: none */
	int64_t stdout_bytes, stderr_bytes;
	bool terminated;    /* Slurm wanted it to end */
	const char *reason; /* why RAIN failed there, or ""; borrowed from the body */
	const char *agent;  /* borrowed from the body */
	json_t *outputs;    /* as rain_outputs_parse; the caller's */
};

/* -1 with err, and no outputs: something in the body is wrong. */
int rain_exit_report_parse(const json_t *body, struct rain_exit_report *report,
			   struct rain_error *err);

#endif
