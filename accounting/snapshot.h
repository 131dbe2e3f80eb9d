/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_H
#define RAIN_ACCOUNTING_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A table of numbers (balances of users, predictions of run times) as one block of
 * shared memory: written by rain-ledgerd, copied by plugins inside slurmctld without
 * waiting for anybody.  Pure: the block and the clock come in.
 *
 *   header   magic, format version, number of slots, sequence, time, boot id
 *   slots    a hash table (open addressing; a power of two)
 *
 * The sequence is odd while the block is being written.  A copy is good when the
 * header is the same before and after, and the sequence even.  Whatever is
 * stale, torn, foreign or missing means "not known", never 0.
 */
#define RAIN_SNAPSHOT_VERSION 2
#define RAIN_SNAPSHOT_SLOTS_MIN 1024
#define RAIN_SNAPSHOT_SLOTS_MAX (1024 * 1024)
#define RAIN_SNAPSHOT_BOOT_SIZE 36 /* of /proc/sys/kernel/random/boot_id */
#define RAIN_SNAPSHOT_HEADER_SIZE 72
/* A block that nobody renewed for so long tells nothing. */
#define RAIN_SNAPSHOT_STALE_MS 15000

struct rain_snapshot_entry {
	uint64_t key; /* never 0: that is a free slot */
	union {
		struct {
			int64_t balance_utok, held_utok, available_utok;
		};
		struct {
			int64_t expected_s, high_s, samples;
		};
	};
};

/* The key of a user's balance. */
static inline uint64_t rain_snapshot_user(uid_t uid)
{
	return (uint64_t)1 << 32 | (uint32_t)uid;
}

/* How many slots `entries` need so that lookups stay short. */
size_t rain_snapshot_slots(size_t entries);

/* Bytes of a block with so many slots. */
size_t rain_snapshot_size(size_t slots);

/* Makes an empty block of rain_snapshot_size(slots) zeroed bytes, which is stale
 * until it is written. `boot` is the boot id, so that a block of an earlier boot
 * (another clock) is known as such. */
void rain_snapshot_init(void *block, size_t slots, const char boot[static RAIN_SNAPSHOT_BOOT_SIZE]);

/* True when `block` can be written on: whole, of this version and boot, with room
 * for so many entries. */
bool rain_snapshot_fits(const void *block, size_t size, size_t entries,
			const char boot[static RAIN_SNAPSHOT_BOOT_SIZE]);

/* Replaces all entries. `now_ms` is of the monotonic clock. -1 when they are too
 * many for the block, which then stays as it was. */
int rain_snapshot_write(void *block, const struct rain_snapshot_entry *entries, size_t count,
			int64_t now_ms);

/* True when a block of `size` bytes that begins with this header is whole, of this
 * version and boot, and not being written. */
bool rain_snapshot_settled(const void *header, size_t size, const char boot[static RAIN_SNAPSHOT_BOOT_SIZE]);

/* Looks a key up in a settled block that nobody writes to. True when *entry is
 * written; false also for all keys of a block that is stale. */
bool rain_snapshot_find(const void *block, uint64_t key, int64_t now_ms, struct rain_snapshot_entry *entry);

#endif
