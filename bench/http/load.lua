-- Requests with the headers that a model provider's SDK sends. MODE (environment): get, post, close.
local mode = os.getenv("MODE") or "get"
wrk.method = "GET"
wrk.path = "/v1/models?limit=20"
wrk.headers["user-agent"] = "Anthropic/Python 0.49.0"
wrk.headers["accept"] = "application/json"
wrk.headers["accept-encoding"] = "gzip, deflate, br"
wrk.headers["content-type"] = "application/json"
wrk.headers["x-api-key"] = "sk-placeholder-00000000000000000000000000000000000000"
wrk.headers["anthropic-version"] = "2023-06-01"
wrk.headers["x-stainless-lang"] = "python"
wrk.headers["x-stainless-package-version"] = "0.49.0"
wrk.headers["x-stainless-os"] = "Linux"
wrk.headers["x-stainless-arch"] = "x64"
wrk.headers["x-stainless-runtime"] = "CPython"
wrk.headers["x-stainless-runtime-version"] = "3.11.2"
wrk.headers["x-stainless-async"] = "async:asyncio"
if mode == "post" then
  wrk.method = "POST"
  wrk.path = "/v1/messages"
  wrk.body = '{"model":"m","max_tokens":1024,"messages":[{"role":"user","content":"' ..
    string.rep("The quick brown fox jumps over the lazy dog. ", 90) .. '"}]}'
end
if mode == "close" then wrk.headers["connection"] = "close" end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "RESULT {\"requests\":%d,\"microseconds\":%d,\"p50\":%d,\"p99\":%d,\"bad\":%d}\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
