#!/bin/sh
# Runs JobFlow jobs as a command: the payload comes in, the result goes out.
#
#     jobflow-worker --handler 'resize=exec:sh examples/curl/handler.sh'
set -eu
payload=$(cat)

case $payload in
  *'"files"'*) ;;
  *)
    echo "the payload has no files" >&2
    exit 65 # No later attempt would go better.
    ;;
esac

# Lines here are the job's log, and this one its progress.
echo "attempt $JOBFLOW_ATTEMPT of $JOBFLOW_JOB_ID" >&2
echo "JOBFLOW_PROGRESS 50 half way" >&2
printf '{"bytes": %d, "attempt": %d}' "$(printf %s "$payload" | wc -c)" "$JOBFLOW_ATTEMPT"
