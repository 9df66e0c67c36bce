-- Redis runs the scripts in Lua 5.1 with globals of its own.
std = 'lua51'
max_line_length = 120
read_globals = { 'KEYS', 'ARGV', 'redis', 'struct' }

-- Each script is sent behind the preludes that src/lua/mod.rs names: what they
-- declare at their top is there in the others, and need not be used in themselves.
local declared = {}
for _, part in ipairs({ '', '_count', '_measure', '_keep', '_history', '_pause', '_resume', '_take', '_due', '_store',
  '_submit', '_finish', '_control', '_look', '_check', '_judge' }) do
  local prelude = 'src/lua/prelude' .. part .. '.lua'
  files[prelude].ignore = { '211', '311' }
  local text = ''
  for line in io.lines(prelude) do text = text .. line .. '\n' end
  for name in text:gmatch('\nlocal function ([%w_]+)') do declared[#declared + 1] = name end
  for names in text:gmatch('\nlocal ([%w_,%s]-)%s*=') do
    for name in names:gmatch('[%w_]+') do declared[#declared + 1] = name end
  end
end
for _, name in ipairs(declared) do read_globals[#read_globals + 1] = name end
