// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/options.h"

#include <string.h>

#include "common/config.h"
#include "common/tokens.h"

const struct rain_option_text rain_option_texts[RAIN_OPTION_COUNT] = {
	[RAIN_OPTION_BURST] = {"burst", "never|auto|only",
			       "run on a peer's cluster: never (default), auto (when home is full), only"},
	[RAIN_OPTION_BURST_MAX_TOKENS] = {"burst-max-tokens", "N",
					  "most tokens that a burst may cost, for example 2.5"},
	[RAIN_OPTION_BURST_PEERS] = {"burst-peers", "NAME[,NAME...]",
				     "peers that may run the job (default: any)"},
	[RAIN_OPTION_STAGE_IN] = {"stage-in", "PATH[:NAME][,...]",
				  "files or patterns that the job needs on its nodes"},
	[RAIN_OPTION_STAGE_OUT] = {"stage-out", "PATH[:NAME][,...]",
				   "files or patterns to bring back at the end"},
};

static const char *const mode_names[] = {
	[RAIN_BURST_NEVER] = "never",
	[RAIN_BURST_AUTO] = "auto",
	[RAIN_BURST_ONLY] = "only",
};

const char *rain_burst_mode_name(enum rain_burst_mode mode)
{
	return mode_names[mode];
}

/* Values come from users and go to terminals and logs: what is shown of them
 * is short and printable. */
static const char *quote(const char *value, char shown[static 64])
{
	size_t n = 0;

	for (; value[n] && n < 60; n++)
		shown[n] = value[n] < ' ' || value[n] > '~' ? '?' : value[n];
	strcpy(shown + n, value[n] ? "..." : "");
	return shown;
}

static int mode_parse(const char *value, enum rain_burst_mode *mode, struct rain_error *err)
{
	char shown[64];

	for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++) {
		if (!strcmp(value, mode_names[i])) {
			*mode = (enum rain_burst_mode)i;
			return 0;
		}
	}
	return rain_error_set(err, "--burst=%s: must be never, auto or only", quote(value, shown));
}

static int max_tokens_parse(const char *value, int64_t *max_utok, struct rain_error *err)
{
	char shown[64];
	int64_t utok;

	if (rain_tokens_parse(value, &utok, NULL) || utok <= 0)
		return rain_error_set(err,
				      "--burst-max-tokens=%s: must be a number of tokens above 0, with at most "
				      "six decimals, for example 5 or 0.25",
				      quote(value, shown));
	*max_utok = utok;
	return 0;
}

static int peers_add(struct rain_burst *burst, const char *name, size_t length)
{
	char *peer = burst->peers[burst->peer_count];

	if (length >= RAIN_BURST_PEER_SIZE)
		return -1;
	memcpy(peer, name, length);
	peer[length] = '\0';
	if (!rain_config_name_is_valid(peer))
		return -1;
	for (size_t i = 0; i < burst->peer_count; i++)
		if (!strcmp(burst->peers[i], peer))
			return 0;
	burst->peer_count++;
	return 0;
}

static int peers_parse(const char *value, struct rain_burst *burst, struct rain_error *err)
{
	char shown[64];

	burst->peer_count = 0;
	for (const char *p = value;; p++) {
		size_t length = strcspn(p, ",");

		if (burst->peer_count == RAIN_BURST_PEERS_MAX)
			return rain_error_set(err, "--burst-peers: at most %d peers may be named",
					      RAIN_BURST_PEERS_MAX);
		if (peers_add(burst, p, length))
			return rain_error_set(err,
					      "--burst-peers=%s: must be names of peers separated by commas, each "
					      "of at most 16 of a-z, 0-9 and '-', a letter first (see 'rain peer list')",
					      quote(value, shown));
		p += length;
		if (!*p)
			return 0;
	}
}

/* True when a component of the path is "..". */
static bool path_climbs(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t length = strcspn(p, "/:");

		if (length == 2 && !memcmp(p, "..", 2))
			return true;
		p += length + (p[length] == ':');
	}
	return false;
}

