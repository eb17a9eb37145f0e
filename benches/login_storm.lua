-- Wrong passwords for ever new names from ever new addresses, so that no throttle spares us a
-- hash: FLOW_COOKIE, FORM and ACTION come from one login page, and loopback is a trusted proxy.
local cookie, form, action = os.getenv("FLOW_COOKIE"), os.getenv("FORM"), os.getenv("ACTION")
local origin = os.getenv("ORIGIN")

request = function()
  local name = "nobody" .. math.random(1000000000)
  local address = "198." .. math.random(18, 19) .. "." .. math.random(0, 255) .. "." .. math.random(1, 254)
  return wrk.format("POST", action, {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["Cookie"] = cookie,
    ["Origin"] = origin,
    ["Sec-Fetch-Site"] = "same-origin",
    ["X-Forwarded-For"] = address,
  }, form .. "&login=" .. name .. "&password=wrong+password")
end
