#!/bin/sh
# The restore drill: fills a temporary node, backs it up while writes go on, loses it, restores the backup, and compares
# every event. Prints how long each step took. docs/backup.md explains the commands.
#
#   EVENTS=1000000 docs/restore-drill.sh     about 1 GiB
#
# MAINSTAY names the binary: target/release/mainstay by default.
set -eu

mainstay=${MAINSTAY:-target/release/mainstay}
events=${EVENTS:-50000}
scratch=$(mktemp -d)
node=
trap 'if [ -n "$node" ]; then kill -9 "$node" 2>/dev/null || true; fi; rm -rf "$scratch"' EXIT

# Starts a node on a directory, and waits until it is ready.
start() {
    "$mainstay" serve --data "$1" --listen 127.0.0.1:0 --log-level warn >"$scratch/out" 2>"$scratch/log" &
    node=$!
    until MAINSTAY_URL=$(sed -n 's/^listening on //p' "$scratch/out") && [ -n "$MAINSTAY_URL" ]; do
        kill -0 "$node" || { cat "$scratch/log" >&2; exit 1; }
        sleep 0.1
    done
    export MAINSTAY_URL
    until curl -sf "$MAINSTAY_URL/readyz" >/dev/null; do sleep 0.1; done
}

step() { began=$(date +%s%N); }
took() { echo "$1: $((($(date +%s%N) - began) / 1000000)) ms"; }

# Orders of about 1 KB, in streams of about 100 events.
orders() {
    awk -v from="$1" -v count="$2" 'BEGIN {
        text = "The customer asked for delivery on a weekday, in the afternoon, to the side entrance of the building. "
        for (i = 0; i < 8; i++) note = note text
        for (n = from; n < from + count; n++)
            printf "{\"stream\":\"order-%d\",\"id\":\"%d\",\"source\":\"/shop\",\"type\":\"order.changed\",\"data\":{\"n\":%d,\"total\":%d.50,\"note\":\"%s\"}}\n", n / 100, n, n, n % 997, note
    }'
}

start "$scratch/data"
step; orders 0 "$events" | "$mainstay" import - >/dev/null; took "import of $events events"
for queue in mail reports; do "$mainstay" enqueue "$queue" send '{"to":"a"}' >/dev/null; done
"$mainstay" values put mode open >/dev/null

orders 100000000 20000 | "$mainstay" import - >/dev/null & writer=$!
step; "$mainstay" backup "$scratch/backups"; took "backup while writes go on"
wait "$writer"
step; "$mainstay" backup "$scratch/backups"; took "second backup"
cursor=$("$mainstay" backups list "$scratch/backups" --output jsonl | tail -1 | sed 's/.*"cursor":"\([0-9a-f]*\)".*/\1/')
"$mainstay" read --as-of "$cursor" --output jsonl | sha256sum >"$scratch/before"
"$mainstay" append order-1 order.lost '{}' >/dev/null

kill -9 "$node"; wait "$node" 2>/dev/null || true; node=
rm -rf "$scratch/data"
echo "the node and its data are gone"

step; "$mainstay" restore "$scratch/backups" --data "$scratch/data"; took restore
step; start "$scratch/data"; took start
"$mainstay" read --output jsonl | sha256sum >"$scratch/after"
cmp "$scratch/before" "$scratch/after"
[ "$("$mainstay" values get mode)" = open ]
"$mainstay" queues | grep -q '^reports *1 '
du -sh "$scratch/backups" | sed 's/\t.*/ of backups/'
echo "every event is as it was"
