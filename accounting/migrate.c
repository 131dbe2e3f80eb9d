// SPDX-License-Identifier: GPL-2.0-or-later
/* rain-migrate: makes RAIN's database and brings its schema up to date. */
#include <getopt.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/migrations.h"
#include "common/cli.h"
#include "rain_config.h"

#define DATABASE_DEFAULT "dbname=rain"
/* Advisory lock, taken in the maintenance database: any number that is ours. */
#define LOCK "7246001"
#define PARAMS_MAX 64

static const char help[] =
	"Usage: rain migrate [OPTION]...\n"
	"Makes RAIN's database and roles where they are missing and applies the\n"
	"migrations that it lacks. Run it as the user postgres:\n"
	"\n"
	"  runuser -u postgres -- rain migrate\n"
	"\n"
	"  -D, --database CONNINFO  libpq connection string of a superuser (default:\n"
	"                           \"" DATABASE_DEFAULT "\")\n"
	"  -s, --sql-dir DIR        migrations (default: " RAIN_SQLDIR ")\n"
	"  -a, --accept-guards      take the triggers, constraints and rights that are\n"
	"                           there for those that should be (after an upgrade of\n"
	"                           PostgreSQL, when rain audit names them)\n"
	"  -h, --help               show this text\n"
	"  -V, --version            show the version\n"
	"\n"
	"Exit codes: 0 up to date, 1 refused or failed, 2 wrong usage, 3 PostgreSQL\n"
	"can't be reached.\n";

struct migrate {
	const char *conninfo, *sql_directory;
	char *database; /* its name */
	PGconn *server; /* to the maintenance database, holds the lock */
	PGconn *target; /* to RAIN's own */
	struct rain_migrations files, applied;
	bool accept_guards;
	bool unreachable;
};

static int fail_with(struct rain_error *err, const char *what, const char *message)
{
	return rain_error_set(err, "%s: %.*s", what, (int)strcspn(message, "\n"), message);
}

/* Runs SQL; the caller clears the result. NULL with err. */
static PGresult *run(PGconn *connection, const char *what, const char *sql, const char *param,
		     struct rain_error *err)
{
	PGresult *result = param ? PQexecParams(connection, sql, 1, NULL, &param, NULL, NULL, 0)
				 : PQexec(connection, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return result;
	fail_with(err, what, PQresultErrorMessage(result)[0] ? PQresultErrorMessage(result)
							     : PQerrorMessage(connection));
	PQclear(result);
	return NULL;
}

static int run_only(PGconn *connection, const char *what, const char *sql, struct rain_error *err)
{
	PGresult *result = run(connection, what, sql, NULL, err);

	PQclear(result);
	return result ? 0 : -1;
}

/* Whether `sql` with $1 = param has a row. -1 with err. */
static int exists(PGconn *connection, const char *sql, const char *param, struct rain_error *err)
{
	PGresult *result = run(connection, "can't look into the catalog", sql, param, err);
	int found = result ? PQntuples(result) > 0 : -1;

	PQclear(result);
	return found;
}

/* Connects as --database says, but to the database `name`. */
static PGconn *connect_to(struct migrate *migrate, const char *name, struct rain_error *err)
{
	const char *keywords[PARAMS_MAX + 1], *values[PARAMS_MAX + 1];
	PQconninfoOption *options = PQconninfoParse(migrate->conninfo, NULL);
	PGconn *connection = NULL;
	size_t count = 0;

	for (PQconninfoOption *o = options; o && o->keyword && count < PARAMS_MAX - 1; o++) {
		if (!o->val || strcmp(o->keyword, "dbname") == 0)
			continue;
		keywords[count] = o->keyword;
		values[count++] = o->val;
	}
	keywords[count] = "dbname";
	values[count++] = name;
	keywords[count] = values[count] = NULL;
	if (options)
		connection = PQconnectdbParams(keywords, values, 0);
	PQconninfoFree(options);
	if (PQstatus(connection) == CONNECTION_OK)
		return connection;
	fail_with(err, "PostgreSQL can't be reached",
		  connection ? PQerrorMessage(connection) : "no memory");
	migrate->unreachable = true;
	PQfinish(connection);
	return NULL;
}

/* The database's name in --database. */
static int read_database_name(struct migrate *migrate, struct rain_error *err)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(migrate->conninfo, &why);

	if (!options) {
		fail_with(err, "--database is no connection string", why ? why : "no memory");
		PQfreemem(why);
		return -1;
	}
	for (PQconninfoOption *o = options; o->keyword; o++)
		if (strcmp(o->keyword, "dbname") == 0 && o->val)
			migrate->database = strdup(o->val);
	PQconninfoFree(options);
	if (!migrate->database)
		return rain_error_set(err, "--database names no database (dbname=…)");
	return 0;
}

/* One rain-migrate at a time in this PostgreSQL: the lock ends with the
 * connection, however that ends. */
