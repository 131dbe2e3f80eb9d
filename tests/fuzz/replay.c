// SPDX-License-Identifier: GPL-2.0-or-later
/* A fuzz target without libFuzzer, for `make check`: every file of a corpus as
 * it is, and mutants of each that are the same every time.
 *   replay_NAME CORPUS [MUTANTS-OF-EACH] */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 256
#define SIZE_MAX_EACH 65536
#define GROWTH 256
#define CHANGES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[FILES_MAX];
static size_t seed_count;
static uint64_t state = 0x9e3779b97f4a7c15;

/* xorshift64*: below `bound`. */
static size_t pick(size_t bound)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (size_t)((state * 0x2545f4914f6cdd1d) >> 33) % bound;
}

static int seed_add(const char *directory, const char *name)
{
	struct seed *seed = &seeds[seed_count];
	char path[512];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	file = fopen(path, "rb");
	seed->data = malloc(SIZE_MAX_EACH);
	if (!file || !seed->data || seed_count == FILES_MAX - 1) {
		fprintf(stderr, "can't take %s\n", path);
		return -1;
	}
	seed->size = fread(seed->data, 1, SIZE_MAX_EACH, file);
	fclose(file);
	seed_count++;
	return 0;
}

static size_t change(uint8_t *data, size_t size)
{
	static const char *const words[] = {"null", "-1", "9223372036854775808", "../", "\xff",
					    "{}", "[]", "\"", ":", "1e400"};
	size_t at = pick(size + 1), count;
	const struct seed *other;

	switch (size ? pick(6) : 4) {
	case 0:
		data[pick(size)] ^= (uint8_t)(1 << pick(8));
		return size;
	case 1:
		data[pick(size)] = (uint8_t)pick(256);
		return size;
	case 2:
		return at; /* cut */
	case 3:
		count = pick(size - at + 1);
		memmove(data + at, data + at + count, size - at - count);
		return size - count;
	case 4:
		count = pick(sizeof words / sizeof *words);
		memmove(data + at + strlen(words[count]), data + at, size - at);
		memcpy(data + at, words[count], strlen(words[count]));
		return size + strlen(words[count]);
	default:
		other = &seeds[pick(seed_count)];
		count = pick(other->size < 16 ? other->size + 1 : 16);
		if (count > size - at)
			count = size - at;
		memcpy(data + at, other->data, count);
		return size;
	}
}

/* In memory of exactly its size, so that a sanitizer sees the first byte beyond. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char *argv[])
{
	size_t mutants = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct dirent **names;
	int count = argc > 1 ? scandir(argv[1], &names, NULL, alphasort) : -1;
	uint8_t *data = malloc(SIZE_MAX_EACH + GROWTH);

	if (count < 0 || !data) {
		fprintf(stderr, "Usage: %s CORPUS [MUTANTS-OF-EACH]\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.' && seed_add(argv[1], names[i]->d_name))
			return 1;
		free(names[i]);
	}
	free(names);
	if (seed_count == 0) {
		fprintf(stderr, "%s is empty\n", argv[1]);
		return 1;
	}
	for (size_t i = 0; i < seed_count; i++) {
		run(seeds[i].data, seeds[i].size);
		for (size_t j = 0; j < mutants; j++) {
			size_t size = seeds[i].size;

			memcpy(data, seeds[i].data, size);
			for (size_t n = 1 + pick(CHANGES_MAX); n > 0; n--)
				size = change(data, size);
			run(data, size);
		}
	}
	free(data);
	printf("%zu inputs\n", seed_count * (1 + mutants));
	return 0;
}
