#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two gateways of two clusters on loopback, each with its own database in a
# throw-away PostgreSQL: strangers, invitations, messages through kill -9,
# blobs that resume, a dead database.
. "${srcdir:-.}/accounting/test/postgres.sh"

declare -A pid port agent_port conf
rpc=./tests/rain-rpc
daemon=./federation/test/counting_gatewayd
peer_command=./rain-peer

stop_all() {
	local cluster
	for cluster in "${!pid[@]}"; do
		[ -z "${pid[$cluster]}" ] || kill -9 "${pid[$cluster]}" 2>/dev/null
		[ -z "${KEEP_LOGS:-}" ] || cp "$work/$cluster/log" "$KEEP_LOGS/$cluster.log"
	done
	cleanup
}

start() { # CLUSTER
	"$daemon" "${conf[$1]}" 2>>"$work/$1/log" &
	pid[$1]=$!
	wait_until is_ready "$1"
}

is_ready() { ask "$1" '{"op":"peer-list"}' >/dev/null 2>&1; }

kill_hard() { # CLUSTER
	kill -9 "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null
	pid[$1]=
}

ask() { "$rpc" "$work/$1/control.sock" "$2"; } # CLUSTER REQUEST

query() { # CLUSTER STATEMENT
	PGOPTIONS='-c client_min_messages=warning' psql -XqAt -v ON_ERROR_STOP=1 -U postgres -d "$1" -c "$2"
}

peer() { # CLUSTER ARGUMENT...
	local cluster=$1
	shift
	"$peer_command" --config "${conf[$cluster]}" "$@"
}

refuses() { # WORDS COMMAND...: it fails, and its sentence has the words
	local words=$1 answer
	shift
	if answer=$("$@" 2>&1); then
		fail "this was not refused: $*: $answer"
	fi
	[[ $answer == *"$words"* ]] || fail "refused, but not with '$words': $answer"
	echo "ok: refused with '$words'"
}

make_cluster() { # CLUSTER PORT ADDRESSES
	local cluster=$1
	port[$cluster]=$2
	agent_port[$cluster]=$(free_port)
	conf[$cluster]=$work/$cluster/rain.conf
	mkdir "$work/$cluster"
	./rain-migrate --database "dbname=$cluster user=postgres" --sql-dir "$work/sql" >/dev/null ||
		fail "rain-migrate failed"
	query "$cluster" 'CREATE TABLE federation.test_received (at bigint GENERATED ALWAYS AS IDENTITY,
		peer text, n bigint); GRANT SELECT, INSERT ON federation.test_received TO "rain-gw"'
	cat >"${conf[$cluster]}" <<-CONF
		cluster { name = "$cluster" }
		gateway {
			database = "dbname=$cluster host=$work/pg user=rain-gw"
			listen = "127.0.0.1:$2"
			addresses = {$3}
			agent-listen = "127.0.0.1:${agent_port[$cluster]}"
			state = "$work/$cluster/state"
			socket = "$work/$cluster/gateway.sock"
			control = "$work/$cluster/control.sock"
		}
	CONF
}

