-- For wrk: method, length of the body, caller's credentials in base64.
function init(args)
  wrk.method = args[1]
  wrk.headers["Authorization"] = "Basic " .. args[3]
  wrk.headers["User-Agent"] = "token-broker-bench/1"
  wrk.headers["Accept"] = "application/json"
  if args[2] ~= "0" then
    wrk.headers["Content-Type"] = "application/octet-stream"
    wrk.body = string.rep("0123456789abcdef", args[2] / 16)
  end
end
