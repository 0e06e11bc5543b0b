// A run's summary as Markdown, made for GitHub's step summary and read as well as plain text. Everything that an agent can choose
// (commands, methods, paths) stands in code spans outside of tables, so none of it becomes a link, a picture or a cell.

import { denyReasons } from "#core/reason.ts";
import { allCodes } from "../codes.ts";
import { printable } from "../output.ts";
import { clip, commandText, durationText } from "../sessions/view.ts";
import type { DenialFacts, SummaryFacts } from "./summary.ts";

/** Rows that a page shows; the log has them all. */
const mostRows = 100;

export function markdownText(facts: SummaryFacts): string {
  const { record, failure, hosts, denials, more } = facts;
  const lines = ["## Sallyport", "", span(commandText(facts.command)), ""];
  lines.push(`* **Result:** ${resultText(facts)}`);
  if (record !== null) {
    lines.push(`* **Time:** ${durationText(record.duration_ms)}, from ${record.started}`);
    lines.push(`* **Session:** ${span(record.id)}${record.observe ? ", observed: nothing public was held back" : ""}`);
    lines.push(
      `* **Policy:** ${span(record.policy.digest)}${facts.sources.length === 0 ? "" : `, from ${facts.sources.map(span).join(", ")}`}`,
    );
  }
  if (failure !== null) {
    const { code, message, place, remedy } = failure;
    lines.push("", `**Failed:** ${span(`${place === null ? "" : `${place}: `}${message}`)} (${span(code)})`);
    if (remedy !== null) lines.push("", span(remedy));
  }
  if (hosts.size > 0) lines.push("", ...hostTable(facts));
  if (denials.length > 0) lines.push("", "### Denied", "", ...denials.slice(0, mostRows).map(denialItem));
  const untold = more + Math.max(0, denials.length - mostRows);
  if (untold > 0) lines.push(`* and ${untold} more`);
  return `${lines.join("\n")}\n`;
}

function resultText({ exitCode, record }: SummaryFacts): string {
  if (record === null) return `did not run, exit code ${exitCode}`;
  const { termination, signal } = record;
  if (termination !== null) {
    const { kind, threshold, observed } = termination;
    const counted = threshold === null ? "" : ` (${observed} observed, ${threshold} allowed)`;
    return `ended by ${span(kind)}${counted}, exit code ${exitCode}`;
  }
  return signal === null ? `exit code ${exitCode}` : `ended by signal ${span(signal)}, exit code ${exitCode}`;
}

function hostTable({ hosts }: SummaryFacts): string[] {
  const rows = [...hosts].sort(([, a], [, b]) => b.denied - a.denied || b.allowed - a.allowed);
  const shown = rows.slice(0, mostRows);
  const lines = [
    "| host | allowed | denied | failed |",
    "|---|---:|---:|---:|",
    ...shown.map(([host, counts]) => `| ${cell(host)} | ${counts.allowed} | ${counts.denied} | ${counts.failed} |`),
  ];
  if (rows.length > shown.length) lines.push(`| and ${rows.length - shown.length} more | | | |`);
  return lines;
}

function denialItem({ action, deny, times }: DenialFacts): string {
  const what =
    action.kind === "http"
      ? `${action.method} ${action.scheme}://${action.host}:${action.port}${action.path}`
      : `CONNECT ${action.host}:${action.port}`;
  const remedy = deny.remedy ?? allCodes().find(({ code, kind }) => kind === "denial" && code === deny.reason)?.remedy;
  return [
    `* ${span(clip(what, 300))}: ${span(deny.reason)}${times === 1 ? "" : ` × ${times}`}. ${denyReasons[deny.reason]}`,
    ...(remedy === undefined ? [] : [`  ${deny.remedy === null ? remedy : `To allow it: ${span(deny.remedy)}`}`]),
    ...(deny.rule === null ? [] : [`  Rule: ${span(deny.rule)}`]),
  ].join("\n");
}

/** A code span that its text cannot leave. */
function span(text: string): string {
  const plain = clip(printable(text), 1000);
  const runs = plain.match(/`+/g) ?? [];
  const fence = "`".repeat(1 + Math.max(0, ...runs.map((run) => run.length)));
  const pad = plain.startsWith("`") || plain.endsWith("`") || plain === "" ? " " : "";
  return `${fence}${pad}${plain}${pad}${fence}`;
}

/** A host in a table: what could end the cell or the span is no part of a host's name. */
function cell(host: string): string {
  return span(clip(host, 253).replace(/[^\w.:[\]() -]/g, "?"));
}
