// The policy that `sallyport init` writes: commented, and what was found as its lines.

import { schemaVersion } from "#policy/schema.ts";
import type { Fact } from "./project-facts.ts";

/** TOML that `policy check` passes. */
export function initText(facts: readonly Fact[]): string {
  const allowed = new Map<string, string[]>();
  for (const { allow, found, why } of facts)
    if (allow !== null) allowed.set(allow, [...(allowed.get(allow) ?? []), `${found}: ${why}`]);
  const lines = [...allowed].map(([entry, whys]) => `  ${JSON.stringify(entry)}, # ${whys.join("; ")}`);
  const agents = facts.filter(({ kind }) => kind === "agent").map(({ found, why }) => `# ${found}: ${why}.`);
  return `# ${schemaVersion}
# What an agent may do in this folder. Yours to change; it counts once you trust it:
#   sallyport trust
#   sallyport policy show                         what holds, with "@npm" and the like spelt out
#   sallyport policy explain GET https://host/    what it decides, and what would change that
${agents.length === 0 ? "" : `#\n${agents.join("\n")}\n`}
[network]
default = "deny"
allow = [
${lines.length === 0 ? '  # nothing was found that needs a host; for example "@npm", "@github", "api.example.com"' : lines.join("\n")}
]

# A host in detail:
# [[network.rule]]
# id = "our-api"
# host = "api.example.com"
# port = 443
# method = ["GET", "POST"]
# path = "/v1/**"

[execution]
# max_runtime_seconds = "1h"
# max_requests = 10000
# env = ["NAME"]              # a variable of yours that the agent is to have
`;
}
