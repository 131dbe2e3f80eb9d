/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/message.h"

#include <string.h>

#include "common/json.h"
#include "common/tokens.h"

static const char *const message_names[RAIN_MESSAGE_TYPES] = {
	[RAIN_MESSAGE_ASK] = "ask",
	[RAIN_MESSAGE_OFFER] = "offer",
	[RAIN_MESSAGE_REFUSE] = "refuse",
	[RAIN_MESSAGE_ORDER] = "order",
	[RAIN_MESSAGE_ACCEPTED] = "accepted",
	[RAIN_MESSAGE_REJECTED] = "rejected",
	[RAIN_MESSAGE_WITHDRAWN] = "withdrawn",
	[RAIN_MESSAGE_EVENT] = "event",
	[RAIN_MESSAGE_RECALL] = "recall",
	[RAIN_MESSAGE_EVICT] = "evict",
	[RAIN_MESSAGE_FINISHED] = "finished",
	[RAIN_MESSAGE_RECEIPT] = "receipt",
	[RAIN_MESSAGE_COUNTERSIGNED] = "countersigned",
	[RAIN_MESSAGE_DISPUTED] = "disputed",
};

static const char *const event_names[] = {
	[RAIN_EVENT_INPUTS] = "inputs",
	[RAIN_EVENT_SIGNAL] = "signal",
	[RAIN_EVENT_DELIVERED] = "delivered",
	[RAIN_EVENT_STAGED] = "staged",
	[RAIN_EVENT_STARTED] = "started",
};

static const char *const outcome_names[RAIN_OUTCOMES] = {
	[RAIN_OUTCOME_NONE] = "none",	      [RAIN_OUTCOME_EXITED] = "exited",
	[RAIN_OUTCOME_CANCELLED] = "cancelled", [RAIN_OUTCOME_TIMEOUT] = "timeout",
	[RAIN_OUTCOME_EVICTED] = "evicted",   [RAIN_OUTCOME_LOST] = "lost",
};

/* Every plain field of every message, for both directions: one table, so that
 * what is written and what is read can't drift apart. */
enum field_kind { FIELD_INT, FIELD_BOOL, FIELD_TEXT, FIELD_SHA256, FIELD_SIGNATURE, FIELD_BYTES };

struct field {
	const char *key;
	enum field_kind kind;
	unsigned in;	    /* messages and events that carry it */
	bool optional;	    /* absent: 0, false or "" */
	size_t offset;
	int64_t min, max;   /* of an int; max length of a text */
};

#define M(type) (1u << RAIN_MESSAGE_##type)
#define E(kind) (1u << (RAIN_MESSAGE_TYPES + RAIN_EVENT_##kind))
#define AT(member) offsetof(struct rain_message, member)
#define REASONS (M(REFUSE) | M(REJECTED) | M(WITHDRAWN) | M(RECALL) | M(EVICT) | M(FINISHED) | M(DISPUTED))

