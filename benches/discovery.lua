-- Addresses of ever other domains, typed into the login page: KNOWN ones of CONNECTIONS with EACH so
-- many, or of nobody. FLOW_COOKIE, FORM and ACTION come from one login page.
local cookie, form, action = os.getenv("FLOW_COOKIE"), os.getenv("FORM"), os.getenv("ACTION")
local connections, each = tonumber(os.getenv("CONNECTIONS")), tonumber(os.getenv("EACH"))
local known = os.getenv("KNOWN") == "yes"
local origin = os.getenv("ORIGIN")

request = function()
  local domain = "d" .. math.random(each) .. ".c" .. math.random(connections) .. ".example"
  if not known then
    domain = domain .. ".test"
  end
  return wrk.format("POST", action, {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["Cookie"] = cookie,
    ["Origin"] = origin,
    ["Sec-Fetch-Site"] = "same-origin",
  }, form .. "&login=somebody%40" .. domain)
end