/* "source:name": the name is a plain path below the working directory. */
static const char *rename_fault(const char *item)
{
	const char *name = rain_stage_colon(item);

	if (!name)
		return NULL;
	if (name == item)
		return "names nothing before the ':'";
	if (!*++name)
		return "has no name after the ':'";
	if (*name == '/')
		return "has a name after the ':' that is not below the job's working directory";
	if (strpbrk(name, "*?[\\:"))
		return "has one of * ? [ \\ : in the name after the ':'";
	return NULL;
}

static int stage_error(enum rain_option which, const char *item, const char *why,
		       struct rain_error *err)
{
	char shown[64];

	return rain_error_set(err, "--%s: \"%s\" %s; allowed are paths or patterns separated by commas, "
			      "absolute or below the job's working directory, at most %d in %d bytes",
			      rain_option_texts[which].name, quote(item, shown), why,
			      RAIN_STAGE_ITEMS_MAX, RAIN_STAGE_TEXT_MAX);
}

static int stage_add(enum rain_option which, struct rain_stage_list *list, const char *item,
		     struct rain_error *err)
{
	if (!*item)
		return stage_error(which, item, "is no path", err);
	if (path_climbs(item))
		return stage_error(which, item, "contains \"..\"", err);
	if (rename_fault(item))
		return stage_error(which, item, rename_fault(item), err);
	for (const char *p = item; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '\x7f')
			return stage_error(which, item, "contains a control character", err);
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], item))
			return 0;
	if (list->count == RAIN_STAGE_ITEMS_MAX)
		return stage_error(which, item, "is one too many", err);
	list->items[list->count++] = item;
	return 0;
}

int rain_stage_list_parse(enum rain_option which, const char *value,
			  struct rain_stage_list *list, struct rain_error *err)
{
	size_t length = strnlen(value, RAIN_STAGE_TEXT_MAX + 1);

	list->count = 0;
	if (length > RAIN_STAGE_TEXT_MAX)
		return stage_error(which, value, "is too long", err);
	memcpy(list->text, value, length + 1);
	for (char *p = list->text;;) {
		char *end = p + strcspn(p, ",");
		bool last = !*end;

		*end = '\0';
		if (stage_add(which, list, p, err))
			return -1;
		if (last)
			return 0;
		p = end + 1;
	}
}

void rain_options_init(struct rain_options *options)
{
	memset(options->given, 0, sizeof options->given);
	options->burst = (struct rain_burst){.max_utok = RAIN_BURST_NO_LIMIT};
	/* slurmctld does this for each job, often on a stack that nobody has touched yet */
	options->stage_in[0] = options->stage_out[0] = '\0';
}

static int stage_set(enum rain_option which, const char *value, char *kept,
		     struct rain_error *err)
{
	struct rain_stage_list list;

	if (rain_stage_list_parse(which, value, &list, err))
		return -1;
	memcpy(kept, value, strlen(value) + 1);
	return 0;
}

int rain_options_set(struct rain_options *options, enum rain_option which, const char *value,
		     struct rain_error *err)
{
	struct rain_burst burst = options->burst;
	int rc = -1;

	switch (which) {
	case RAIN_OPTION_BURST:
		rc = mode_parse(value, &burst.mode, err);
		break;
	case RAIN_OPTION_BURST_MAX_TOKENS:
		rc = max_tokens_parse(value, &burst.max_utok, err);
		break;
	case RAIN_OPTION_BURST_PEERS:
		rc = peers_parse(value, &burst, err);
		break;
	case RAIN_OPTION_STAGE_IN:
		rc = stage_set(which, value, options->stage_in, err);
		break;
	case RAIN_OPTION_STAGE_OUT:
		rc = stage_set(which, value, options->stage_out, err);
		break;
	case RAIN_OPTION_COUNT:
		break;
	}
	if (rc)
		return -1;
	options->burst = burst;
	options->given[which] = true;
	return 0;
}

int rain_options_check(const struct rain_options *options, struct rain_error *err)
{
	static const enum rain_option bounds[] = {RAIN_OPTION_BURST_MAX_TOKENS,
						  RAIN_OPTION_BURST_PEERS};

	if (options->given[RAIN_OPTION_BURST])
		return 0;
	for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
		if (options->given[bounds[i]])
			return rain_error_set(err, "--%s says how a job may burst and needs --burst=auto "
					      "or --burst=only beside it",
					      rain_option_texts[bounds[i]].name);
	return 0;
}