static const struct field fields[] = {
	{ "nodes", FIELD_INT, M(ASK) | M(ORDER), false, AT(shape.nodes), 1, RAIN_NODES_MAX },
	{ "tasks", FIELD_INT, M(ASK) | M(ORDER), false, AT(shape.tasks), 1, RAIN_TASKS_MAX },
	{ "cpus_per_task", FIELD_INT, M(ASK) | M(ORDER), false, AT(shape.cpus_per_task), 1, RAIN_CPUS_MAX },
	{ "ntasks_per_node", FIELD_INT, M(ASK) | M(ORDER), true, AT(shape.ntasks_per_node), 0, RAIN_TASKS_MAX },
	{ "minutes", FIELD_INT, M(ASK) | M(ORDER), false, AT(shape.minutes), 1, RAIN_MINUTES_MAX },
	{ "user", FIELD_TEXT, M(ASK) | M(ORDER), false, AT(user), 1, RAIN_USER_SIZE - 1 },
	{ "arch", FIELD_TEXT, M(ASK), true, AT(arch), 0, RAIN_ARCH_SIZE - 1 },
	{ "expected_s", FIELD_INT, M(ASK), true, AT(expected_s), 0, RAIN_MINUTES_MAX * 60 },
	{ "waiting", FIELD_INT, M(ASK), true, AT(waiting), 0, INT32_MAX },
	{ "mflops", FIELD_INT, M(OFFER) | M(ORDER), false, AT(terms.mflops), 1, RAIN_MFLOPS_MAX },
	{ "percent", FIELD_INT, M(OFFER) | M(ORDER), false, AT(terms.percent), 0, RAIN_PERCENT_MAX },
	{ "ceiling_utok", FIELD_INT, M(OFFER) | M(ORDER), false, AT(terms.ceiling_utok), 0, RAIN_TOKENS_MAX },
	{ "lease_ms", FIELD_INT, M(OFFER), false, AT(lease_ms), 0, RAIN_MESSAGE_MS_MAX },
	{ "reason", FIELD_TEXT, REASONS, true, AT(reason), 0, RAIN_REASON_SIZE - 1 },
	{ "capacity", FIELD_BOOL, M(REFUSE), true, AT(capacity), 0, 0 },
	{ "room", FIELD_BOOL, M(REFUSE), true, AT(room), 0, 0 },
	{ "line", FIELD_BOOL, M(REFUSE), true, AT(line), 0, 0 },
	{ "free_nodes", FIELD_INT, M(REFUSE), true, AT(free_nodes), 0, RAIN_NODES_MAX },
	{ "extra_nodes", FIELD_INT, M(REFUSE), true, AT(extra_nodes), 0, RAIN_NODES_MAX },
	{ "window_s", FIELD_INT, M(REFUSE), true, AT(window_s), 0, RAIN_MINUTES_MAX * 60 },
	{ "credit_utok", FIELD_INT, M(REFUSE), true, AT(credit_utok), 0, RAIN_TOKENS_MAX },
	{ "seq", FIELD_INT, M(EVENT), false, AT(seq), 1, INT32_MAX },
	{ "signal", FIELD_INT, E(SIGNAL), false, AT(signal), 1, RAIN_SIGNAL_MAX },
	{ "rows", FIELD_INT, E(SIGNAL), true, AT(rows), 0, RAIN_TERMINAL_MAX },
	{ "columns", FIELD_INT, E(SIGNAL), true, AT(columns), 0, RAIN_TERMINAL_MAX },
	{ "job_id", FIELD_INT, E(STARTED), true, AT(job_id), 0, UINT32_MAX },
	{ "nodes", FIELD_TEXT, E(STARTED), true, AT(nodes), 0, RAIN_REASON_SIZE - 1 },
	{ "grace_ms", FIELD_INT, M(EVICT), true, AT(grace_ms), 0, RAIN_MESSAGE_MS_MAX },
	{ "code", FIELD_INT, M(FINISHED), true, AT(code), 0, 255 },
	{ "signal", FIELD_INT, M(FINISHED), true, AT(signal), 0, RAIN_SIGNAL_MAX },
	{ "out_of_memory", FIELD_BOOL, M(FINISHED), true, AT(out_of_memory), 0, 0 },
	{ "run_ms", FIELD_INT, M(FINISHED), true, AT(run_ms), 0, RAIN_MESSAGE_MS_MAX },
	{ "stdout_bytes", FIELD_INT, M(FINISHED), true, AT(stdout_bytes), 0, RAIN_STREAM_BYTES_MAX },
	{ "stderr_bytes", FIELD_INT, M(FINISHED), true, AT(stderr_bytes), 0, RAIN_STREAM_BYTES_MAX },
	{ "claimed_utok", FIELD_INT, M(FINISHED) | M(DISPUTED), true, AT(claimed_utok), 0, RAIN_TOKENS_MAX },
	{ "receipt", FIELD_BYTES, M(RECEIPT), false, AT(receipt), 1, RAIN_RECEIPT_BYTES_MAX - 1 },
	{ "receipt_sha256", FIELD_SHA256, M(COUNTERSIGNED) | M(DISPUTED), false, AT(sha256), 0, 0 },
	{ "signature", FIELD_SIGNATURE, M(RECEIPT) | M(COUNTERSIGNED), false, AT(signature), 0, 0 },
	{ "amount_utok", FIELD_INT, M(COUNTERSIGNED) | M(DISPUTED), false, AT(amount_utok), 0, RAIN_TOKENS_MAX },
	{ "observed_utok", FIELD_INT, M(DISPUTED), true, AT(observed_utok), 0, RAIN_TOKENS_MAX },
	{ "next_number", FIELD_INT, M(DISPUTED), true, AT(next_number), 0, INT64_C(1) << 53 },
	{ "next_previous", FIELD_SHA256, M(DISPUTED), true, AT(next_previous), 0, 0 },
};

