/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_MIGRATIONS_H
#define RAIN_ACCOUNTING_MIGRATIONS_H

#include <stddef.h>

#include "common/error.h"

/* The numbered migrations of a directory, and what of them a database needs. */

#define RAIN_MIGRATION_SIZE_MAX (4 * 1024 * 1024)
#define RAIN_MIGRATION_NAME_MAX 80
#define RAIN_MIGRATIONS_MAX 1000

struct rain_migration {
	int number;
	char name[RAIN_MIGRATION_NAME_MAX]; /* "0001-ledger" */
	char sha256[65];		    /* of the file, in hex */
	char *sql;			    /* NULL for what a database tells of itself */
};

struct rain_migrations {
	struct rain_migration *list; /* by number, ascending */
	size_t count;
};

/* Reads NNNN-name.sql files (other names are ignored). -1 with err when one
 * can't be read, two share a number, or there is none. */
int rain_migrations_load(struct rain_migrations *files, const char *directory,
			 struct rain_error *err);

/* Appends one; name, sha256 and sql (may be NULL) are copied. */
int rain_migrations_add(struct rain_migrations *migrations, const char *name, const char *sha256,
			const char *sql, struct rain_error *err);

void rain_migrations_release(struct rain_migrations *migrations);

/* Pure.  Compares what a database has (ascending) with the files: from
 * files->list[*first] on all are to be applied.  -1 with err when the database
 * is newer, an applied file changed or is missing, or a new file has a number
 * below one that is applied. */
int rain_migrations_plan(const struct rain_migrations *files,
			 const struct rain_migrations *applied, size_t *first,
			 struct rain_error *err);

#endif