# A port that nobody listens on.
free_port() {
	local candidate
	while :; do
		candidate=$((20000 + RANDOM % 20000))
		(: <"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
	done
	echo "$candidate"
}

received() { # CLUSTER PEER: how many, how many different, from, to, in order?
	query "$1" "SELECT count(*), count(DISTINCT n), coalesce(min(n), 0), coalesce(max(n), 0),
		coalesce(bool_and(ordered), true) FROM (SELECT n, n > coalesce(lag(n) OVER (ORDER BY at), 0)
		AS ordered FROM federation.test_received WHERE peer = '$2') r"
}
received_is() { [ "$(received "$1" "$2")" = "$3" ]; }
received_some() { [ "$(query "$1" "SELECT count(*) >= $3 FROM federation.test_received WHERE peer = '$2'")" = t ]; }
outbox_is_empty() { [ "$(query "$1" 'SELECT count(*) FROM federation.outbox')" = 0 ]; }

post() { ask "$1" "{\"op\":\"post\",\"peer\":\"$2\",\"from\":$3,\"to\":$4}" >/dev/null; }

state_of() { # CLUSTER PEER FIELD
	peer "$1" list --json | sed -n "/\"name\": \"$2\"/,/}/p" | grep -c "\"$3\"" >/dev/null
}

move() { # CLUSTER push|pull PEER SHA256: prints how it ended
	local number
	number=$(ask "$1" "{\"op\":\"$2\",\"peer\":\"$3\",\"sha256\":\"$4\"}" | tr -dc 0-9)
	[ -n "$number" ] || fail "no move"
	wait_until ended "$1" "$number"
	move_state "$1" "$number"
}
move_state() { ask "$1" "{\"op\":\"moved\",\"move\":$2}"; }
ended() { # CLUSTER NUMBER; without an answer nothing is known
	local state
	state=$(move_state "$1" "$2") && [[ $state == *'"state"'* && $state != *moving* ]]
}
moves() { # WORDS CLUSTER push|pull PEER SHA256: it ends with these words
	local words=$1 answer cluster
	shift
	answer=$(move "$@")
	[[ $answer == *"$words"* ]] && return
	for cluster in "${!pid[@]}"; do
		sed "s/^/$cluster: /" "$work/$cluster/log" | tail -n 10 >&2
		find "$work/$cluster/state/blobs" -name "$4*" -printf "$cluster: %P %s\n" >&2
	done
	fail "$* ended with '$answer' and not with '$words'"
}

local_put() { # CLUSTER FILE: prints its name
	local sha
	sha=$(sha256sum "$2" | cut -d' ' -f1)
	curl -fsS --unix-socket "$work/$1/gateway.sock" -T "$2" "http://x/v1/blobs/$sha" || fail "no upload"
	echo "$sha"
}

for tool in openssl curl; do
	command -v $tool >/dev/null || skip "$tool isn't installed"
done
pg_create
trap stop_all EXIT
mkdir "$work/sql"
cp "${srcdir:-.}"/accounting/sql/*.sql "${srcdir:-.}"/federation/sql/*.sql "$work/sql"
alpha_port=$(free_port)
make_cluster alpha "$alpha_port" "\"127.0.0.1:$alpha_port\""
bravo_port=$(free_port)
make_cluster bravo "$bravo_port" "\"127.0.0.1:$bravo_port\""
start alpha
start bravo

# ---- strangers ----

cd "$work" || exit 99
openssl req -x509 -newkey ed25519 -nodes -keyout stranger.key -out stranger.crt -days 1 \
	-subj /CN=stranger 2>/dev/null
cd - >/dev/null || exit 99

knock() { # OPTION...: nobody gets an answer in HTTP
	{ printf 'GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n'; sleep 1; } |
		timeout 10 openssl s_client -connect "127.0.0.1:$alpha_port" -ign_eof "$@" 2>&1
}
turned_away() { # WHAT OPTION...
	local what=$1 answer
	shift
	answer=$(knock "$@")
	[[ $answer != *HTTP/1.1* && $answer == *alert* ]] || fail "$what: $answer"
	echo "ok: turned away in the handshake: $what"
}
turned_away "an unknown key" -tls1_3 -cert "$work/stranger.crt" -key "$work/stranger.key"
turned_away "no key" -tls1_3
turned_away "TLS 1.2" -tls1_2

# ---- invitations ----

line=$(peer alpha invite --valid 5m 2>/dev/null)
refuses "own invitation" peer alpha accept "$line"
refuses "no invitation" peer bravo accept hello
refuses "damaged" peer bravo accept "${line%??????}"
refuses "another name" peer bravo accept "$line" --name bravo
peer bravo accept "$line" || fail "joining failed"
peer bravo accept "$line" || fail "joining again after a lost answer failed"
state_of alpha bravo up || fail "alpha doesn't list bravo"
state_of bravo alpha up || fail "bravo doesn't list alpha"
[ "$(query alpha "SELECT name FROM ledger.balance('peer:bravo')")" = peer:bravo ] || fail "no account"
[ "$(query bravo "SELECT name FROM ledger.balance('peer:alpha')")" = peer:alpha ] || fail "no account"
peer alpha list
echo "ok: joined"

charlie_port=$(free_port)
make_cluster charlie "$charlie_port" ""
start charlie
refuses "used by another cluster" peer charlie accept "$line"
refuses "no address" peer charlie invite
short=$(peer alpha invite --valid 1s 2>/dev/null)
sleep 1.2
refuses "ended" peer charlie accept "$short"
refuses "another name" peer charlie accept "$(peer bravo invite --name alpha2 2>/dev/null)" --name charlie

# ---- messages through kill -9 ----

post alpha bravo 1 300 &
poster=$!
wait_until received_some bravo alpha 100
kill_hard bravo
wait $poster || fail "posting failed"
post alpha bravo 301 700 &
poster=$!
start bravo
wait_until received_some bravo alpha 400
wait $poster || fail "posting failed"
kill_hard alpha
start alpha
post alpha bravo 701 1000
wait_until received_is bravo alpha "1000|1000|1|1000|t"
post bravo alpha 1 50
wait_until received_is alpha bravo "50|50|1|50|t"
wait_until outbox_is_empty alpha
echo "ok: 1000 messages through two kill -9: each once, in order"

# A type that nobody knows is skipped, told, and holds nothing up.
ask alpha '{"op":"post","peer":"bravo","type":"riddle","from":1,"to":1}' >/dev/null
post alpha bravo 1001 1001
wait_until received_is bravo alpha "1001|1001|1|1001|t"
[ "$(query bravo "SELECT count(*) FROM federation.refused WHERE type = 'riddle'")" = 1 ] || fail "not recorded"
wait_until grep -q "skipped our message type=riddle" "$work/alpha/log"
ask alpha '{"op":"post","peer":"bravo","from":0,"to":0}' >/dev/null
ask alpha '{"op":"post","peer":"bravo","type":"riddle","from":1,"to":1010}' >/dev/null
post alpha bravo 1002 1002
wait_until received_is bravo alpha "1002|1002|1|1002|t"
seen=$(query bravo "SELECT p.refused, count(*), max(r.seq) - min(r.seq) FROM federation.peer p
	JOIN federation.refused r USING (peer_id) WHERE p.name = 'alpha' GROUP BY p.refused")
[ "$seen" = "1012|1000|999" ] || fail "of 1012 wrong messages in a row the newest 1000 are kept, not $seen"
echo "ok: wrong messages hold nothing up"

# ---- callers of one's own cluster ----

who() { curl -sS --unix-socket "$work/alpha/gateway.sock" http://x/v1/who/me; }
[ "$(who)" = "{\"uid\":$(id -u),\"param\":\"me\"}" ] || fail "the Unix socket knows somebody else: $(who)"
if [ "$(id -u)" = 0 ]; then
	nobody=$(runuser -u nobody -- curl -sS --unix-socket "$work/alpha/gateway.sock" http://x/v1/who/me) ||
		fail "nobody may ask, too"
	[[ $nobody == *":$(id -u nobody),"* ]] || fail "nobody is somebody else: $nobody"
fi
agent() { # PATH [HEADER]
	curl -sS -o "$work/answer" -w '%{http_code}' ${2:+-H "$2"} "http://127.0.0.1:${agent_port[alpha]}$1"
}
[ "$(agent /v1/who/me)" = 401 ] || fail "an agent without a credential"
if credential=$(printf 'GET /v1/who/me?x=1' | munge 2>/dev/null); then
	[ "$(agent /v1/who/you "Authorization: Munge $credential")" = 401 ] || fail "a credential for another path"
	credential=$(printf 'GET /v1/who/me?x=1' | munge)
	[ "$(agent '/v1/who/me?x=1' "Authorization: Munge $credential")" = 200 ] || fail "$(cat "$work/answer")"
	grep -q "\"uid\":$(id -u)," "$work/answer" || fail "munge knows somebody else"
	[ "$(agent '/v1/who/me?x=1' "Authorization: Munge $credential")" = 401 ] || fail "a credential used twice"
	echo "ok: agents show a munge credential for this very request, once"
fi

# ---- a cluster that can't be dialled ----

peer charlie accept "$(peer alpha invite 2>/dev/null)" || fail "charlie can't join"
post alpha charlie 1 200
wait_until received_is charlie alpha "200|200|1|200|t"
post charlie alpha 1 200
wait_until received_is alpha charlie "200|200|1|200|t"
kill_hard charlie
post alpha charlie 201 300
start charlie
wait_until received_is charlie alpha "300|300|1|300|t"
echo "ok: a cluster without an address sends and collects"

# ---- SIGHUP: a new address is told ----

sed -i "s/addresses = {\"127.0.0.1:$bravo_port\"}/addresses = {\"localhost:$bravo_port\", \"127.0.0.1:$bravo_port\"}/" "${conf[bravo]}"
kill -HUP "${pid[bravo]}"
knows_address() { peer "$1" list --json | grep -q "\"$2\""; }
wait_until knows_address alpha "localhost:$bravo_port"
echo "cluster {" >"${conf[charlie]}.wrong"
cp "${conf[charlie]}" "${conf[charlie]}.right"
cp "${conf[charlie]}.wrong" "${conf[charlie]}"
kill -HUP "${pid[charlie]}"
wait_until grep -q "stays as it was" "$work/charlie/log"
cp "${conf[charlie]}.right" "${conf[charlie]}"
echo "ok: SIGHUP changes what peers are told"

# ---- blobs ----

head -c 20000000 /dev/urandom >"$work/blob"
name=$(local_put alpha "$work/blob")
moves '"done"' alpha push bravo "$name"
curl -fsS --unix-socket "$work/bravo/gateway.sock" "http://x/v1/blobs/$name" | cmp - "$work/blob" ||
	fail "another content arrived"
moves '"done"' alpha push bravo "$name"
head -c 30000000 /dev/urandom >"$work/blob"
name=$(local_put bravo "$work/blob")
# As a cut would leave it.
mkdir -p "$work/alpha/state/blobs/partial"
head -c 11111111 "$work/blob" >"$work/alpha/state/blobs/partial/peer-bravo.$name"
moves '"done"' alpha pull bravo "$name"
cmp "$work/alpha/state/blobs/${name:0:2}/$name" "$work/blob" || fail "another content arrived"
head -c 3000000 /dev/urandom >"$work/blob"
name=$(local_put alpha "$work/blob")
head -c 1000000 /dev/urandom >"$work/bravo/state/blobs/partial/peer-alpha.$name"
moves "isn't blob" alpha push bravo "$name" # a wrong part
moves '"done"' alpha push bravo "$name"
nobody=$(printf '%064d' 0)
moves "isn't for you" alpha pull bravo "$nobody"
echo "ok: blobs move, resume, are checked and refused"

# ---- without a database ----

pg_stop immediate
[[ $(ask alpha '{"op":"post","peer":"bravo","from":1003,"to":1003}' 2>&1) == *database* ]] ||
	fail "posting without a database"
refuses "database" peer alpha list
kill -0 "${pid[alpha]}" "${pid[bravo]}" "${pid[charlie]}" || fail "a gateway died of it"
pg_start
posted() { post alpha bravo 1003 1003 2>/dev/null; }
wait_until posted
wait_until received_is bravo alpha "1003|1003|1|1003|t"
echo "ok: a dead database stops nothing for good"

# ---- the end ----

for cluster in alpha bravo charlie; do
	kill -TERM "${pid[$cluster]}"
	wait "${pid[$cluster]}" || fail "$cluster ended with $?"
	pid[$cluster]=
done
echo "ok: all stop when told"