static int take_lock(struct migrate *migrate, struct rain_error *err)
{
	PGresult *result = run(migrate->server, "can't take the lock",
			       "SELECT pg_try_advisory_lock(" LOCK ")", NULL, err);
	bool taken = result && strcmp(PQgetvalue(result, 0, 0), "t") == 0;

	PQclear(result);
	if (!result)
		return -1;
	if (taken)
		return 0;
	printf("Another rain-migrate is at work; waiting for it.\n");
	fflush(stdout);
	return run_only(migrate->server, "can't take the lock",
			"SELECT pg_advisory_lock(" LOCK ")", err);
}

static int ensure_roles(struct migrate *migrate, struct rain_error *err)
{
	/* Names in SQL as they stand: the last one needs its quotes. */
	static const struct {
		const char *name, *create;
	} roles[] = {
		{"rain_owner", "CREATE ROLE rain_owner NOLOGIN"},
		{"rain", "CREATE ROLE rain LOGIN"},
		{"rain-gw", "CREATE ROLE \"rain-gw\" LOGIN"},
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		int found = exists(migrate->server, "SELECT 1 FROM pg_roles WHERE rolname = $1",
				   roles[i].name, err);

		if (found < 0)
			return -1;
		if (found)
			continue;
		if (run_only(migrate->server, "can't create a role (run this as the user postgres)",
			     roles[i].create, err) < 0)
			return -1;
		printf("created role %s\n", roles[i].name);
	}
	return 0;
}

static int ensure_database(struct migrate *migrate, struct rain_error *err)
{
	char *name, sql[512];
	int found, rc = 0;

	found = exists(migrate->server, "SELECT 1 FROM pg_database WHERE datname = $1",
		       migrate->database, err);
	if (found < 0)
		return -1;
	name = PQescapeIdentifier(migrate->server, migrate->database, strlen(migrate->database));
	if (!name)
		return fail_with(err, "the database's name can't be used",
				 PQerrorMessage(migrate->server));
	if (!found) {
		/* One order of text everywhere, whatever the host's locale. */
		snprintf(sql, sizeof(sql), "CREATE DATABASE %.200s OWNER rain_owner "
			 "ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0", name);
		rc = run_only(migrate->server, "can't create the database (run this as the user "
			      "postgres)", sql, err);
		if (rc == 0)
			printf("created database %s\n", migrate->database);
	}
	if (rc == 0) {
		/* Repeated each time: an earlier run may have stopped in between. */
		snprintf(sql, sizeof(sql), "REVOKE ALL ON DATABASE %.200s FROM PUBLIC; "
			 "GRANT CONNECT ON DATABASE %.200s TO rain, \"rain-gw\"", name, name);
		rc = run_only(migrate->server, "can't set the rights on the database", sql, err);
	}
	PQfreemem(name);
	return rc;
}

static int ensure_migration_table(struct migrate *migrate, struct rain_error *err)
{
	return run_only(migrate->target, "can't make the table of migrations",
			"SET client_min_messages = warning;"
			"BEGIN;"
			"CREATE SCHEMA IF NOT EXISTS rain AUTHORIZATION rain_owner;"
			"CREATE TABLE IF NOT EXISTS rain.migration ("
			" name text PRIMARY KEY,"
			" sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),"
			" applied_by text NOT NULL," /* version of RAIN */
			" applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
			"ALTER TABLE rain.migration OWNER TO rain_owner;"
			"COMMIT;", err);
}

static int read_applied(struct migrate *migrate, struct rain_error *err)
{
	PGresult *result = run(migrate->target, "can't read the table of migrations",
			       "SELECT name, sha256 FROM rain.migration ORDER BY name", NULL, err);
	int rc = result ? 0 : -1;

	for (int i = 0; rc == 0 && i < PQntuples(result); i++)
		rc = rain_migrations_add(&migrate->applied, PQgetvalue(result, i, 0),
					 PQgetvalue(result, i, 1), NULL, err);
	PQclear(result);
	return rc;
}

