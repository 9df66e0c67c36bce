#!/bin/sh
# Submits a JobFlow job by curl, and asks for it until it is final.
#
#     sh examples/curl/producer.sh http://127.0.0.1:4000
set -eu
server=${1:-http://127.0.0.1:4000}

# The same again under this key is the same job.
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
location=$(curl --fail-with-body --silent --show-error --dump-header - "$server/jobs" \
  --header 'content-type: application/json' --header "idempotency-key: $key" \
  --data '{"name": "resize", "data": {"files": ["a.png", "b.png"]}}' |
  tr -d '\r' | sed -n 's/^[Ll]ocation: //p')

while :; do
  job=$(curl --fail-with-body --silent --show-error "$server$location")
  case $job in
    *'"status":"completed"'* | *'"status":"failed"'* | *'"status":"cancelled"'*) break ;;
  esac
  sleep 0.2
done
echo "$job"
