-- Posts what it is given in turn, and ends with one line of JSON. A file has lines of headers, an empty
-- line, and the body.
--   wrk ... -s post.lua URL -- FILE ...
local requests, turn, status = {}, 0, {}

function init(args)
  for place = 1, #args do
    local file = assert(io.open(args[place], "rb"))
    local head, body = file:read("*a"):match("^(.-)\r\n\r\n(.*)$")
    file:close()
    local headers = {}
    for name, value in head:gmatch("([^:\r\n]+): ([^\r\n]*)") do
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
