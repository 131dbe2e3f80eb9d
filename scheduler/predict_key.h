/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_PREDICT_KEY_H
#define RAIN_SCHEDULER_PREDICT_KEY_H

#include <stdint.h>

/* Under which number who predicts and who looks it up mean the same jobs.  Pure. */

#define RAIN_PREDICT_HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static inline uint64_t rain_predict_hash(uint64_t hash, const void *data, uint64_t size)
{
	for (const unsigned char *at = data, *end = at + size; at < end; at++)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash;
}

/* Of a user's jobs of that name (rain_predict_name) and size; name 0: of any name; procs 0: of any size
 * and name.  Never 0. */
static inline uint64_t rain_predict_key(uint32_t uid, uint64_t name, int32_t procs)
{
	const uint64_t parts[] = {uid, name, (uint64_t)procs};

	return rain_predict_hash(RAIN_PREDICT_HASH_START, parts, sizeof parts) | 1;
}

#endif
