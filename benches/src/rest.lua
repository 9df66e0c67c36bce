-- For wrk: every request creates a job.
wrk.method = "POST"
wrk.body = '{"name":"noop","data":' .. os.getenv("PAYLOAD") .. '}'
wrk.headers["Content-Type"] = "application/json"
