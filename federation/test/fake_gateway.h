/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_TEST_FAKE_GATEWAY_H
#define RAIN_FEDERATION_TEST_FAKE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

/* A gateway of one burst, for the tests of rain-relay and rain-agent: both
 * faces (job side, agent side) on one Unix socket and, when there is a port,
 * on TCP; no peers, no database. Blobs are files in `directory`. */
struct fake_gateway;

struct fake_gateway *fake_gateway_start(const char *socket_path, const char *host, int port,
					const char *directory);
void fake_gateway_stop(struct fake_gateway *gateway); /* what it knows stays … */
void fake_gateway_resume(struct fake_gateway *gateway); /* … for the next start */
void fake_gateway_destroy(struct fake_gateway *gateway);

/* Each n-th request is cut off in the middle (0: none). */
void fake_gateway_set_faults(struct fake_gateway *gateway, unsigned int each);
/* The blob of this name (borrowed) can't be had now: 503. */
void fake_gateway_set_busy(struct fake_gateway *gateway, const char *sha256);
/* The state that the job side shows. */
void fake_gateway_set_state(struct fake_gateway *gateway, const char *state);
/* Bytes that came by PUT of blobs, and requests for signals. */
int64_t fake_gateway_uploaded(struct fake_gateway *gateway);
/* Waits until the burst is "delivered". */
bool fake_gateway_wait_delivered(struct fake_gateway *gateway, int ms);
bool fake_gateway_has_inputs(struct fake_gateway *gateway);
/* The last signal that the job side has passed on; 0: none. */
int fake_gateway_signal(struct fake_gateway *gateway);

#endif
