// docs/reference/presets.md, from the files of the presets.

import { shippedPresets } from "#cli/presets.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { Preset } from "#policy/presets.ts";

const head = `# Presets

What \`@npm\` and the like stand for in \`allow = ["@npm"]\` and \`--allow @npm\`. Each is a file of rules in \`presets/\`. \`@npm\` is the newest version of
the build that reads it, \`@npm/1\` that version whatever comes later: what a preset opens is only ever changed under a new number. What is compiled is
the rules, so a policy's digest, its copy in the home and the events all say what was open. \`sallyport policy show\` spells
them out for your policy.

Registries and forges are there to read (GET and HEAD). Reading is a way out too: a URL can carry what an agent knows to whoever reads that host's logs. What a
preset opens is that host's service, not the world; name single paths where even that is too much.
`;

export function presetsPage(): string {
  const presets = [...shippedPresets.list()].sort((one, other) =>
    one.name === other.name ? one.version - other.version : one.name < other.name ? -1 : 1,
  );
  return `${[head, ...presets.map(section)].join("\n").trimEnd()}\n`;
}

function section(preset: Preset): string {
  const text = shippedPresets.read(preset);
  const id = `@${preset.name}/${preset.version}`;
  const comment = text
    .split("\n")
    .slice(1)
    .filter((_, at, lines) => lines.slice(0, at + 1).every((line) => line.startsWith("#")))
    .map((line) => line.replace(/^# ?/, ""))
    .join(" ")
    .replace(/^@[a-z0-9-]+: /, "");
  const rules = parsePolicy(text, { name: id, format: "toml" }).document.network?.rule ?? [];
  const rows = rules.map(
    ({ id: rule, host, port, method, path }) =>
      `| \`${rule === undefined ? id : `${id}.${rule}`}\` | ${host.map(code).join(" ")} | ${port?.join(", ") ?? ""} | ${method?.join(", ") ?? "every method"} | ${path?.map(code).join(" ") ?? "every path"} |`,
  );
  return [
    `## \`${id}\``,
    "",
    `${comment[0]?.toUpperCase()}${comment.slice(1)}`,
    "",
    "| rule | hosts | ports | methods | paths |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}
