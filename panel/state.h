/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_STATE_H
#define RAIN_PANEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "panel/notice.h"
#include "panel/pattern.h"

/*
 * What one node knows about itself, as far as its panel shows it.  Pure: all
 * times are milliseconds of one monotonic clock, handed in by the caller.
 */

enum rain_panel_mode {
	RAIN_PANEL_STATUS, /* boot, network, temp, user1, user2 */
	RAIN_PANEL_LOAD,   /* the five LEDs are a bar of the load */
};

enum rain_panel_network {
	RAIN_PANEL_NETWORK_DOWN,    /* no link, or no address */
	RAIN_PANEL_NETWORK_NO_HEAD, /* link and address, the head is silent */
	RAIN_PANEL_NETWORK_OK,
};

enum rain_panel_temperature {
	RAIN_PANEL_TEMPERATURE_UNKNOWN, /* no sensor */
	RAIN_PANEL_TEMPERATURE_OK,
	RAIN_PANEL_TEMPERATURE_HOT,  /* too hot to run at full speed */
	RAIN_PANEL_TEMPERATURE_SLOW, /* cool, and yet not at full speed */
};

/* What a job's own program wants of a LED (`rain led`). */
enum rain_panel_drive_show {
	RAIN_DRIVE_AUTO, /* nothing: the owner's pattern */
	RAIN_DRIVE_OFF,
	RAIN_DRIVE_ON,
	RAIN_DRIVE_BLINK, /* number: times per second */
	RAIN_DRIVE_CODE,  /* number: short flashes, then a pause, over and over */
};

#define RAIN_DRIVE_RATE_MAX 10
#define RAIN_DRIVE_CODE_MAX 9

struct rain_panel_drive {
	enum rain_panel_drive_show show;
	unsigned int number;
	int64_t since_ms;
	uint64_t order; /* who spoke last */
};

struct rain_panel_job {
	uint32_t id;
	uid_t uid;
	enum rain_panel_kind kind;
	char peer[RAIN_PANEL_PEER_MAX + 1];
	int64_t since_ms; /* may be negative: it began before the clock */
	unsigned int pattern;
	struct rain_panel_drive drive[2]; /* user1, user2 */
};

/* More jobs than a small node has CPUs; a bound, not a wish. */
#define RAIN_PANEL_JOBS_MAX 64

struct rain_panel_state {
	enum rain_panel_mode mode;
	bool booted;
	enum rain_panel_network network;
	enum rain_panel_temperature temperature;
	int64_t millidegrees;	   /* the hottest zone; 0: not known */
	int64_t clock_khz;	   /* the slowest core; 0: not known */
	unsigned int load_percent; /* of all cores; may exceed 100 */
	struct rain_panel_job jobs[RAIN_PANEL_JOBS_MAX]; /* oldest first */
	size_t job_count;
	/* Since when the present set of owners plays, by kind: a newcomer's first
	 * flash comes at once, and on all nodes of his job together. */
	int64_t epoch_ms[2];
	struct rain_pattern_owners owners;
	uint64_t drive_order;
	/* Until then all LEDs are tried one by one, and then together; 0: no. */
	int64_t self_test_until_ms;
	/* Until then all LEDs blink, so that somebody finds the board; 0: no. */
	int64_t identify_until_ms;
};

#define RAIN_PANEL_SELF_TEST_MS 1000

void rain_panel_state_init(struct rain_panel_state *state, enum rain_panel_mode mode);

/* A job took this node at since_ms (usually now_ms). Returns 1 when the state
 * changed, 0 when the job was known already, -1 with err when
 * RAIN_PANEL_JOBS_MAX are here.  A known id with another owner replaces the
 * old job: ids are used again.  A peer's name learnt later is taken over. */
int rain_panel_state_start(struct rain_panel_state *state, const struct rain_panel_notice *notice,
			   int64_t since_ms, int64_t now_ms, struct rain_error *err);

/* A job left. Returns 1, or 0 when it was not here. */
int rain_panel_state_end(struct rain_panel_state *state, uint32_t job, int64_t now_ms);

/* The owner who plays here and about whom the keeper of patterns is to be asked
 * first; *at_ms says when. False when nobody plays. */
bool rain_panel_state_question(const struct rain_panel_state *state, uid_t *uid, int64_t *at_ms);

/* The keeper's word on an owner. True when a pattern that plays here changed. */
bool rain_panel_state_learn(struct rain_panel_state *state, uid_t uid, unsigned int pattern,
			    int64_t now_ms);

/* The job, borrowed until the next change; NULL when it is not here. */
const struct rain_panel_job *rain_panel_state_find(const struct rain_panel_state *state,
						   uint32_t job);

/* A job's program drives user LED 0 or 1; it stays so until the job ends or says
 * "auto".  Of several jobs, the one that spoke last is seen. Returns 1 when
 * the state changed, 0 when it was so already, -1 with err when the job is not
 * here or a number is out of bounds. */
int rain_panel_state_drive(struct rain_panel_state *state, uint32_t job, unsigned int led,
			   enum rain_panel_drive_show show, unsigned int number, int64_t now_ms,
			   struct rain_error *err);

/* The job whose program drives user LED 0 or 1 at present; NULL: none. */
const struct rain_panel_job *rain_panel_state_driver(const struct rain_panel_state *state,
						     unsigned int led);

/* "unknown", "ok", "hot" or "slow". */
const char *rain_panel_temperature_name(enum rain_panel_temperature temperature);

/* "status" or "load"; and back, 0 or -1. */
const char *rain_panel_mode_name(enum rain_panel_mode mode);
int rain_panel_mode_parse(const char *name, enum rain_panel_mode *mode);

#endif
