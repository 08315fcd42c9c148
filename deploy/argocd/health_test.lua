-- Runs the health check in argocd-cm.yaml on statuses of Rollouts, with no more of Lua than Argo CD gives it:
--     lua5.4 deploy/argocd/health_test.lua

local here = arg[0]:match("^(.*/)") or "./"

-- The check, out of the block of the manifest.
local function script()
  local lines, inside = {}, false
  for line in io.lines(here .. "argocd-cm.yaml") do
    if line:match("^  resource%.customizations%.health%.tidegate%.dev_Rollout: |$") then
      inside = true
    elseif inside then
      assert(line == "" or line:match("^    "), "not of the block: " .. line)
      lines[#lines + 1] = line:sub(5)
    end
  end
  assert(#lines > 30, "saw " .. #lines .. " lines")
  return table.concat(lines, "\n")
end

local text = script()

local function health(obj)
  local environment = { obj = obj, ipairs = ipairs, pairs = pairs, table = table }
  return assert(load(text, "argocd-cm.yaml", "t", environment))()
end

-- A status of generation 2, and some of its conditions as TYPE=STATUS or TYPE=STATUS/REASON.
local function rollout(phase, conditions, change)
  local status = { phase = phase, observedGeneration = 2, message = "what is going on", conditions = {} }
  for kind, value, reason in conditions:gmatch("(%a+)=(%a+)/?(%a*)") do
    local condition = { type = kind, status = value, reason = reason, message = kind .. " says why", observedGeneration = 2 }
    status.conditions[#status.conditions + 1] = condition
  end
  local obj = { metadata = { generation = 2 }, status = status }
  if change ~= nil then
    change(obj)
  end
  return obj
end

local good = "Accepted=True Conflicted=False TrafficManaged=True Degraded=False "
local function unseen(obj) obj.metadata.generation = 3 end
local rows = {
  { "Idle", good, "Healthy", "what is going on" },
  { "Promoted", good, "Healthy", "what is going on" },
  { "Idle", "Accepted=True TrafficManaged=False", "Healthy", "TrafficManaged says why" },
  { "Progressing", good .. "Progressing=True/Soak", "Progressing", "what is going on" },
  { "Progressing", good .. "Progressing=True/Approval", "Suspended", "what is going on" },
  { "Progressing", "Accepted=True Degraded=True/GateRefused", "Degraded", "Degraded says why" },
  { "Standby", good, "Progressing", "what is going on" },
  { "Recreating", good, "Progressing", "what is going on" },
  { "Paused", good .. "Paused=True", "Suspended", "what is going on" },
  { "Undecided", "Degraded=True/Undecided", "Degraded", "Degraded says why" },
  { "Aborted", "Degraded=True/Aborted", "Degraded", "Degraded says why" },
  { "Aborted", good, "Degraded", "what is going on" },
  { "Promoted", "Accepted=False", "Degraded", "Accepted says why" },
  { "Promoted", "Accepted=False", "Progressing", "not seen its last change", unseen },
  { nil, "Accepted=False", "Degraded", "Accepted says why", function(obj) obj.status.observedGeneration = nil end },
  { nil, "Conflicted=True", "Degraded", "Conflicted says why", function(obj) obj.status.observedGeneration = nil end },
  { "Promoted", good, "Progressing", "not seen its last change", unseen },
  { "Promoted", good, "Progressing", "No controller", function(obj) obj.status = nil end },
  { "Promoted", good, "Progressing", "No controller", function(obj) obj.status.conditions = nil end },
  { "Levitating", good, "Unknown", "another version" },
}

local seen = {}
for number, row in ipairs(rows) do
  local phase, conditions, status, message, change = row[1], row[2], row[3], row[4], row[5]
  local found = health(rollout(phase, conditions, change))
  local told = ("row %d: %s, %s"):format(number, tostring(found.status), tostring(found.message))
  assert(found.status == status, told)
  assert(found.message:find(message, 1, true), told)
  seen[status] = true
end
for _, status in ipairs({ "Healthy", "Progressing", "Suspended", "Degraded", "Unknown" }) do
  assert(seen[status], "no row is " .. status)
end
print(#rows .. " rows as they should be")
