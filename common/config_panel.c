// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/config_panel.h"

#include <stdlib.h>
#include <string.h>

#define PINS_OF_A_PORT 8

static int read_pin(const char *text, int *pin, struct rain_error *why)
{
	*pin = RAIN_CONFIG_NO_PIN;
	if (*text == '\0')
		return 0;
	if ((text[0] != 'A' && text[0] != 'B') || text[1] < '0' || text[1] > '7' || text[2] != '\0')
		return rain_error_set(why, "'%.20s' is no pin: allowed are \"A0\" to \"A7\", "
					   "\"B0\" to \"B7\", and \"\" for none",
				      text);
	*pin = (text[0] == 'B' ? PINS_OF_A_PORT : 0) + text[1] - '0';
	return 0;
}

static int read_pins(cfg_t *section, struct rain_config *config, const char **key,
		     struct rain_error *why)
{
	unsigned used = 0;

	*key = "led-pins";
	if (cfg_size(section, *key) != RAIN_CONFIG_PANEL_LEDS)
		return rain_error_set(why, "name five pins: boot, network, temp, user1, user2");
	for (unsigned i = 0; i <= RAIN_CONFIG_PANEL_LEDS; i++) {
		bool led = i < RAIN_CONFIG_PANEL_LEDS;
		int *pin = led ? &config->panel.led_pins[i] : &config->panel.switch_pin;
		const char *text;

		if (!led)
			*key = "switch-pin";
		text = led ? cfg_getnstr(section, *key, i) : cfg_getstr(section, *key);
		if (read_pin(text, pin, why) < 0)
			return -1;
		if (*pin != RAIN_CONFIG_NO_PIN && (used & 1u << *pin))
			return rain_error_set(why, "pin %s has another task already", text);
		if (*pin != RAIN_CONFIG_NO_PIN)
			used |= 1u << *pin;
	}
	return 0;
}

/* A name is one directory of /sys/class/leds. */
static int read_names(cfg_t *section, struct rain_config *config, const char **key,
		      struct rain_error *why)
{
	unsigned count;

	*key = "led-names";
	count = cfg_size(section, *key);
	if (count > 0 && count != RAIN_CONFIG_PANEL_LEDS)
		return rain_error_set(why, "give five names (\"\" for none): boot, network, temp, "
					   "user1, user2");
	for (unsigned i = 0; i < RAIN_CONFIG_PANEL_LEDS; i++) {
		const char *name = count > 0 ? cfg_getnstr(section, *key, i) : "";

		if (strchr(name, '/') || name[0] == '.' || strlen(name) > 63)
			return rain_error_set(why, "'%.64s' is no name in /sys/class/leds", name);
		config->panel.led_names[i] = strdup(name);
		if (!config->panel.led_names[i])
			return rain_error_set(why, "no memory");
	}
	return 0;
}

static int read_web(cfg_t *section, struct rain_config *config, const char **key,
		    struct rain_error *why)
{
	static const char *const names[] = {"nobody", "administrators", "everybody"};
	const char *text;
	char *host, *port;

	*key = "web-listen";
	text = cfg_getstr(section, *key);
	config->panel.web_listen = strdup(text);
	if (!config->panel.web_listen)
		return rain_error_set(why, "no memory");
	if (rain_config_address_split(text, &host, &port, why) < 0)
		return -1;
	free(host);
	free(port);
	*key = "web-names";
	text = cfg_getstr(section, *key);
	for (int i = 0; i < 3; i++) {
		config->panel.web_names = (enum rain_config_web_names)i;
		if (strcmp(text, names[i]) == 0)
			return 0;
	}
	return rain_error_set(why, "allowed is \"nobody\", \"administrators\" or \"everybody\"");
}

/* The first of the host list `nodes` ("node[01-08],x" has node01), in a new string; "" when
 * there is none.  libslurm, which could tell, is too large for rain-paneld. */
static char *first_node(const char *nodes)
{
	char *first = calloc(1, strlen(nodes) + 1);
	size_t length = 0;

	if (!first)
		return NULL;
	while (*nodes && *nodes != ',') {
		if (*nodes != '[') {
			first[length++] = *nodes++;
			continue;
		}
		nodes++;
		while (*nodes >= '0' && *nodes <= '9')
			first[length++] = *nodes++;
		nodes += strcspn(nodes, "]");
		if (*nodes)
			nodes++;
	}
	return first;
}

static int read_keeper(cfg_t *section, struct rain_config *config, const char **key,
		       struct rain_error *why)
{
	const char *name;

	*key = "code-keeper";
	name = cfg_getstr(section, *key);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
	    strlen(name))
		return rain_error_set(why, "'%.64s' is not the name of one node", name);
	config->panel.code_keeper =
		*name ? strdup(name) : first_node(config->panel.nodes ? config->panel.nodes : "");
	return config->panel.code_keeper ? 0 : rain_error_set(why, "no memory");
}

int rain_config_panel_hardware(cfg_t *section, struct rain_config *config, const char **key,
			       struct rain_error *why)
{
	*key = "i2c-bus";
	config->panel.i2c_bus = cfg_getint(section, *key);
	if (config->panel.i2c_bus < 0 || config->panel.i2c_bus > 255)
		return rain_error_set(why, "is %lld, allowed is 0 to 255",
				      (long long)config->panel.i2c_bus);
	*key = "i2c-address";
	config->panel.i2c_address = cfg_getint(section, *key);
	if (config->panel.i2c_address < 0x20 || config->panel.i2c_address > 0x27)
		return rain_error_set(why, "is 0x%llx, an MCP23017 can be 0x20 to 0x27",
				      (long long)config->panel.i2c_address);
	config->panel.leds_active_low = cfg_getbool(section, "led-active-low");
	config->panel.switch_active_low = cfg_getbool(section, "switch-active-low");
	config->panel.switch_pull_up = cfg_getbool(section, "switch-pull-up");
	if (read_pins(section, config, key, why) < 0)
		return -1;
	if (read_names(section, config, key, why) < 0)
		return -1;
	if (read_web(section, config, key, why) < 0)
		return -1;
	return read_keeper(section, config, key, why);
}