const char *rain_message_name(enum rain_message_type type)
{
	return type < RAIN_MESSAGE_TYPES ? message_names[type] : NULL;
}

int rain_message_find(const char *name)
{
	for (int i = 0; i < RAIN_MESSAGE_TYPES; i++)
		if (!strcmp(name, message_names[i]))
			return i;
	return -1;
}

const char *rain_outcome_name(enum rain_outcome outcome)
{
	return outcome < RAIN_OUTCOMES ? outcome_names[outcome] : "none";
}

enum rain_outcome rain_outcome_find(const char *name)
{
	for (int i = RAIN_OUTCOME_EXITED; i < RAIN_OUTCOMES; i++)
		if (!strcmp(name, outcome_names[i]))
			return (enum rain_outcome)i;
	return RAIN_OUTCOME_NONE;
}

bool rain_outcome_is_final(enum rain_outcome outcome)
{
	return outcome == RAIN_OUTCOME_EXITED || outcome == RAIN_OUTCOME_CANCELLED ||
	       outcome == RAIN_OUTCOME_TIMEOUT;
}

int64_t rain_shape_cores(const struct rain_shape *shape)
{
	int64_t cores = shape->tasks * shape->cpus_per_task;
	return cores > shape->nodes ? cores : shape->nodes;
}

int rain_shape_check(const struct rain_shape *shape, struct rain_error *err)
{
	if (shape->nodes < 1 || shape->nodes > RAIN_NODES_MAX)
		return rain_error_set(err, "%lld nodes are asked for; 1 to %d are possible",
				      (long long)shape->nodes, RAIN_NODES_MAX);
	if (shape->tasks < 1 || shape->tasks > RAIN_TASKS_MAX)
		return rain_error_set(err, "%lld tasks are asked for; 1 to %d are possible",
				      (long long)shape->tasks, RAIN_TASKS_MAX);
	if (shape->cpus_per_task < 1 || shape->cpus_per_task > RAIN_CPUS_MAX)
		return rain_error_set(err, "%lld CPUs per task are asked for; 1 to %d are possible",
				      (long long)shape->cpus_per_task, RAIN_CPUS_MAX);
	if (shape->ntasks_per_node < 0 || shape->ntasks_per_node > RAIN_TASKS_MAX)
		return rain_error_set(err, "%lld tasks per node are asked for; at most %d are possible",
				      (long long)shape->ntasks_per_node, RAIN_TASKS_MAX);
	if (shape->minutes < 1 || shape->minutes > RAIN_MINUTES_MAX)
		return rain_error_set(err, "a time limit of %lld minutes is asked for; 1 to %d are possible",
				      (long long)shape->minutes, RAIN_MINUTES_MAX);
	if (rain_shape_cores(shape) > shape->nodes * RAIN_CPUS_MAX)
		return rain_error_set(err, "%lld tasks of %lld CPUs don't fit on %lld nodes",
				      (long long)shape->tasks, (long long)shape->cpus_per_task,
				      (long long)shape->nodes);
	return 0;
}

