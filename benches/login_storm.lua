-- Passwords from ever new addresses, so that no throttle spares us a hash: wrong ones for ever new
-- names, and one in eight alice's own. FLOW_COOKIE, FORM and ACTION come from one login page, and
-- loopback is a trusted proxy.
local cookie, form, action = os.getenv("FLOW_COOKIE"), os.getenv("FORM"), os.getenv("ACTION")
local right = os.getenv("RIGHT")
local count = 0
local origin = os.getenv("ORIGIN")

request = function()
  local name, password = "nobody" .. math.random(1000000000), "wrong+password"
  count = count + 1
  if count % 8 == 0 then
    name, password = "alice", right
  end
  local address = "198." .. math.random(18, 19) .. "." .. math.random(0, 255) .. "." .. math.random(1, 254)
  return wrk.format("POST", action, {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["Cookie"] = cookie,
    ["Origin"] = origin,
    ["Sec-Fetch-Site"] = "same-origin",
    ["X-Forwarded-For"] = address,
  }, form .. "&login=" .. name .. "&password=" .. password)
end
