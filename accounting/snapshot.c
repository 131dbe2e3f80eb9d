// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/snapshot.h"

#include <string.h>

#define MAGIC "RAINBAL"
#define RETIRED "RETIRED"
/* Tries of a reader that meets the writer, which needs microseconds. */
#define TRIES 8
/* Slots that are read at once. */
#define CHUNK 8

struct header {
	char magic[8];
	uint32_t version;
	uint32_t slots;
	uint64_t sequence;
	int64_t written_ms;
	char boot[RAIN_SNAPSHOT_BOOT_SIZE];
	uint32_t reserved;
};

_Static_assert(sizeof(struct header) == 72, "the layout is a contract");
_Static_assert(sizeof(struct rain_snapshot_entry) == 32, "the layout is a contract");

size_t rain_snapshot_slots(size_t entries)
{
	size_t slots = RAIN_SNAPSHOT_SLOTS_MIN;

	while (slots < entries * 2 && slots < RAIN_SNAPSHOT_SLOTS_MAX)
		slots *= 2;
	return slots;
}

size_t rain_snapshot_size(size_t slots)
{
	return sizeof(struct header) + slots * sizeof(struct rain_snapshot_entry);
}

static size_t slot_of(uint64_t key, size_t slots)
{
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (slots - 1);
}

void rain_snapshot_init(void *block, size_t slots, const char boot[static RAIN_SNAPSHOT_BOOT_SIZE])
{
	struct header *header = block;

	*header = (struct header){.magic = MAGIC, .version = RAIN_SNAPSHOT_VERSION,
				  .slots = (uint32_t)slots, .written_ms = INT64_MIN};
	memcpy(header->boot, boot, RAIN_SNAPSHOT_BOOT_SIZE);
}

/* Ours, and as large as it says. */
static bool is_whole(const struct header *header, size_t size, const char *boot)
{
	return memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 &&
	       header->version == RAIN_SNAPSHOT_VERSION &&
	       header->slots >= RAIN_SNAPSHOT_SLOTS_MIN &&
	       header->slots <= RAIN_SNAPSHOT_SLOTS_MAX &&
	       (header->slots & (header->slots - 1)) == 0 &&
	       size == rain_snapshot_size(header->slots) &&
	       memcmp(header->boot, boot, RAIN_SNAPSHOT_BOOT_SIZE) == 0;
}

bool rain_snapshot_fits(const void *block, size_t size, size_t entries,
			const char boot[static RAIN_SNAPSHOT_BOOT_SIZE])
{
	return size >= sizeof(struct header) && is_whole(block, size, boot) &&
	       ((const struct header *)block)->slots >= rain_snapshot_slots(entries);
}

static void put(struct rain_snapshot_entry *slots, size_t count,
		const struct rain_snapshot_entry *entry)
{
	size_t i = slot_of(entry->key, count);

	while (slots[i].key && slots[i].key != entry->key)
		i = (i + 1) & (count - 1);
	slots[i] = *entry;
}

int rain_snapshot_write(void *block, const struct rain_snapshot_entry *entries, size_t count,
			int64_t now_ms)
{
	struct header *header = block;
	struct rain_snapshot_entry *slots = (void *)(header + 1);
	uint64_t sequence = __atomic_load_n(&header->sequence, __ATOMIC_RELAXED);

	if (count >= header->slots)
		return -1;
	/* A writer that died in the middle has left it odd. */
	sequence |= 1;
	__atomic_store_n(&header->sequence, sequence, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memset(slots, 0, header->slots * sizeof(*slots));
	for (size_t i = 0; i < count; i++)
		put(slots, header->slots, &entries[i]);
	header->written_ms = now_ms;
	__atomic_store_n(&header->sequence, sequence + 1, __ATOMIC_RELEASE);
	return 0;
}

void rain_snapshot_retire(void *block)
{
	memcpy(block, RETIRED, sizeof(RETIRED));
}

static int copy_header(const struct rain_snapshot *snapshot, struct header *header)
{
	int rc;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	rc = snapshot->copy(header, snapshot->block, sizeof(*header));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return rc;
}

/* Probes chunk by chunk. 1 found, 0 absent, -1 unreadable. What it finds while
 * somebody writes is nonsense, but it ends: each slot is read at most once. */
static int probe(const struct rain_snapshot *snapshot, size_t slots, uint64_t key,
		 struct rain_snapshot_entry *entry)
{
	const struct rain_snapshot_entry *table =
		(const void *)((const char *)snapshot->block + sizeof(struct header));
	size_t at = slot_of(key, slots);

	for (size_t done = 0; done < slots;) {
		struct rain_snapshot_entry chunk[CHUNK];
		size_t n = slots - at < CHUNK ? slots - at : CHUNK;

		if (snapshot->copy(chunk, table + at, n * sizeof(*table)) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			if (!chunk[i].key)
				return 0;
			if (chunk[i].key == key) {
				*entry = chunk[i];
				return 1;
			}
		}
		done += n;
		at = (at + n) & (slots - 1);
	}
	return 0;
}

enum rain_snapshot_answer rain_snapshot_find(const struct rain_snapshot *snapshot, uint64_t key,
					     int64_t now_ms, struct rain_snapshot_entry *entry)
{
	for (int i = 0; i < TRIES; i++) {
		struct header before, after;
		struct rain_snapshot_entry seen;
		int found;

		if (snapshot->size < sizeof(before) || copy_header(snapshot, &before) < 0 ||
		    !is_whole(&before, snapshot->size, snapshot->boot))
			return RAIN_SNAPSHOT_GONE;
		if (before.sequence & 1)
			continue;
		/* From the future: not of this clock. */
		if (before.written_ms > now_ms ||
		    before.written_ms < now_ms - RAIN_SNAPSHOT_STALE_MS)
			return RAIN_SNAPSHOT_GONE;
		found = probe(snapshot, before.slots, key, &seen);
		if (found < 0 || copy_header(snapshot, &after) < 0)
			return RAIN_SNAPSHOT_GONE;
		if (after.sequence != before.sequence)
			continue;
		if (!found)
			return RAIN_SNAPSHOT_UNKNOWN;
		*entry = seen;
		return RAIN_SNAPSHOT_KNOWN;
	}
	return RAIN_SNAPSHOT_UNKNOWN;
}
