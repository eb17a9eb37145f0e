-- A flood of session cookies that nobody issued: COOKIE_NAME names the cookie.
local name = os.getenv("COOKIE_NAME")
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local length = tonumber(os.getenv("COOKIE_LENGTH"))

request = function()
  local value = {}
  for at = 1, length do
    local pick = math.random(#alphabet)
    value[at] = alphabet:sub(pick, pick)
  end
  return wrk.format("GET", nil, { ["Cookie"] = name .. "=" .. table.concat(value) })
end