/* What the ledger itself finds wrong with it, if it is there already. */
static int check_invariants(struct migrate *migrate, const char *when, struct rain_error *err)
{
	PGresult *result;
	int there, rc = 0;

	there = exists(migrate->target, "SELECT 1 WHERE to_regprocedure($1) IS NOT NULL",
		       "ledger.check_invariants()", err);
	if (there <= 0)
		return there;
	result = run(migrate->target, "can't check the ledger",
		     "SELECT invariant, subject FROM ledger.check_invariants() LIMIT 1", NULL, err);
	if (!result)
		return -1;
	if (PQntuples(result) > 0)
		rc = rain_error_set(err, "the ledger is not sound %s: \"%s\" doesn't hold for %s; "
				    "restore a backup or ask for help before you go on", when,
				    PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	PQclear(result);
	return rc;
}

/* Whether the guards are as the migrations made them (accounting/sql/0116-guards.sql). A
 * migration would write down what it finds as right. */
static int check_guards(struct migrate *migrate, struct rain_error *err)
{
	PGresult *result;
	int there, count, rc = 0;

	there = exists(migrate->target, "SELECT 1 WHERE to_regprocedure($1) IS NOT NULL",
		       "ledger.check_guards()", err);
	if (there <= 0)
		return there;
	result = run(migrate->target, "can't check the guards",
		     "SELECT kind, object, problem FROM ledger.check_guards()", NULL, err);
	if (!result)
		return -1;
	count = PQntuples(result);
	for (int i = 0; i < count; i++)
		fprintf(stderr, "%s %s %s\n", PQgetvalue(result, i, 0), PQgetvalue(result, i, 1),
			PQgetvalue(result, i, 2));
	if (count > 0)
		rc = rain_error_set(err, "%d of the ledger's guards are not as the migrations made them, "
				    "so nothing is migrated; put them right, or say --accept-guards "
				    "if all of this is meant", count);
	PQclear(result);
	return rc;
}

/* From now on the guards that are there are right. */
static int keep_guards(struct migrate *migrate, struct rain_error *err)
{
	int there = exists(migrate->target, "SELECT 1 WHERE to_regprocedure($1) IS NOT NULL",
			   "ledger.guards_keep()", err);

	return there <= 0 ? there : run_only(migrate->target, "can't write the guards down",
					     "SELECT ledger.guards_keep()", err);
}

/* All or nothing, checked, and written down in the same transaction. */
static int apply(struct migrate *migrate, const struct rain_migration *file, struct rain_error *err)
{
	const char *params[] = {file->name, file->sha256, PACKAGE_VERSION};
	PGresult *result;
	int rc;

	if (run_only(migrate->target, "can't begin", "BEGIN; SET LOCAL ROLE rain_owner", err) < 0)
		return -1;
	if (run_only(migrate->target, file->name, file->sql, err) < 0) {
		rain_error_prefix(err, "migration failed and is undone");
		return -1;
	}
	if (PQtransactionStatus(migrate->target) != PQTRANS_INTRANS)
		return rain_error_set(err, "migration %s ends its own transaction, which it must not",
				      file->name);
	if (check_invariants(migrate, "after this migration, which is undone", err) < 0) {
		rain_error_prefix(err, "%s", file->name);
		return -1;
	}
	if (keep_guards(migrate, err) < 0)
		return -1;
	result = PQexecParams(migrate->target,
			      "INSERT INTO rain.migration (name, sha256, applied_by) "
			      "VALUES ($1, $2, $3)", 3, NULL, params, NULL, NULL, 0);
	rc = PQresultStatus(result) == PGRES_COMMAND_OK
		     ? 0
		     : fail_with(err, "can't write the migration down", PQresultErrorMessage(result));
	PQclear(result);
	if (rc == 0)
		rc = run_only(migrate->target, "can't commit", "COMMIT", err);
	if (rc == 0)
		printf("applied %s\n", file->name);
	return rc;
}

static int migrate_run(struct migrate *migrate, struct rain_error *err)
{
	size_t first;

	if (read_database_name(migrate, err) < 0 ||
	    rain_migrations_load(&migrate->files, migrate->sql_directory, err) < 0)
		return -1;
	migrate->server = connect_to(migrate, "postgres", err);
	if (!migrate->server || take_lock(migrate, err) < 0 || ensure_roles(migrate, err) < 0 ||
	    ensure_database(migrate, err) < 0)
		return -1;
	migrate->target = connect_to(migrate, migrate->database, err);
	if (!migrate->target || ensure_migration_table(migrate, err) < 0 ||
	    read_applied(migrate, err) < 0 ||
	    rain_migrations_plan(&migrate->files, &migrate->applied, &first, err) < 0)
		return -1;
	if (first < migrate->files.count &&
	    (check_invariants(migrate, "as it is, so nothing is migrated", err) < 0 ||
	     (!migrate->accept_guards && check_guards(migrate, err) < 0)))
		return -1;
	for (size_t i = first; i < migrate->files.count; i++)
		if (apply(migrate, &migrate->files.list[i], err) < 0)
			return -1;
	if (migrate->accept_guards && keep_guards(migrate, err) < 0)
		return -1;
	printf("database %s is up to date (%zu migrations, newest %s)\n", migrate->database,
	       migrate->files.count, migrate->files.list[migrate->files.count - 1].name);
	return 0;
}

static void migrate_release(struct migrate *migrate)
{
	PQfinish(migrate->target);
	PQfinish(migrate->server);
	rain_migrations_release(&migrate->files);
	rain_migrations_release(&migrate->applied);
	free(migrate->database);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"database", required_argument, NULL, 'D'},
		{"sql-dir", required_argument, NULL, 's'},
		{"accept-guards", no_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	struct migrate migrate = {.conninfo = DATABASE_DEFAULT, .sql_directory = RAIN_SQLDIR};
	struct rain_error err;
	int option, code = RAIN_EXIT_OK;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "D:s:a", options, NULL)) != -1) {
		if (option == 'D')
			migrate.conninfo = optarg;
		else if (option == 's')
			migrate.sql_directory = optarg;
		else if (option == 'a')
			migrate.accept_guards = true;
		else
			return rain_cli_usage("wrong option");
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	if (migrate_run(&migrate, &err) < 0)
		code = rain_cli_fail(migrate.unreachable ? RAIN_EXIT_UNAVAILABLE
							 : RAIN_EXIT_FAILURE, &err);
	migrate_release(&migrate);
	return code;
}
