-- Asks the broker about a request; refuses it as the broker says, or puts the token on it. See haproxy.cfg beside this file.

local BROKER = "http://127.0.0.1:8090/"
-- Fields of its answer that go on the request: "authorization", unless the route says "inject" or "headers".
local GRANTED = { "authorization" }
-- Longer than the 10s that a request waits for a token. Milliseconds.
local TIMEOUT = 15000

-- What of the client's own goes further than here, as it came: its credentials, and what some servers take for the method.
local ASKED_WITH = { "authorization", "x-http-method-override", "x-http-method", "x-method-override" }

-- All else that the broker is told is what HAProxy itself has read.
local function question(txn)
  local headers = {
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
  }
  local given = txn.http:req_get_headers()
  for _, name in ipairs(ASKED_WITH) do
    -- Lua of HAProxy counts lines from 0. Two lines stay two, and the broker refuses them.
    for _, line in pairs(given[name] or {}) do
      headers[name] = headers[name] or {}
      table.insert(headers[name], line)
    end
  end
  return { url = BROKER, headers = headers, timeout = TIMEOUT }
end

local function refuse(txn, answer)
  local reply = txn:reply({ status = answer.status })
  for _, name in ipairs({ "content-type", "www-authenticate", "retry-after", "proxy-status", "allow" }) do
    local values = answer.headers[name]
    if values ~= nil then reply:add_header(name, values[0]) end
  end
  reply:set_body(answer.body)
  txn:done(reply)
end

core.register_action("token-broker", { "http-req" }, function(txn)
  local answer = core.httpclient():get(question(txn))
  if answer == nil or answer.status == nil or answer.status < 200 then return end
  if answer.status ~= 200 then return refuse(txn, answer) end
  -- What was meant for the broker goes no further, and nothing of the client's stands where the broker gave nothing.
  txn.http:req_del_header("authorization")
  for _, name in ipairs(GRANTED) do
    txn.http:req_del_header(name)
    local values = answer.headers[name]
    if values ~= nil then txn.http:req_set_header(name, values[0]) end
  end
  txn:set_var("txn.token_broker", "granted")
end)
