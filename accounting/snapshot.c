// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/snapshot.h"

#include <string.h>

#define MAGIC "RAINBAL"

struct header {
	char magic[8];
	uint32_t version;
	uint32_t slots;
	uint64_t sequence;
	int64_t written_ms;
	char boot[RAIN_SNAPSHOT_BOOT_SIZE];
	uint32_t reserved;
};

_Static_assert(sizeof(struct header) == RAIN_SNAPSHOT_HEADER_SIZE, "the layout is a contract");
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

bool rain_snapshot_settled(const void *header, size_t size, const char boot[static RAIN_SNAPSHOT_BOOT_SIZE])
{
	return size >= sizeof(struct header) && is_whole(header, size, boot) &&
	       !(((const struct header *)header)->sequence & 1);
}

bool rain_snapshot_find(const void *block, uint64_t key, int64_t now_ms, struct rain_snapshot_entry *entry)
{
	const struct header *header = block;
	const struct rain_snapshot_entry *slots = (const void *)(header + 1);
	size_t at = slot_of(key, header->slots);

	/* From the future: not of this clock. */
	if (header->written_ms > now_ms || header->written_ms < now_ms - RAIN_SNAPSHOT_STALE_MS)
		return false;
	/* Foreign bytes may leave no slot free: it ends all the same. */
	for (size_t done = 0; done < header->slots && slots[at].key; done++) {
		if (slots[at].key == key) {
			*entry = slots[at];
			return true;
		}
		at = (at + 1) & (header->slots - 1);
	}
	return false;
}
