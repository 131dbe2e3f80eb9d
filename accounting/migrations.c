// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/migrations.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define SUFFIX ".sql"

/* "0001-ledger" -> 1; 0 when it is no name of a migration. */
static int number_of(const char *name)
{
	int number = 0;

	for (int i = 0; i < 4; i++) {
		if (!isdigit((unsigned char)name[i]))
			return 0;
		number = number * 10 + (name[i] - '0');
	}
	if (name[4] != '-' || !isalnum((unsigned char)name[5]))
		return 0;
	return strlen(name) < RAIN_MIGRATION_NAME_MAX ? number : 0;
}

int rain_migrations_add(struct rain_migrations *migrations, const char *name, const char *sha256,
			const char *sql, struct rain_error *err)
{
	struct rain_migration *longer, *added;

	if (number_of(name) == 0)
		return rain_error_set(err, "\"%.80s\" is no name of a migration (NNNN-name)", name);
	if (migrations->count >= RAIN_MIGRATIONS_MAX)
		return rain_error_set(err, "more than %d migrations", RAIN_MIGRATIONS_MAX);
	longer = realloc(migrations->list, (migrations->count + 1) * sizeof(*longer));
	if (!longer)
		return rain_error_set(err, "no memory for migrations");
	migrations->list = longer;
	added = &longer[migrations->count];
	*added = (struct rain_migration){.number = number_of(name)};
	snprintf(added->name, sizeof(added->name), "%s", name);
	snprintf(added->sha256, sizeof(added->sha256), "%s", sha256);
	if (sql && !(added->sql = strdup(sql)))
		return rain_error_set(err, "no memory for migrations");
	migrations->count++;
	return 0;
}

void rain_migrations_release(struct rain_migrations *migrations)
{
	for (size_t i = 0; i < migrations->count; i++)
		free(migrations->list[i].sql);
	free(migrations->list);
	*migrations = (struct rain_migrations){0};
}

static int load_one(struct rain_migrations *files, const char *directory, const char *file,
		    struct rain_error *err)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char path[PATH_MAX], name[RAIN_MIGRATION_NAME_MAX], hex[sizeof(digest) * 2 + 1];
	size_t size;
	char *sql;
	int rc;

	if (snprintf(path, sizeof(path), "%s/%s", directory, file) >= (int)sizeof(path))
		return rain_error_set(err, "the path of %s is too long", file);
	sql = rain_file_read(path, RAIN_MIGRATION_SIZE_MAX, &size, err);
	if (!sql)
		return -1;
	crypto_hash_sha256(digest, (const unsigned char *)sql, size);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
	if (strlen(sql) != size)
		rc = rain_error_set(err, "%s is no text", path);
	else
		rc = rain_migrations_add(files, name, hex, sql, err);
	free(sql);
	return rc;
}

static bool is_migration_file(const char *file)
{
	size_t length = strlen(file);

	return length > strlen(SUFFIX) && strcmp(file + length - strlen(SUFFIX), SUFFIX) == 0 &&
	       number_of(file) != 0;
}

static int compare(const void *a, const void *b)
{
	const struct rain_migration *left = a, *right = b;

	return left->number - right->number;
}

int rain_migrations_load(struct rain_migrations *files, const char *directory,
			 struct rain_error *err)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int rc = 0;

	*files = (struct rain_migrations){0};
	if (!stream)
		return rain_error_set(err, "can't read the directory %s: %s", directory,
				      strerror(errno));
	while (rc == 0 && (errno = 0, entry = readdir(stream)))
		if (is_migration_file(entry->d_name))
			rc = load_one(files, directory, entry->d_name, err);
	if (rc == 0 && errno != 0)
		rc = rain_error_set(err, "can't read the directory %s: %s", directory,
				    strerror(errno));
	closedir(stream);
	if (rc == 0 && files->count == 0)
		rc = rain_error_set(err, "there is no migration (NNNN-name.sql) in %s", directory);
	if (files->count > 0)
		qsort(files->list, files->count, sizeof(*files->list), compare);
	for (size_t i = 1; rc == 0 && i < files->count; i++)
		if (files->list[i].number == files->list[i - 1].number)
			rc = rain_error_set(err, "two migrations have the same number: %s and %s",
					    files->list[i - 1].name, files->list[i].name);
	if (rc < 0)
		rain_migrations_release(files);
	return rc;
}

int rain_migrations_plan(const struct rain_migrations *files,
			 const struct rain_migrations *applied, size_t *first,
			 struct rain_error *err)
{
	int newest = files->count > 0 ? files->list[files->count - 1].number : 0;

	for (size_t i = 0; i < applied->count; i++) {
		const struct rain_migration *was = &applied->list[i];
		const struct rain_migration *file = i < files->count ? &files->list[i] : NULL;

		if (was->number > newest)
			return rain_error_set(err, "the database is newer than this RAIN: it has "
					      "migration %s, the newest file is number %04d; "
					      "upgrade RAIN", was->name, newest);
		if (!file || file->number > was->number)
			return rain_error_set(err, "the file of migration %s, which the database "
					      "has, is missing", was->name);
		if (file->number < was->number)
			return rain_error_set(err, "migration %s was left out: the database has the "
					      "later %s already", file->name, was->name);
		if (strcmp(file->name, was->name) != 0 || strcmp(file->sha256, was->sha256) != 0)
			return rain_error_set(err, "migration %s is not the file that the database "
					      "was made with: it was changed afterwards", was->name);
	}
	*first = applied->count;
	return 0;
}
