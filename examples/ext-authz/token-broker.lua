-- Asks the broker about a request; refuses it as the broker says, or puts the token on it. See haproxy.cfg beside this file.

local BROKER = "http://127.0.0.1:8090/"
-- Fields of its answer that go on the request: "authorization", unless the route says "inject" or "headers".
local GRANTED = { "authorization" }
-- Longer than the 10s that a request waits for a token. Milliseconds.
local TIMEOUT = 15000

-- The client's own fields go no further than here: the broker is told what HAProxy itself has read.
local function question(txn)
  local headers = {
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
  }
  -- Lua of HAProxy counts lines from 0. Two lines stay two, and the broker refuses them.
  local credentials = txn.http:req_get_headers()["authorization"]
  if credentials ~= nil then
    headers["authorization"] = {}
    for _, line in pairs(credentials) do
      table.insert(headers["authorization"], line)
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