static unsigned message_mask(const struct rain_message *message)
{
	unsigned mask = 1u << message->type;
	if (message->type == RAIN_MESSAGE_EVENT)
		mask |= 1u << (RAIN_MESSAGE_TYPES + message->kind);
	return mask;
}

static bool is_hex(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return text[length] == '\0';
}

static bool is_signature(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	return strlen(text) == RAIN_SIGNATURE_TEXT_SIZE - 1 &&
	       strspn(text, digits) == RAIN_SIGNATURE_TEXT_SIZE - 1;
}

bool rain_sha256_is_valid(const char *text)
{
	return strlen(text) == 64 && is_hex(text, 64);
}

bool rain_uuid_is_valid(const char *text)
{
	if (strlen(text) != RAIN_UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < RAIN_UUID_SIZE - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = text[i];
		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

/* Texts of strangers reach terminals and job records. */
static void copy_text(char *to, const char *from)
{
	for (; *from; from++, to++)
		*to = (unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from;
	*to = '\0';
}

static int parse_text_field(const struct field *f, const json_t *body, char *to, struct rain_error *err)
{
	const char *text;
	size_t max = f->kind == FIELD_SHA256	  ? RAIN_SHA256_TEXT_SIZE - 1
		     : f->kind == FIELD_SIGNATURE ? RAIN_SIGNATURE_TEXT_SIZE - 1
						  : (size_t)f->max;

	if (f->optional ? rain_json_string_or(body, f->key, max, "", &text, err)
			: rain_json_string(body, f->key, max, &text, err))
		return -1;
	if (f->kind == FIELD_SHA256 && !(f->optional && !*text) && !rain_sha256_is_valid(text))
		return rain_error_set(err, "%s is not a SHA-256 in lower-case hexadecimal", f->key);
	if (f->kind == FIELD_SIGNATURE && !is_signature(text))
		return rain_error_set(err, "%s is not a signature in base64url", f->key);
	if (f->kind == FIELD_TEXT && f->min > 0 && !*text)
		return rain_error_set(err, "%s is empty", f->key);
	if (f->kind == FIELD_TEXT)
		copy_text(to, text);
	else
		strcpy(to, text); /* bounded by max above, which is the size of the member */
	return 0;
}

static int parse_field(const struct field *f, const json_t *body, struct rain_message *message,
		       struct rain_error *err)
{
	char *at = (char *)message + f->offset;

	if (f->kind == FIELD_INT) {
		int64_t *value = (int64_t *)(void *)at;
		return f->optional ? rain_json_int_or(body, f->key, f->min, f->max, 0, value, err)
				   : rain_json_int(body, f->key, f->min, f->max, value, err);
	}
	if (f->kind == FIELD_BOOL) {
		int value = 0;
		if (json_object_get(body, f->key) && rain_json_bool(body, f->key, &value, err))
			return -1;
		*(bool *)at = value;
		return 0;
	}
	return parse_text_field(f, body, at, err);
}

static int parse_kinds(const json_t *body, struct rain_message *message, struct rain_error *err)
{
	const char *name;

	if (message->type == RAIN_MESSAGE_EVENT) {
		if (rain_json_string(body, "kind", 32, &name, err))
			return -1;
		message->kind = RAIN_EVENT_OTHER;
		for (int i = 0; i < RAIN_EVENT_OTHER; i++)
			if (!strcmp(name, event_names[i]))
				message->kind = (enum rain_event_kind)i;
	}
	if (message->type == RAIN_MESSAGE_FINISHED) {
		if (rain_json_string(body, "outcome", 32, &name, err))
			return -1;
		message->outcome = rain_outcome_find(name);
		if (message->outcome == RAIN_OUTCOME_NONE)
			return rain_error_set(err, "outcome is none of exited, cancelled, timeout, evicted, lost");
	}
	return 0;
}

static int parse_lists(const json_t *body, struct rain_message *message, struct rain_error *err)
{
	json_t *manifest;

	if (message->type == RAIN_MESSAGE_FINISHED) {
		message->outputs = rain_outputs_parse(body, "outputs", err);
		return message->outputs ? 0 : -1;
	}
	if (message->type == RAIN_MESSAGE_EVENT && message->kind == RAIN_EVENT_INPUTS) {
		if (rain_json_object(body, "manifest", &manifest, err))
			return -1;
		message->manifest = rain_manifest_parse(manifest, err);
		return message->manifest ? 0 : rain_error_prefix(err, "manifest");
	}
	return 0;
}

static int parse(const json_t *body, struct rain_message *message, struct rain_error *err)
{
	const char *burst;

	if (!json_is_object(body))
		return rain_error_set(err, "the body is not an object");
	if (rain_json_string(body, "burst", RAIN_UUID_SIZE - 1, &burst, err))
		return -1;
	if (!rain_uuid_is_valid(burst))
		return rain_error_set(err, "burst is not a UUID in lower case");
	memcpy(message->burst, burst, RAIN_UUID_SIZE);
	if (parse_kinds(body, message, err))
		return -1;
	unsigned mask = message_mask(message);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if ((fields[i].in & mask) && parse_field(&fields[i], body, message, err))
			return -1;
	if ((mask & (M(ASK) | M(ORDER))) && rain_shape_check(&message->shape, err))
		return -1;
	return parse_lists(body, message, err);
}

int rain_message_parse(enum rain_message_type type, const json_t *body,
		       struct rain_message *message, struct rain_error *err)
{
	memset(message, 0, sizeof *message);
	if (type >= RAIN_MESSAGE_TYPES)
		return rain_error_set(err, "there is no such message type");
	message->type = type;
	if (parse(body, message, err)) {
		rain_message_release(message);
		return rain_error_prefix(err, "message %s", rain_message_name(type));
	}
	return 0;
}

void rain_message_release(struct rain_message *message)
{
	json_decref(message->manifest);
	json_decref(message->outputs);
	message->manifest = message->outputs = NULL;
}

static json_t *encode_field(const struct field *f, const struct rain_message *message)
{
	const char *at = (const char *)message + f->offset;
	if (f->kind == FIELD_INT)
		return json_integer(*(const int64_t *)(const void *)at);
	if (f->kind == FIELD_BOOL)
		return json_boolean(*(const bool *)at);
	return json_string(at);
}

static json_t *encode(const struct rain_message *message)
{
	unsigned mask = message_mask(message);
	json_t *body = json_object();
	int failed = json_object_set_new(body, "burst", json_string(message->burst));

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].in & mask)
			failed |= json_object_set_new(body, fields[i].key, encode_field(&fields[i], message));
	if (message->type == RAIN_MESSAGE_EVENT && message->kind < RAIN_EVENT_OTHER)
		failed |= json_object_set_new(body, "kind", json_string(event_names[message->kind]));
	if (message->type == RAIN_MESSAGE_EVENT && message->kind == RAIN_EVENT_INPUTS)
		failed |= json_object_set(body, "manifest", message->manifest);
	if (message->type == RAIN_MESSAGE_FINISHED) {
		failed |= json_object_set_new(body, "outcome", json_string(rain_outcome_name(message->outcome)));
		failed |= message->outputs ? json_object_set(body, "outputs", message->outputs)
					   : json_object_set_new(body, "outputs", json_array());
	}
	if (failed) {
		json_decref(body);
		return NULL;
	}
	return body;
}

json_t *rain_message_encode(const struct rain_message *message, struct rain_error *err)
{
	struct rain_message check;
	json_t *body = encode(message);

	if (!body) {
		rain_error_set(err, "message %s can't be encoded: a field is missing or is no UTF-8",
			       rain_message_name(message->type));
		return NULL;
	}
	if (rain_message_parse(message->type, body, &check, err)) {
		json_decref(body);
		return NULL;
	}
	rain_message_release(&check);
	return body;
}
