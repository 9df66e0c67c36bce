#!/bin/sh
# Installs a package, checks its units, starts what they start, has a job run, and
# removes it again. As root: `cargo xtask package --try`.
set -eu
package=$1
units="/lib/systemd/system/jobflow-server.service /lib/systemd/system/jobflow-worker@.service"
files="/usr/bin/jobflow-server /usr/bin/jobflow-worker /usr/bin/jobflow-cli $units /etc/jobflow/server.env"
work=$(mktemp --directory)
pids=

finish() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  wait
  dpkg --purge jobflow >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

wait_for() { # what, command…
  what=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || { echo "error: no $what" >&2; cat "$work"/*.log >&2; exit 1; }
    sleep 0.2
  done
}

# The command of a unit, with its variables in place.
command_of() { sed -n 's/^ExecStart=//p' "$1"; }

dpkg --install "$package"
for file in $files; do [ -e "$file" ] || { echo "error: $file is missing" >&2; exit 1; }; done

if command -v systemd-analyze >/dev/null; then
  # A template is checked as one of its units.
  mkdir "$work/units"
  cp /lib/systemd/system/jobflow-server.service "$work/units/"
  cp /lib/systemd/system/jobflow-worker@.service "$work/units/jobflow-worker@trial.service"
  systemd-analyze verify --man=no "$work"/units/*.service
  for unit in "$work"/units/*.service; do
    systemd-analyze security --offline=true --no-pager --threshold=40 "$unit" | tail -1
  done
fi

port=$((20000 + $$ % 20000))
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' >"$work/redis.log" &
pids="$pids $!"
wait_for redis-server redis-cli -p "$port" ping
export JOBFLOW_REDIS_URL="redis://127.0.0.1:$port/"

JOBFLOW_LISTEN=127.0.0.1:0 $(command_of /lib/systemd/system/jobflow-server.service) 2>"$work/server.log" &
server=$!
pids="$pids $server"
wait_for server grep -q 'ready on http' "$work/server.log"
address=$(sed -n 's/.*ready on \(http[^ ]*\).*/\1/p' "$work/server.log")

# As systemd does it: split at spaces, and not expanded.
set -f
JOBFLOW_WORKER_FLAGS='--listen 127.0.0.1:0 --handler *=exec:cat'
eval "set -- $(command_of /lib/systemd/system/jobflow-worker@.service | sed 's/\$JOBFLOW_WORKER_FLAGS/$JOBFLOW_WORKER_FLAGS/')"
"$@" 2>"$work/worker.log" &
worker=$!
set +f
pids="$pids $worker"

/usr/bin/jobflow-cli --server "$address" submit echo --data '{"a": 1}' --wait
kill -TERM "$worker" "$server"
wait "$worker"
wait "$server"

dpkg --purge jobflow
for file in $files; do [ ! -e "$file" ] || { echo "error: $file was left behind" >&2; exit 1; }; done
echo "the package was installed, used and removed"
