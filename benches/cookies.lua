-- Requests that walk through a file of cookies: COOKIES names it, from line FIRST (0) on, LINES of
-- them and then from the start again.
local requests = {}
local at = 0

init = function()
  local first, lines = tonumber(os.getenv("FIRST")), tonumber(os.getenv("LINES"))
  local number = 0
  for line in io.lines(os.getenv("COOKIES")) do
    if number >= first + lines then break end
    if number >= first then
      requests[#requests + 1] = wrk.format("GET", nil, { ["Cookie"] = line })
    end
    number = number + 1
  end
end

request = function()
  at = at % #requests + 1
  return requests[at]
end
