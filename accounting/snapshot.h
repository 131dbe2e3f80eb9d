/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_H
#define RAIN_ACCOUNTING_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A table of numbers (balances of users, predictions of run times) as one block of
 * shared memory: written by rain-ledgerd, read by plugins inside slurmctld without
 * waiting for anybody.  Pure: the block, the clock and the way to read come in.
 *
 *   header   magic, format version, number of slots, sequence, time, boot id
 *   slots    a hash table (open addressing; a power of two)
 *
 * The sequence is odd while the block is being written.  A reader that sees it
 * odd or changed tries again a few times and then does without.  Whatever is
 * stale, torn, foreign or missing means "not known", never 0.
 */
#define RAIN_SNAPSHOT_VERSION 2
#define RAIN_SNAPSHOT_SLOTS_MIN 1024
#define RAIN_SNAPSHOT_SLOTS_MAX (1024 * 1024)
#define RAIN_SNAPSHOT_BOOT_SIZE 36 /* of /proc/sys/kernel/random/boot_id */
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

/* True when `block` can be written on: whole, of this version and boot, not
 * retired, with room for so many entries. */
bool rain_snapshot_fits(const void *block, size_t size, size_t entries,
			const char boot[static RAIN_SNAPSHOT_BOOT_SIZE]);

/* Replaces all entries. `now_ms` is of the monotonic clock. -1 when they are too
 * many for the block, which then stays as it was. */
int rain_snapshot_write(void *block, const struct rain_snapshot_entry *entries, size_t count,
			int64_t now_ms);

/* Tells readers that another block has taken this one's place. */
void rain_snapshot_retire(void *block);

enum rain_snapshot_answer {
	RAIN_SNAPSHOT_KNOWN,
	RAIN_SNAPSHOT_UNKNOWN, /* being written, or without this key */
	RAIN_SNAPSHOT_GONE,    /* stale, unreadable, foreign or retired: look for another */
};

/* Copies `size` bytes; -1 when they can't be read. */
typedef int (*rain_snapshot_copy)(void *to, const void *from, size_t size);

struct rain_snapshot {
	const void *block;
	size_t size;
	rain_snapshot_copy copy;
	char boot[RAIN_SNAPSHOT_BOOT_SIZE];
};

/* Looks a key up. Never waits. *entry is written when KNOWN. */
enum rain_snapshot_answer rain_snapshot_find(const struct rain_snapshot *snapshot, uint64_t key,
					     int64_t now_ms, struct rain_snapshot_entry *entry);

#endif
