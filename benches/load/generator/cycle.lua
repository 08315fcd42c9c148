-- Cycles through the requests of a file (host, path and cookie, separated by tabs) and prints the outcome as one line.
local requests, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local host, path, cookie = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = { Host = host }
    if cookie ~= "" then headers.Cookie = cookie end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local e = summary.errors
  print(string.format(
    'outcome {"requests":%d,"microseconds":%d,"p50":%.1f,"p99":%.1f,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
