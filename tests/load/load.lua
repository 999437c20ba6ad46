-- One script for every scenario. Arguments after `--`: method, a tag that makes this round's
-- bodies unique, the body, how many other paths and bodies are sent in turn with the first and
-- these, then names and values of headers. In a body `@N@` becomes the tag
-- with the number of the thread and of the request, so that no body is ever sent twice. In a
-- header `@T@` becomes a number from 1 to 500, another for each request.
local TENANTS = 500
local threads = 0

function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

function init(args)
  local method, tag, body, others = args[1], args[2], args[3], tonumber(args[4])
  local targets = { { nil, body } }
  for i = 1, others do
    targets[i + 1] = { args[3 + 2 * i], args[4 + 2 * i] }
  end
  local headers = {}
  for i = 5 + 2 * others, #args, 2 do
    headers[args[i]] = args[i + 1]
  end
  for name, value in pairs(headers) do
    if value:find("@T@", 1, true) then
      local ready = {}
      for i = 1, TENANTS do
        headers[name] = value:gsub("@T@", tostring(i))
        ready[i] = wrk.format(method, nil, headers)
      end
      local sent = thread_number * 251
      request = function()
        sent = sent + 1
        return ready[sent % TENANTS + 1]
      end
      return
    end
  end
  local makers = {}
  for i, target in ipairs(targets) do
    makers[i] = maker(method, target[1], target[2], headers, tag .. "-" .. thread_number .. "-")
  end
  local sent = 0
  request = function()
    sent = sent + 1
    return makers[sent % #makers + 1](sent)
  end
end

-- Gives a function that makes the request of a number.
function maker(method, path, body, headers, prefix)
  local before, after = body:match("^(.-)@N@(.*)$")
  if before == nil then
    local fixed = wrk.format(method, path, headers, body ~= "" and body or nil)
    return function()
      return fixed
    end
  end
  return function(number)
    return wrk.format(method, path, headers, before .. prefix .. number .. after)
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nresult {"requests":%d,"microseconds":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,'
      .. '"refused":%d,"broken":%d,"timeouts":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write, errors.timeout
  ))
end
