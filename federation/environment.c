/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/environment.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What describes this job, this machine, this session or this user, and would
 * be wrong (or nobody's business) elsewhere. A '*' at the end: a prefix. */
static const char *const stays_at_home[] = {
	"SLURM*",
	"SBATCH_*",
	"SRUN_*",
	"SALLOC_*",
	"SPANK_*",
	"_SLURM*",
	"PMI_*",
	"PMI2_*",
	"PMIX_*",
	"OMPI_COMM_WORLD_*",
	"OMPI_UNIVERSE_*",
	"OMPI_APP_*",
	"OMPI_FILE_*",
	"OMPI_FIRST_*",
	"OMPI_NUM_*",
	"OMPI_ARGV",
	"OMPI_COMMAND",
	"OMPI_MCA_ess*",
	"OMPI_MCA_orte_*",
	"OMPI_MCA_pmix*",
	"ORTE_*",
	"PRTE_*",
	"RAIN_*",
	"CUDA_VISIBLE_DEVICES",
	"ROCR_VISIBLE_DEVICES",
	"GPU_DEVICE_ORDINAL",
	"HOME",
	"USER",
	"LOGNAME",
	"PWD",
	"OLDPWD",
	"TMPDIR",
	"TMP",
	"TEMP",
	"SHELL",
	"HOSTNAME",
	"HOST",
	"MAIL",
	"SHLVL",
	"_",
	"USERNAME",
	"ENVIRONMENT",
	"XDG_*",
	"DBUS_*",
	"SSH_*",
	"GPG_*",
	"DISPLAY",
	"WAYLAND_*",
	"XAUTHORITY",
	"KRB5*",
	"SUDO_*",
	"NOTIFY_SOCKET",
	"LISTEN_*",
	"INVOCATION_ID",
	"JOURNAL_STREAM",
	"MANAGERPID",
	"SYSTEMD_*",
	"TMUX*",
	"STY",
	"WINDOW",
	"TERM_*",
	"MUNGE_*",
	NULL,
};

/* What of those goes all the same: who the job is at home. */
static const char *const goes_along[] = {
	"SLURM_ARRAY_JOB_ID",	"SLURM_ARRAY_TASK_ID",	"SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MAX",
	"SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_JOB_NAME",	  NULL,
};

/* Ends of names that say "secret". */
static const char *const secrets[] = {
	"TOKEN",      "SECRET", "PASSWORD", "PASSWD",  "PASSPHRASE", "CREDENTIALS",
	"CREDENTIAL", "_KEY",   "APIKEY",   "_COOKIE", NULL,
};

static size_t name_length(const char *item)
{
	size_t length = 0;

	if (!isalpha((unsigned char)*item) && *item != '_')
		return 0;
	while (isalnum((unsigned char)item[length]) || item[length] == '_')
		length++;
	return length;
}

static bool ends_in(const char *name, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length >= n && !strncasecmp(name + length - n, end, n);
}

bool rain_environment_travels(const char *name)
{
	size_t length = name_length(name);

	if (length == 0 || (name[length] && name[length] != '='))
		return false;
	for (size_t i = 0; goes_along[i]; i++)
		if (strlen(goes_along[i]) == length && !strncmp(name, goes_along[i], length))
			return true;
	for (size_t i = 0; stays_at_home[i]; i++) {
		size_t n = strlen(stays_at_home[i]);

		if (stays_at_home[i][n - 1] == '*'
			    ? length >= n - 1 && !strncmp(name, stays_at_home[i], n - 1)
			    : length == n && !strncmp(name, stays_at_home[i], n))
			return false;
	}
	for (size_t i = 0; secrets[i]; i++)
		if (ends_in(name, length, secrets[i]))
			return false;
	return true;
}

void rain_environment_release(struct rain_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->list[i]);
	free(environment->list);
	*environment = (struct rain_environment){0};
}

static size_t find(const struct rain_environment *environment, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < environment->count; i++)
		if (!strncmp(environment->list[i], name, length) &&
		    environment->list[i][length] == '=')
			break;
	return i;
}

