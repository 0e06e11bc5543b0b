// The tables of docs/reference/codes.md, from the texts that `sallyport explain-code` prints.

import { allCodes, type CodeText } from "#cli/codes.ts";

/** The page with its tables made anew; what stands above them is written by hand. */
export function withCodes(page: string): string {
  const at = page.indexOf("## Denials");
  return `${page.slice(0, at)}${tables(allCodes())}\n`;
}

function tables(codes: readonly CodeText[]): string {
  const table = (kind: CodeText["kind"], figure: string): string =>
    [
      `| code | ${figure} | meaning | what to do |`,
      "|---|---|---|---|",
      ...codes
        .filter((code) => code.kind === kind)
        .map((code) => `| \`${code.code}\` | ${code.status ?? code.exit} | ${code.meaning} | ${code.remedy} |`),
    ].join("\n");
  return [
    `## Denials\n\nAnswered to the agent, and in the log as \`deny_reason\`.\n\n${table("denial", "HTTP")}`,
    `## Failures\n\nTold to the person, as \`{code, message, place, remedy}\` with \`--json\`.\n\n${table("failure", "exit")}`,
    `## Terminations\n\nIn \`session.json\` as \`termination.kind\`, when the run was ended before its command ended by itself.\n\n${table("termination", "exit")}`,
  ].join("\n\n");
}
