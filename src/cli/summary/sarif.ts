// A run's summary as SARIF 2.1.0 (OASIS), one run of one tool: the codes of denials are its rules, each distinct denial a
// result, how the run went its invocation. What code scanning services ask beyond the standard is there: a place in a file
// (the policy's, as that is what would be changed) and a fingerprint that stays the same from run to run.

import { createHash } from "node:crypto";
import { isAbsolute, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { type DenyReason, denyReasons } from "#core/reason.ts";
import { allCodes } from "../codes.ts";
import { clip, commandText } from "../sessions/view.ts";
import { version } from "../version.ts";
import type { DenialFacts, SummaryFacts } from "./summary.ts";

const schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

export function sarifText(facts: SummaryFacts): string {
  const reasons = [...new Set(facts.denials.map(({ deny }) => deny.reason))].sort();
  const log = {
    $schema: schema,
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "sallyport", semanticVersion: version(), rules: reasons.map(rule) } },
        automationDetails: { id: `sallyport/${facts.record?.id ?? ""}` },
        originalUriBaseIds: { SRCROOT: { uri: `${pathToFileURL(facts.record?.cwd ?? process.cwd()).href}/` } },
        invocations: [invocation(facts)],
        results: facts.denials.map((denial) => result(denial, reasons, facts)),
        properties: properties(facts),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function rule(reason: DenyReason): object {
  const remedy = allCodes().find(({ code, kind }) => kind === "denial" && code === reason)?.remedy ?? "";
  return {
    id: reason,
    shortDescription: { text: denyReasons[reason] },
    help: { text: remedy },
    defaultConfiguration: { level: level(reason) },
  };
}

/** What the upstream did is worth a look; what the policy refused is a finding. */
function level(reason: DenyReason): "error" | "warning" {
  return reason === "upstream_unreachable" || reason === "upstream_untrusted" ? "warning" : "error";
}

function result({ action, deny, times }: DenialFacts, reasons: readonly DenyReason[], facts: SummaryFacts): object {
  const what = action.kind === "http" ? action.method : "CONNECT";
  const target = `${action.host}:${action.port}`;
  const path = action.kind === "http" ? clip(action.path, 500) : "";
  const remedy = deny.remedy === null ? "" : ` To allow it: ${deny.remedy}.`;
  const fingerprint = createHash("sha256")
    .update([what, target, deny.reason, deny.rule ?? ""].join("\n"))
    .digest("hex");
  return {
    ruleId: deny.reason,
    ruleIndex: reasons.indexOf(deny.reason),
    level: level(deny.reason),
    kind: "fail",
    message: { text: plain(`Denied ${what} ${target}${path}: ${denyReasons[deny.reason]}${remedy}`) },
    locations: [
      {
        physicalLocation: policyPlace(facts),
        logicalLocations: [{ name: action.host, fullyQualifiedName: target, kind: "resource" }],
      },
    ],
    occurrenceCount: times,
    partialFingerprints: { "sallyport/v1": fingerprint },
    properties: { rule: deny.rule, remedy: deny.remedy, detail: deny.detail },
  };
}

/** The policy's file where there is one; else the one that `sallyport init` would write. */
function policyPlace({ sources, record }: SummaryFacts): object {
  const root = record?.cwd ?? process.cwd();
  const file = sources.findLast((source) => !source.startsWith("-")) ?? "sallyport.policy.toml";
  const path = isAbsolute(file) ? relative(root, file) : file;
  const inside = !path.startsWith("..") && !isAbsolute(path);
  const artifactLocation = inside
    ? { uri: path.split("/").map(encodeURIComponent).join("/"), uriBaseId: "SRCROOT" }
    : { uri: pathToFileURL(file).href };
  return { artifactLocation, region: { startLine: 1 } };
}

function invocation({ record, failure, exitCode, command }: SummaryFacts): object {
  const termination = record?.termination ?? null;
  return {
    executionSuccessful: exitCode === 0 && failure === null,
    exitCode,
    ...(termination === null ? {} : { exitCodeDescription: `ended by ${termination.kind}` }),
    ...(record?.signal ? { exitSignalName: record.signal } : {}),
    commandLine: commandText(command),
    arguments: command.slice(1),
    ...(record === null ? {} : { startTimeUtc: record.started, endTimeUtc: record.ended }),
    workingDirectory: { uri: `${pathToFileURL(record?.cwd ?? process.cwd()).href}/` },
    ...(failure === null
      ? {}
      : {
          toolExecutionNotifications: [
            {
              level: "error",
              message: { text: plain(`${failure.message}.${failure.remedy === null ? "" : ` ${failure.remedy}`}`) },
              descriptor: { id: failure.code },
            },
          ],
        }),
  };
}

function properties({ record, hosts, more, sources }: SummaryFacts): object {
  return {
    session: record?.id ?? null,
    policy: record === null ? null : { ...record.policy, sources },
    termination: record?.termination ?? null,
    observe: record?.observe === true,
    counts: record?.counts ?? null,
    hosts: Object.fromEntries(hosts),
    denialsNotListed: more,
  };
}

/** SARIF reads `[text](target)` in a message as a link, and a backslash as what stops that. */
function plain(text: string): string {
  return text.replace(/[\\[\]]/g, "\\$&");
}
