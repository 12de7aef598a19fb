-- Each request bears the next token of the file that is named after "--".
local requests, count, turn = {}, 0, 0

function init(arguments)
  for token in io.lines(arguments[1]) do
    count = count + 1
    requests[count] = wrk.format("GET", nil, { ["X-Api-Key"] = token })
  end
end

function request()
  turn = turn % count + 1
  return requests[turn]
end
