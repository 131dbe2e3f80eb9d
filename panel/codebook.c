/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/codebook.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"

static int find(const struct rain_codebook *book, uid_t uid)
{
	for (int i = 0; i < RAIN_PATTERN_COUNT; i++) {
		if (book->owner[i].used && book->owner[i].uid == uid)
			return i;
	}
	return -1;
}

static void see(struct rain_codebook *book, int pattern, int64_t now_ms)
{
	book->owner[pattern].seen = ++book->sequence;
	book->owner[pattern].seen_ms = now_ms;
}

static void run(struct rain_codebook *book, int pattern, int64_t now_ms)
{
	if (pattern >= 0)
		book->owner[pattern].ran_ms = now_ms;
}

int rain_codebook_find(struct rain_codebook *book, uid_t uid, int64_t now_ms)
{
	int pattern = find(book, uid);

	if (pattern >= 0)
		see(book, pattern, now_ms);
	return pattern;
}

/* A number for a newcomer; -1 when all belong to owners who were seen lately, as
 * those who run jobs are. */
static int choose(const struct rain_codebook *book, uid_t uid, int64_t now_ms)
{
	unsigned int preferred = uid % RAIN_PATTERN_COUNT;
	int choice = -1;

	for (unsigned int i = 0; i < RAIN_PATTERN_COUNT; i++) {
		int slot = (int)((preferred + i) % RAIN_PATTERN_COUNT);

		if (!book->owner[slot].used)
			return slot;
		if ((now_ms - book->owner[slot].seen_ms >= RAIN_CODEBOOK_KEEP_MS ||
		     now_ms - book->owner[slot].ran_ms >= RAIN_CODEBOOK_ASKED_MS) &&
		    (choice < 0 || book->owner[slot].seen < book->owner[choice].seen))
			choice = slot;
	}
	return choice;
}

size_t rain_codebook_admit(struct rain_codebook *book, const uid_t *running, size_t count,
			   int64_t now_ms)
{
	size_t given = 0;

	/* First all who have one, so that none of them loses it to a newcomer. */
	for (size_t i = 0; i < count; i++)
		run(book, rain_codebook_find(book, running[i], now_ms), now_ms);
	for (size_t i = 0; i < count; i++) {
		int slot;

		if (find(book, running[i]) >= 0)
			continue;
		slot = choose(book, running[i], now_ms);
		if (slot < 0)
			continue;
		book->owner[slot].used = true;
		book->owner[slot].uid = running[i];
		see(book, slot, now_ms);
		run(book, slot, now_ms);
		given++;
	}
	return given;
}

char *rain_codebook_text(const struct rain_codebook *book)
{
	bool told[RAIN_PATTERN_COUNT] = {false};
	json_t *owners = json_array(), *root;
	char *text, *line;
	size_t length;

	for (;;) {
		int oldest = -1;

		for (int i = 0; i < RAIN_PATTERN_COUNT; i++) {
			if (book->owner[i].used && !told[i] &&
			    (oldest < 0 || book->owner[i].seen < book->owner[oldest].seen))
				oldest = i;
		}
		if (oldest < 0)
			break;
		told[oldest] = true;
		json_array_append_new(owners, json_pack("{s:I,s:s}", "uid",
							(json_int_t)book->owner[oldest].uid, "code",
							rain_pattern_code((unsigned int)oldest)));
	}
	root = json_pack("{s:i,s:o}", "v", 1, "owners", owners);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	length = text ? strlen(text) : 0;
	line = text ? realloc(text, length + 2) : NULL;
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + length, "\n", 2);
	return line;
}

static int read_owner(struct rain_codebook *book, const json_t *owner, int64_t now_ms,
		      struct rain_error *err)
{
	const char *code;
	int64_t uid;
	int pattern;

	if (!json_is_object(owner))
		return rain_error_set(err, "an owner is no object");
	if (rain_json_int(owner, "uid", 0, UINT32_MAX - 1, &uid, err) < 0 ||
	    rain_json_string(owner, "code", RAIN_PATTERN_CODE_MAX, &code, err) < 0)
		return -1;
	pattern = rain_pattern_number(code);
	if (pattern < 0)
		return rain_error_set(err, "\"%s\" is no code", code);
	if (book->owner[pattern].used || find(book, (uid_t)uid) >= 0)
		return rain_error_set(err, "uid %lld or code %s is there twice", (long long)uid,
				      code);
	book->owner[pattern].used = true;
	book->owner[pattern].uid = (uid_t)uid;
	see(book, pattern, now_ms);
	run(book, pattern, now_ms);
	return 0;
}

int rain_codebook_read(struct rain_codebook *book, const char *text, size_t size, int64_t now_ms,
		       struct rain_error *err)
{
	json_t *root = rain_json_parse(text, size, RAIN_CODEBOOK_TEXT_MAX, err);
	json_t *owners, *owner;
	int64_t version;
	int rc = -1;
	size_t i;

	memset(book, 0, sizeof(*book));
	if (root && rain_json_int(root, "v", 1, 1, &version, err) == 0 &&
	    rain_json_array(root, "owners", RAIN_PATTERN_COUNT, &owners, err) == 0) {
		rc = 0;
		json_array_foreach(owners, i, owner)
		{
			rc = read_owner(book, owner, now_ms, err);
			if (rc < 0)
				break;
		}
	}
	json_decref(root);
	if (rc < 0)
		memset(book, 0, sizeof(*book));
	return rc;
}

int rain_codebook_running(const char *text, size_t size,
			  uid_t running[static RAIN_CODEBOOK_RUNNING_MAX], size_t *count,
			  struct rain_error *err)
{
	json_t *root = rain_json_parse(text, size, RAIN_CODEBOOK_LIST_MAX, err);
	json_t *owners, *owner;
	int rc = -1;
	size_t i;

	*count = 0;
	if (root && rain_json_array(root, "owners", RAIN_CODEBOOK_RUNNING_MAX, &owners, err) == 0) {
		rc = 0;
		json_array_foreach(owners, i, owner)
		{
			json_int_t uid = json_integer_value(owner);

			if (!json_is_integer(owner) || uid < 0 || uid >= UINT32_MAX) {
				rc = rain_error_set(err, "owner %zu is no uid", i);
				break;
			}
			running[(*count)++] = (uid_t)uid;
		}
	}
	json_decref(root);
	return rc;
}

int rain_codebook_answer(const char *text, size_t size, uid_t uid, struct rain_error *err)
{
	json_t *reply, *result;
	const char *code = "";
	int64_t about;
	int pattern = -1;

	*err->text = '\0';
	if (size == 0)
		return rain_error_set(err, "it doesn't answer");
	reply = rain_json_parse(text, size, RAIN_CODEBOOK_ANSWER_MAX, err);
	if (!reply)
		return -1;
	/* What it says instead is a stranger's text. */
	if (!json_is_true(json_object_get(reply, "ok")))
		rain_error_set(err, "that node gives out none");
	else if (rain_json_object(reply, "result", &result, err) == 0 &&
		 rain_json_int(result, "uid", uid, uid, &about, err) == 0 &&
		 rain_json_string_or(result, "code", RAIN_PATTERN_CODE_MAX, "", &code, err) == 0 &&
		 *code && (pattern = rain_pattern_number(code)) < 0)
		rain_error_set(err, "it says a code that doesn't exist");
	json_decref(reply);
	return pattern;
}
