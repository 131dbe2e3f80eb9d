/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_FACES_H
#define RAIN_FEDERATION_FACES_H

#include "federation/mind.h"

/* The HTTP faces of the mind: routes in faces.c, handlers in job_face.c
 * (rain-relay), agent_face.c (rain-agent) and faces.c (peers). */

/* --- faces.c: what they share --- */

/* ?after=N of a stream whose {name} is in the path. -1: answered. */
int rain_face_stream_args(struct rain_http_request *request, int64_t *after, char *name, size_t size);
/* ?wait=S, 0 when absent or wrong. */
int64_t rain_face_wait(const struct rain_http_request *request);
/* True when the list names the blob. */
bool rain_face_names(const json_t *blobs, const char *sha256);
/* HEAD before an upload: 200 only to an owner of the blob, else where to go on. */
void rain_face_upload_head(struct rain_gateway *gateway, struct rain_http_request *request,
			   const char *sha256, const char *owner);
/* GET ?bytes=N before an upload: whether there is room for so much. */
void rain_face_upload_room(struct rain_gateway *gateway, struct rain_http_request *request,
			   const char *owner);
/* Answers with what rain_stream_write() has returned, and the stream's size now. */
void rain_face_stream_reply(struct rain_http_request *request, int result, int64_t now,
			    const struct rain_error *err);
/* Takes the body as a piece of a stream at ?offset=N; answers.  Returns the
 * size of the stream now, or -1. */
int64_t rain_face_stream_put(struct rain_gateway *gateway, struct rain_http_request *request,
			     bool is_loan, const char *id);

/* --- job_face.c --- */
void rain_job_get(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_inputs(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_signal(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_delivered(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_stream(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_output(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_blob_get(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_blob_begin(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_blob_end(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_job_blob_room(struct rain_gateway *gateway, struct rain_http_request *request);

/* --- agent_face.c --- */
void rain_agent_get(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_started(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_exit(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_signals_get(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_stream_take(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_blob_give(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_blob_begin(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_blob_room(struct rain_gateway *gateway, struct rain_http_request *request);

void rain_job_input(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_agent_input(struct rain_gateway *gateway, struct rain_http_request *request);

/* stream_input.c: stdin, on its way from rain-relay … */
void rain_face_relay_input(struct rain_gateway *gateway, struct rain_http_request *request,
			   struct rain_live_burst *burst);
/* … to the lender, brought or fetched, … */
void rain_face_home_input(struct rain_gateway *gateway, struct rain_http_request *request,
			  struct rain_live_loan *loan);
void rain_face_lender_input(struct rain_gateway *gateway, struct rain_http_request *request,
			    struct rain_live_burst *burst);
/* … and to rain-agent. */
void rain_face_agent_input(struct rain_gateway *gateway, struct rain_http_request *request,
			   struct rain_live_loan *loan);

#endif
