-- Health of a ServiceLayer for Argo CD: the order is that of kstatus, suspension first.
local health = { status = "Progressing", message = "waiting for the operator" }
if obj.spec ~= nil and obj.spec.suspend == true then
  return { status = "Suspended", message = "spec.suspend is true" }
end
local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local order = { { "Stalled", "Degraded" }, { "Reconciling", "Progressing" }, { "Ready", "Healthy" } }
for _, step in ipairs(order) do
  local condition = found[step[1]]
  if condition ~= nil and condition.status == "True" then
    return { status = step[2], message = condition.message }
  end
end
if found["Ready"] ~= nil then
  health.message = found["Ready"].message
end
return health
