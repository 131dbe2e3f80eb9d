#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# rain simulate: what it says of bad workloads and options, and that nothing but the workload and
# the seed decides what comes out.
load helper

simulate() { on alpha ada "cd ~ && ulimit -v 400000 && $*"; }

row() { echo "$1 $2 -1 $3 $4 -1 -1 $4 $5 -1 1 $((1 + $1 % 3)) -1 -1 -1 -1 -1 -1"; } # ID SUBMIT RUN PROCS LIMIT

setup_file() {
	for i in $(seq 1 60); do row "$i" $((i * 40)) $((100 + i * 37 % 900)) $((1 + i * 5 % 8)) 3600; done |
		"$TRAINER" exec alpha --user ada sh -c 'cat >~/one.swf; sed "s/ 3600 / 1800 /" ~/one.swf >~/two.swf'
}

teardown_file() { on alpha ada "rm -f ~/*.swf ~/*.gz ~/*.svg ~/*.csv ~/*.json"; }

@test "what is wrong with a line is said, with its number" {
	simulate '{ head -n 3 one.swf; echo 4 160 0 10 2; } >bad.swf'
	run -1 simulate 'rain simulate bad.swf:8 2>&1'
	[[ $output == *"bad.swf: line 4: 5 fields where the format has 18"* ]]
	simulate '{ head -n 2 one.swf; sed -n "3s/^3 120/3 -120/p" one.swf; } >bad.swf'
	run -1 simulate 'rain simulate bad.swf:8 2>&1'
	[[ $output == *"bad.swf: line 3: submitted at -120 s"* ]]
	simulate '{ head -n 2 one.swf; sed -n "3s/3600/hour/p" one.swf; } >bad.swf'
	run -1 simulate 'rain simulate bad.swf:8 2>&1'
	[[ $output == *"bad.swf: line 3: field 9, 'hour"* ]]
}

@test "what the format allows is counted: rows out of order, without a run time, over their limit" {
	simulate '{ tac one.swf; echo "61 9000 -1 -1 2 -1 -1 2 60 -1 5 1 -1 -1 -1 -1 -1 -1"; echo "62 9001 -1 90 2 -1 -1 2 60 -1 1 1 -1 -1 -1 -1 -1 -1"; } >odd.swf'
	run -0 --separate-stderr simulate 'rain simulate --csv odd.swf:8'
	[[ $stderr == *"59 rows out of order (sorted), 1 left out (no run time or processors), 1 ran over their limit"* ]]
	[[ $output == *$'\n'isolated,all,61,* || $output == *$'\n'isolated,*,61,* ]]
}

@test "a gzip that was cut off is an error that says how far it was good" {
	simulate "awk 'BEGIN { srand(1); for (i = 1; i <= 20000; i++) print i, i * 40, -1, int(rand() * 90000) + 1, 2, -1, -1, 2, 100000, -1, 1, 1, -1, -1, -1, -1, -1, -1 }' | gzip >whole.swf.gz"
	simulate 'head -c 100000 whole.swf.gz >half.swf.gz; head -c 30 whole.swf.gz >stub.swf.gz'
	run -0 simulate 'rain simulate whole.swf.gz:8 2>&1'
	run -1 simulate 'rain simulate half.swf.gz:8 2>&1'
	[[ $output =~ half.swf.gz:\ after\ line\ [1-9][0-9]+:\ truncated ]]
	run -1 simulate 'rain simulate stub.swf.gz:8 2>&1'
	[[ $output == *"can't open stub.swf.gz: truncated"* ]]
}

@test "a line of 10 GB needs no memory, from a pipe and out of a gzip" {
	run -1 simulate 'head -c 10G /dev/zero | tr "\0" 1 | rain simulate /dev/stdin:8 2>&1'
	[[ $output == *"/dev/stdin: line 1: longer than 4096 bytes"* ]]
	# 1024 members of 10 MiB each
	simulate 'head -c 10M /dev/zero | tr "\0" 1 | gzip >part.gz; cat $(yes part.gz | head -n 1024) >long.swf.gz'
	run -1 simulate 'rain simulate long.swf.gz:8 2>&1'
	[[ $output == *"long.swf.gz: line 1: longer than 4096 bytes"* ]]
}

@test "the order of clusters on the command line changes nothing, nor does the hour" {
	for options in '' '--plan=predict --order=fcfs' '--owners-evict --stale=30 --cuts=1:0.5'; do
		a=$(simulate "rain simulate --csv $options --policy=isolated,duplicate,merged,clever one.swf:8 two.swf:9 gen:12,name=made,jobs=200")
		b=$(simulate "rain simulate --csv $options --policy=isolated,duplicate,merged,clever gen:12,name=made,jobs=200 two.swf:9 one.swf:8")
		[ "$a" = "$b" ]
		[ "$(wc -l <<<"$a")" = 17 ]
	done
	c=$(simulate "rain simulate --csv --seed=2 --owners-evict --stale=30 --cuts=1:0.5 --policy=isolated,duplicate,merged,clever one.swf:8 two.swf:9 gen:12,name=made,jobs=200")
	[ "$a" != "$c" ] # the seed decides
}

@test "JSON, a plot and each job's place and time" {
	run -0 simulate 'rain simulate --json --plot=plot.svg --jobs=jobs.csv one.swf:8 two.swf:9 >out.json; python3 - <<"END"
import csv, json
from xml.dom import minidom
policies = json.load(open("out.json"))["policies"]
assert [p["policy"] for p in policies] == ["isolated", "clever"]
assert all(p["jobs"] == 120 and len(p["clusters"]) == 2 for p in policies)
assert minidom.parse("plot.svg").documentElement.tagName == "svg"
jobs = list(csv.DictReader(open("jobs.csv")))
assert len(jobs) == 240
assert all(int(j["END"]) >= int(j["START"]) + 1 and int(j["START"]) >= int(j["SUBMIT"]) for j in jobs)
assert all(j["CLUSTER"] == j["WHERE"] for j in jobs if j["POLICY"] == "isolated")
END'
}

@test "wrong options are refused with exit code 2, what can't be done with 1" {
	for options in '' '--policy' '--order=lifo one.swf:8' '--stale=200 one.swf:8' '--cuts=5 one.swf:8' '--nonsense one.swf:8'; do
		run -2 simulate "rain simulate $options 2>&1"
		[ -n "$output" ]
	done
	run -1 simulate 'rain simulate --policy=greedy one.swf:8 2>&1'
	[[ $output == *greedy* ]]
	run -1 simulate 'rain simulate --plot=/nonexistent/x.svg one.swf:8 2>&1'
	[[ $output == *"can't write /nonexistent/x.svg"* ]]
	run -1 simulate 'rain simulate one.swf:8 one.swf:8 2>&1'
	[[ $output == *"two clusters are called one"* ]]
	run -1 simulate 'rain simulate one.swf 2>&1' # no header says how many processors
	[[ $output == *processors* ]]
}
