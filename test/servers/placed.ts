// The policy under which tests reach their local servers: each name is placed on a port of 127.0.0.1, which a name by itself never
// opens, so the rule says that it may; the test's own authority is trusted there and nowhere else.

export interface Placed {
  readonly caFile: string;
  /** Port of 127.0.0.1 by name. */
  readonly hosts: { readonly [name: string]: number };
  /** More of the policy; what stands before the first table header of TOML must not be in here. */
  readonly more?: string;
}

export function placedPolicy({ caFile, hosts, more = "" }: Placed): string {
  const names = Object.keys(hosts).map((name) => JSON.stringify(name));
  const places = Object.entries(hosts).map(([name, port]) => `${JSON.stringify(name)} = "127.0.0.1:${port}"`);
  return `# zero_trust.runtime.v1
[network]
default = "deny"

[[network.rule]]
id = "placed"
host = [${names.join(", ")}]
private = ["127.0.0.1"]

[upstream]
ca = ${JSON.stringify(caFile)}
resolve = { ${places.join(", ")} }
${more}`;
}
