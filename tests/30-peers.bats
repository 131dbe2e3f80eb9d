#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Peers know each other by their keys; strangers don't get past the handshake.
load helper

bravo_gateway() { on bravo root "sed -n 's/.*addresses = {\"\\(.*\\)\"}.*/\\1/p' /etc/rain/rain.conf"; }

# knock TLS-OPTIONS: asks bravo's gateway for its card, from alpha's head
knock() {
	on alpha ada "cd \$(mktemp -d) && openssl req -x509 -newkey ed25519 -nodes -keyout key -out cert -days 1 -subj /CN=stranger 2>/dev/null &&
		{ printf 'GET /v1/card HTTP/1.1\r\nHost: bravo\r\n\r\n'; sleep 2; } |
		timeout 10 openssl s_client -connect $(bravo_gateway) $1 -ign_eof 2>&1"
}

@test "alpha and bravo list each other" {
	run -0 on alpha ada "rain peer list"
	[[ $output == *bravo* ]]
	run -0 on bravo root "rain peer list --json"
	[[ $output == *'"alpha"'* ]]
}

# A refusal in the handshake is an alert, or the end of the connection, before any HTTP.
refused() { [[ $output =~ alert|"unexpected eof"|"Cipher is (NONE)"|"Cipher    : 0000" && $output != *HTTP/1.1* ]]; }

@test "an unknown key is refused in the TLS handshake" {
	run knock "-tls1_3 -cert cert -key key"
	refused
	run -0 on bravo root "cat /var/log/rain/gatewayd.log"
	[[ $output == *"unknown key"* ]]
}

@test "no key at all is refused in the TLS handshake" {
	run knock "-tls1_3"
	refused
}

@test "TLS 1.2 is refused" {
	run knock "-tls1_2"
	refused
}

@test "plain HTTP gets no answer" {
	address=$(bravo_gateway)
	run on alpha ada "exec 3<>/dev/tcp/${address/://}; printf 'GET /v1/card HTTP/1.1\r\n\r\n' >&3; timeout 5 cat <&3"
	[[ $output != *HTTP/1.1\ 200* ]]
}

@test "only administrators invite" {
	run on alpha ada "rain peer invite"
	[ "$status" -eq 1 ]
	[[ $output != *rain-peer1:* ]]
}

@test "what is no invitation, is one's own, or was used, is refused with a sentence" {
	run on bravo root "rain peer accept hello"
	[ "$status" -ne 0 ]
	[[ $output == *invitation* ]]
	own=$(on alpha root "rain peer invite" | grep '^rain-peer1:')
	run on alpha root "rain peer accept '$own'"
	[ "$status" -ne 0 ]
	run on bravo root "rain peer accept '${own%??????????}'"
	[ "$status" -ne 0 ]
}
