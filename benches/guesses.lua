-- Codes that are typed into the browsers of FLOWS, which guesses.py opened. Says how many there were, and
-- how many of them were compared, came too late for their message, were refused, were right, or else.
local flows, threads = {}, {}
local origin = os.getenv("ORIGIN")
sent, compared, gone, refused, other, entered = 0, 0, 0, 0, 0, 0

setup = function(thread) table.insert(threads, thread) end

init = function()
  math.randomseed(os.time())
  for line in io.lines(os.getenv("FLOWS")) do
    local action, form, cookie, address = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
    table.insert(flows, { action = action, form = form, cookie = cookie, address = address })
  end
end

request = function()
  local flow = flows[math.random(#flows)]
  return wrk.format("POST", flow.action, {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["Cookie"] = flow.cookie,
    ["Origin"] = origin,
    ["Sec-Fetch-Site"] = "same-origin",
    ["X-Forwarded-For"] = flow.address,
  }, flow.form .. "&code=" .. string.format("%06d", math.random(0, 999999)))
end

response = function(status, headers, body)
  sent = sent + 1
  if status == 429 then
    refused = refused + 1
  elseif status == 422 and body:find("is not right", 1, true) then
    compared = compared + 1
  elseif status == 422 then
    gone = gone + 1
  elseif status == 303 then
    entered = entered + 1
  else
    other = other + 1
  end
end

done = function()
  local all = threads[1]
  print("guesses", all:get("sent"), all:get("compared"), all:get("gone"), all:get("refused"),
    all:get("entered"), all:get("other"))
end