/* Takes the item over, whatever happens. */
static int take(struct rain_environment *environment, char *item, struct rain_error *err)
{
	size_t length = item ? name_length(item) : 0, at;
	char **list;

	if (!item)
		return rain_error_set(err, "out of memory");
	if (strlen(item) >= RAIN_ENVIRONMENT_ITEM_MAX) {
		rain_error_set(err, "the environment variable %.*s is longer than %d bytes",
			       (int)length, item, RAIN_ENVIRONMENT_ITEM_MAX);
		free(item);
		return -1;
	}
	at = find(environment, item, length);
	if (at < environment->count) {
		free(environment->list[at]);
		environment->list[at] = item;
		return 0;
	}
	if (environment->count >= RAIN_ENVIRONMENT_COUNT_MAX) {
		free(item);
		return rain_error_set(err, "there are more than %d environment variables",
				      RAIN_ENVIRONMENT_COUNT_MAX);
	}
	list = realloc(environment->list, (environment->count + 2) * sizeof(*list));
	if (!list) {
		free(item);
		return rain_error_set(err, "out of memory");
	}
	list[environment->count++] = item;
	list[environment->count] = NULL;
	environment->list = list;
	return 0;
}

int rain_environment_parse(struct rain_environment *environment, const char *data, size_t size,
			   struct rain_error *err)
{
	if (size > RAIN_ENVIRONMENT_BYTES_MAX)
		return rain_error_set(err, "the environment is larger than %d bytes",
				      RAIN_ENVIRONMENT_BYTES_MAX);
	while (size > 0) {
		size_t length = strnlen(data, size), name;

		if (length == size)
			return rain_error_set(err, "the environment's last variable doesn't end");
		name = name_length(data);
		if (name > 0 && data[name] == '=' && take(environment, strdup(data), err) < 0)
			return -1;
		data += length + 1;
		size -= length + 1;
	}
	return 0;
}

char *rain_environment_pack(const struct rain_environment *environment, size_t *size,
			    struct rain_error *err)
{
	char *data, *at;

	*size = 0;
	for (size_t i = 0; i < environment->count; i++)
		*size += strlen(environment->list[i]) + 1;
	if (*size > RAIN_ENVIRONMENT_BYTES_MAX) {
		rain_error_set(err, "the environment is larger than %d bytes",
			       RAIN_ENVIRONMENT_BYTES_MAX);
		return NULL;
	}
	at = data = malloc(*size + 1);
	if (!data) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < environment->count; i++)
		at = stpcpy(at, environment->list[i]) + 1;
	return data;
}

int rain_environment_set(struct rain_environment *environment, const char *name, const char *value,
			 struct rain_error *err)
{
	size_t length = strlen(name), size = length + strlen(value) + 2;
	char *item = malloc(size);

	if (item) {
		memcpy(item, name, length);
		item[length] = '=';
		strcpy(item + length + 1, value);
	}
	return take(environment, item, err);
}

const char *rain_environment_get(const struct rain_environment *environment, const char *name)
{
	size_t length = strlen(name), at = find(environment, name, length);

	return at < environment->count ? environment->list[at] + length + 1 : NULL;
}

int rain_environment_add_travelling(struct rain_environment *environment, char *const from[],
				    struct rain_error *err)
{
	for (size_t i = 0; from[i]; i++)
		if (rain_environment_travels(from[i]) && strchr(from[i], '=') &&
		    take(environment, strdup(from[i]), err) < 0)
			return -1;
	return 0;
}

int rain_environment_add_prefix(struct rain_environment *environment, char *const from[],
				const char *prefix, struct rain_error *err)
{
	for (size_t i = 0; from[i]; i++)
		if (!strncmp(from[i], prefix, strlen(prefix)) && name_length(from[i]) > 0 &&
		    from[i][name_length(from[i])] == '=' &&
		    take(environment, strdup(from[i]), err) < 0)
			return -1;
	return 0;
}
