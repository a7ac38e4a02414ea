#!/bin/sh
# Runs a server in a process group of its own until standard input ends, as it does however the
# caller ends, be it by `kill -9`; then ends the whole group.
#
# usage: guard.sh LOG COMMAND...    (LOG.ended appears if the server ends by itself)
log=$1
shift
rm -f "$log.ended"
# A group leader can't begin a session: a job in the background is none.
setsid sh -c 'log=$1; shift; "$@"; echo "exit code $?" >"$log.ended"' guarded "$log" "$@" \
    </dev/null >"$log" 2>&1 &
group=$!
trap '' INT TERM HUP
cat >/dev/null
kill -s TERM -- "-$group" 2>/dev/null
tries=0
while [ $tries -lt 30 ] && kill -s 0 -- "-$group" 2>/dev/null; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -s KILL -- "-$group" 2>/dev/null
wait
