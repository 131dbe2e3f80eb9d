/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the world of a simulation: sites in a canonical order, and who peers with whom. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/sim_internal.h"

/* Up to so many sites, all peer with all. */
#define MESH_MAX 65
#define PRAISE (INT64_C(1) << 50)

static int by_name(const void *a, const void *b)
{
	const struct rain_site_spec *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static uint64_t hash(const char *text, uint64_t seed)
{
	uint64_t value = seed ^ 0xcbf29ce484222325u; /* FNV-1a */

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 0x100000001b3u;
	return value;
}

static int add_peer(struct sim_site *site, uint32_t peer)
{
	struct sim_peer *peers = reallocarray(site->peers, site->peer_count + 1, sizeof *peers);

	if (!peers)
		return -1;
	site->peers = peers;
	site->peers[site->peer_count++] = (struct sim_peer){.site = peer};
	return 0;
}

static int join(struct rain_sim *sim, uint32_t a, uint32_t b)
{
	if (add_peer(&sim->sites[a], b) < 0 || add_peer(&sim->sites[b], a) < 0)
		return -1;
	sim->sites[a].peers[sim->sites[a].peer_count - 1].back = sim->sites[b].peer_count - 1;
	sim->sites[b].peers[sim->sites[b].peer_count - 1].back = sim->sites[a].peer_count - 1;
	if (sim->sites[a].spec.ring && sim->sites[a].spec.ring == sim->sites[b].spec.ring) {
		/* Receipts for work that nobody did. */
		sim->sites[a].peers[sim->sites[a].peer_count - 1].standing.borrowed = PRAISE;
		sim->sites[b].peers[sim->sites[b].peer_count - 1].standing.borrowed = PRAISE;
	}
	return 0;
}

/* All with all, or each with its next neighbours in the order of names. */
static int make_peers(struct rain_sim *sim)
{
	uint32_t reach = (uint32_t)sim->count - 1;

	if (sim->count > MESH_MAX)
		reach = sim->config.peers_max ? (sim->config.peers_max + 1) / 2 : 8;
	for (uint32_t i = 0; i < sim->count; i++) {
		for (uint32_t step = 1; step <= reach; step++) {
			uint32_t other = i + step;

			if (sim->count <= MESH_MAX && other >= sim->count)
				break;
			other %= (uint32_t)sim->count;
			if (other != i && join(sim, i, other) < 0)
				return -1;
		}
	}
	return 0;
}

static int make_site(struct rain_sim *sim, uint32_t index, const struct rain_site_spec *spec)
{
	struct sim_site *site = &sim->sites[index];

	site->spec = *spec;
	if (site->spec.speed_permille == 0)
		site->spec.speed_permille = 1000;
	if (site->spec.overclaim_percent == 0)
		site->spec.overclaim_percent = 100;
	site->random = hash(spec->name, sim->config.seed);
	rain_easy_init(&site->easy, spec->procs);
	site->predict = rain_predict_create();
	return site->predict ? 0 : -1;
}

static int check(const struct rain_site_spec *sites, size_t count, struct rain_error *err)
{
	if (count == 0)
		return rain_error_set(err, "no clusters to simulate");
	if (count >= NOWHERE / 2)
		return rain_error_set(err, "%zu clusters are too many", count);
	for (size_t i = 0; i < count; i++) {
		if (sites[i].procs <= 0)
			return rain_error_set(err, "%s has no processors", sites[i].name);
		if (i > 0 && !strcmp(sites[i].name, sites[i - 1].name))
			return rain_error_set(err, "two clusters are called %s; give one another name "
					      "with name=", sites[i].name);
	}
	return 0;
}

static int make_sites(struct rain_sim *sim, const struct rain_site_spec *specs)
{
	int32_t total = 0;

	for (uint32_t i = 0; i < sim->count; i++) {
		if (make_site(sim, i, &specs[i]) < 0)
			return -1;
		total += specs[i].procs;
	}
	if (sim->config.kind == RAIN_SIM_MERGED)
		rain_easy_init(&sim->sites[0].easy, total);
	return sim->config.kind == RAIN_SIM_LATE ? make_peers(sim) : 0;
}

struct rain_sim *rain_sim_create(const struct rain_sim_config *config,
				 const struct rain_site_spec *sites, size_t count,
				 struct rain_error *err)
{
	struct rain_site_spec *sorted = count ? calloc(count, sizeof *sorted) : NULL;
	struct rain_sim *sim = calloc(1, sizeof *sim);
	uint32_t most = 1;

	if (!sim || (count && !sorted))
		goto no_memory;
	for (size_t i = 0; i < count; i++)
		sorted[i] = sites[i];
	if (count)
		qsort(sorted, count, sizeof *sorted, by_name);
	if (check(sorted, count, err) < 0)
		goto fail;
	sim->config = *config;
	sim->free_job = NOWHERE;
	sim->sites = calloc(count, sizeof *sim->sites);
	sim->totals.sites = calloc(count, sizeof *sim->totals.sites);
	sim->touched = calloc(count, sizeof *sim->touched);
	if (!sim->sites || !sim->totals.sites || !sim->touched)
		goto no_memory;
	sim->count = count;
	if (make_sites(sim, sorted) < 0)
		goto no_memory;
	for (uint32_t i = 0; i < count; i++)
		if (sim->sites[i].peer_count > most)
			most = sim->sites[i].peer_count;
	sim->capacities = calloc(most, sizeof *sim->capacities);
	sim->indexes = calloc(most, sizeof *sim->indexes);
	sim->offers = calloc(count, sizeof *sim->offers);
	if (!sim->capacities || !sim->indexes || !sim->offers)
		goto no_memory;
	free(sorted);
	return sim;

no_memory:
	rain_error_set(err, "no memory for %zu clusters", count);
fail:
	free(sorted);
	rain_sim_destroy(sim);
	return NULL;
}

void rain_sim_destroy(struct rain_sim *sim)
{
	if (!sim)
		return;
	for (size_t i = 0; i < sim->count; i++) {
		rain_easy_release(&sim->sites[i].easy);
		rain_predict_destroy(sim->sites[i].predict);
		free(sim->sites[i].peers);
	}
	rain_heap_release(&sim->ends);
	rain_heap_release(&sim->arrivals);
	rain_heap_release(&sim->timers);
	free(sim->sites);
	free(sim->totals.sites);
	free(sim->touched);
	free(sim->arrived);
	free(sim->offers);
	free(sim->capacities);
	free(sim->indexes);
	free(sim->jobs);
	free(sim);
}

size_t rain_sim_sites(const struct rain_sim *sim)
{
	return sim->count;
}

const struct rain_site_spec *rain_sim_site(const struct rain_sim *sim, size_t index)
{
	return &sim->sites[index].spec;
}

const struct rain_sim_totals *rain_sim_totals(const struct rain_sim *sim)
{
	return &sim->totals;
}
