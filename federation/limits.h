/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LIMITS_H
#define RAIN_FEDERATION_LIMITS_H

/*
 * Every bound of the gateway on what comes from outside: sizes in bytes,
 * counts, times in the unit that the name says.  An error that a bound causes
 * names the bound's meaning and its value.  doc/protocol.txt repeats those
 * that a peer must know.
 */

/* Identities, invitations, cards. */
#define RAIN_LIMIT_INVITATION_LINE 2048	  /* the whole line */
#define RAIN_LIMIT_ADDRESSES 8		  /* of one cluster */
#define RAIN_LIMIT_ADDRESS_LENGTH 262	  /* "[host]:port" */
#define RAIN_LIMIT_INVITATION_VALID_S (30 * 24 * 3600)
#define RAIN_LIMIT_INVITATION_VALID_DEFAULT_S 3600
#define RAIN_LIMIT_INVITATIONS_OPEN 64	  /* per cluster at a time */
#define RAIN_LIMIT_CARD 16384
#define RAIN_LIMIT_PROTOCOL_VERSIONS 16
#define RAIN_LIMIT_SOFTWARE_LENGTH 64
#define RAIN_LIMIT_PEERS 256
#define RAIN_LIMIT_JOIN_MS 20000	  /* one try of POST /v1/join */

/* HTTP, both as server and as client. */
#define RAIN_LIMIT_HTTP_HEADERS 16384	  /* request line and headers */
#define RAIN_LIMIT_HTTP_PEER_MEMORY 65536  /* of a connection, buffers and headers */
#define RAIN_LIMIT_HTTP_LOCAL_MEMORY 32768
#define RAIN_LIMIT_HTTP_PATH 512
#define RAIN_LIMIT_HTTP_PARAMS 4	  /* {names} in a route */
#define RAIN_LIMIT_HTTP_PARAM_LENGTH 128
#define RAIN_LIMIT_HTTP_JSON_BODY 1048576
#define RAIN_LIMIT_HTTP_IDLE_S 30	  /* silence on a connection, handshake included */
#define RAIN_LIMIT_HTTP_HANDSHAKE_MS 10000
#define RAIN_LIMIT_HTTP_STRANGERS 128	  /* connections whose handshake isn't done */
#define RAIN_LIMIT_HTTP_KEEP_ALIVE_S 25	  /* our client's idle connections: less than the server's */
#define RAIN_LIMIT_HTTP_WAIT_S 60	  /* the longest long poll */
#define RAIN_LIMIT_HTTP_PEER_CONNECTIONS 256   /* of the face for peers */
#define RAIN_LIMIT_HTTP_PEER_CONNECTIONS_EACH 64 /* per peer, after the handshake */
#define RAIN_LIMIT_HTTP_PEER_CONNECTIONS_ADDRESS 96 /* per address, before it */
#define RAIN_LIMIT_HTTP_JOB_CONNECTIONS 2048
#define RAIN_LIMIT_HTTP_JOB_CONNECTIONS_EACH 1024 /* per uid */
#define RAIN_LIMIT_HTTP_AGENT_CONNECTIONS 1024
#define RAIN_LIMIT_HTTP_AGENT_CONNECTIONS_EACH 512 /* per address */
#define RAIN_LIMIT_HTTP_CONNECT_MS 5000
#define RAIN_LIMIT_HTTP_LINK_DEAD_MS 15000 /* no sign of life from the other end's system */
#define RAIN_LIMIT_HTTP_CONTROL_CONNECTIONS_EACH 4 /* ours to one peer: messages, joins */
#define RAIN_LIMIT_HTTP_BULK_CONNECTIONS_EACH 24   /* ours to one peer: blobs, streams */
#define RAIN_LIMIT_HTTP_STALL_S 30	  /* a transfer slower than 1 KiB/s this long is cut */
#define RAIN_LIMIT_HTTP_TRANSFERS 1024	  /* of our client, under way or waiting */
#define RAIN_LIMIT_MUNGE_CREDENTIAL 4096

/* Mailbox. */
#define RAIN_LIMIT_MESSAGE_BODY 65536	  /* one message, canonical JSON */
#define RAIN_LIMIT_MESSAGE_RETURNED 32768 /* a refused body that is sent back */
#define RAIN_LIMIT_MESSAGE_TYPE 32
#define RAIN_LIMIT_MESSAGE_BATCH 64	  /* messages in one request or answer */
#define RAIN_LIMIT_MESSAGE_BATCH_BYTES 262144 /* a batch ends with the message that passes this */
#define RAIN_LIMIT_MESSAGE_ENVELOPE 524288 /* the whole body of POST /v1/messages */
#define RAIN_LIMIT_MESSAGE_SEQ INT64_C(9007199254740991) /* 2^53 - 1: exact in every JSON */
#define RAIN_LIMIT_OUTBOX 100000	  /* messages that wait for one peer */
#define RAIN_LIMIT_POLL_WAIT_S 50	  /* the wait that we ask for */
#define RAIN_LIMIT_HEARTBEAT_S 30	  /* between two signs of life to a peer that we can dial */
#define RAIN_LIMIT_CLOCK_MS 30000	  /* clocks of peers that differ by more are told: twice what a
					   * message may be under way on a link that isn't dead */
#define RAIN_LIMIT_RETRY_MIN_MS 250
#define RAIN_LIMIT_RETRY_MAX_MS 10000

/* Blobs. */
#define RAIN_LIMIT_BLOB (INT64_C(1) << 40)	       /* one blob: 1 TiB */
#define RAIN_LIMIT_BLOB_CALLER_BYTES (INT64_C(64) << 30) /* of one peer or one user: 64 GiB */
#define RAIN_LIMIT_BLOB_TOTAL_BYTES (INT64_C(256) << 30) /* of the store */
#define RAIN_LIMIT_BLOB_FREE_BYTES (INT64_C(256) << 20)  /* kept free on the file system */
#define RAIN_LIMIT_BLOB_PARTIAL_AGE_S (24 * 3600)	 /* an upload without progress is removed */
#define RAIN_LIMIT_BLOB_AGE_S (14 * 24 * 3600)		 /* a blob that nobody used is removed */
#define RAIN_LIMIT_BLOB_RETRIES 8			 /* tries in a row without progress */

/* Streams. */
#define RAIN_LIMIT_STREAM_BYTES (INT64_C(4) << 30)	 /* stdin, stdout or stderr of one job */
#define RAIN_LIMIT_INPUT_AHEAD (INT64_C(8) << 20)	 /* of stdin that the next gateway hasn't taken */

/* Store (PostgreSQL). */
#define RAIN_LIMIT_STORE_CONNECT_S 3
#define RAIN_LIMIT_STORE_STATEMENT_MS 5000
#define RAIN_LIMIT_STORE_GRACE_MS 1000	  /* beyond it the server counts as hung */
#define RAIN_LIMIT_STORE_LOCK_MS 2000
#define RAIN_LIMIT_STORE_TRIES 5	  /* of a transaction that others made fail */
#define RAIN_LIMIT_STORE_RETRY_MS 1000	  /* between attempts to connect again */
#define RAIN_LIMIT_STORE_PARAMS 24

#endif
