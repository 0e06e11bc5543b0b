// An event as the canonical line that stands in the log. The line is put together from fragments rather than sorted each
// time: the order of the members below is RFC 8785's, and the verifier, which knows none of this, checks that it is.
//
// Everything in an event may be the agent's choice of bytes. Text is bounded: what is longer than `maxText` UTF-16 units
// is cut, and its full length (UTF-16 units) and the SHA-256 of its UTF-8 stand beside it; a lone surrogate becomes
// U+FFFD; JSON escapes control characters, so no text can end a line.

import { hash } from "node:crypto";
import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import type { Event, JsonValue } from "#core/event.ts";
import type { Subject } from "#core/subject.ts";
import { canonicalJson, canonicalString, wellFormed } from "#lib/canonical-json.ts";
import { createRequestLineWriter, maxText, type RequestLineWriter } from "./request-line.ts";

/** UTF-16 units of a lifecycle event's whole detail. */
const maxDetail = 65_536;
/** UTF-16 units of a line that no event exceeds; the verifier reads no longer ones. */
export const maxLine = 524_288;

/** What is the same in every line of one log. */
export interface LineWriter {
  /** The line of `event`, without its newline. `time` is ISO 8601. @throws TypeError when a value has no canonical form. */
  line(event: Event, seq: number, prev: string, time: string): string;
  /** The same bytes for most requests, put straight where they are written from. */
  readonly request: RequestLineWriter;
}

export function createLineWriter(subject: Subject): LineWriter {
  const policyPrev = `,"policy":${canonicalString(subject.policy_digest)},"prev":"`;
  const sessionText = `,"session":${canonicalString(subject.session)}`;
  const subjectTime = `,"subject":${canonicalJson({
    agent_id: subject.agent_id,
    owner: subject.owner,
    policy_id: subject.policy_id,
    policy_version: subject.policy_version,
    ...(subject.token === null
      ? {}
      : {
          bundle: subject.token.bundle,
          chain: subject.token.chain,
          task: subject.token.task,
          token_id: subject.token.jti,
        }),
  })},"time":"`;
  const decisions = new WeakMap<Decision, string>();

  function decisionText(decision: Decision): string {
    let text = decisions.get(decision);
    if (text === undefined) {
      text = decisionRecord(decision);
      decisions.set(decision, text);
    }
    return text;
  }

  const common = { prev: policyPrev, seq: '","seq":', session: sessionText + subjectTime, end: '","type":"action"}' };

  return {
    request: createRequestLineWriter(common, decisionText),
    line(event, seq, prev, time) {
      if (event.type === "action") {
        return `{"action":${actionText(event.action)},"decision":${decisionText(event.decision)}${policyPrev}${prev}","seq":${seq}${sessionText}${subjectTime}${time}","type":"action"}`;
      }
      if (event.type === "output") {
        return `{"length":${integer(event.length)},"offset":${integer(event.offset)}${policyPrev}${prev}","seq":${seq}${sessionText},"sha256":${canonicalString(event.sha256)},"stream":"${event.stream}"${subjectTime}${time}","type":"output"}`;
      }
      return `{"detail":${detailText(event.detail)}${policyPrev}${prev}","seq":${seq}${sessionText}${subjectTime}${time}","type":${canonicalString(event.type)}}`;
    },
  };
}

function decisionRecord(decision: Decision): string {
  if (decision.verdict === "allow") {
    const would = decision.wouldDeny === undefined ? "" : `,"would_deny":${denialRecord(decision.wouldDeny, "")}`;
    return `{"decision":"allow","rule":${boundedString(decision.rule)}${would}}`;
  }
  return denialRecord(decision, '"decision":"deny",');
}

function denialRecord(decision: Deny, verdict: string): string {
  return (
    `{${verdict}"deny_reason":${canonicalString(decision.reason)},"detail":${nullable(decision.detail)}` +
    `,"remedy":${nullable(decision.remedy)},"rule":${nullable(decision.rule)}}`
  );
}

function actionText(action: Action): string {
  switch (action.kind) {
    case "http":
      return (
        `{"body":${action.body}${member("host", action.host)},"kind":"http"${member("method", action.method)}` +
        `${member("path", action.path)},"port":${integer(action.port)},"scheme":"${action.scheme}"` +
        `${action.upgrade === null ? ',"upgrade":null' : member("upgrade", action.upgrade)}}`
      );
    case "connect":
      return `{${first("host", action.host)},"kind":"connect","port":${integer(action.port)},"protocol":"${action.protocol}"}`;
    case "dns":
      return `{${first("host", action.host)},"kind":"dns"${member("type", action.type)}}`;
  }
}

// `host_length` sorts after `host` and before every other member there is, and the same holds for each text member.
function member(name: string, text: string): string {
  return `,${first(name, text)}`;
}

function first(name: string, text: string): string {
  if (text.length <= maxText)
    return `"${name}":${text.isWellFormed() ? JSON.stringify(text) : JSON.stringify(wellFormed(text))}`;
  const { cut, length, sha256 } = cutText(text);
  return `"${name}":${JSON.stringify(cut)},"${name}_length":${length},"${name}_sha256":"${sha256}"`;
}

function cutText(text: string): { cut: string; length: number; sha256: string } {
  const whole = wellFormed(text);
  return { cut: wellFormed(whole.slice(0, maxText)), length: text.length, sha256: hash("sha256", whole, "hex") };
}

function boundedString(text: string): string {
  return JSON.stringify(wellFormed(text.slice(0, maxText)));
}

function nullable(text: string | null): string {
  return text === null ? "null" : boundedString(text);
}

function detailText(detail: { readonly [key: string]: JsonValue }): string {
  const text = canonicalJson(bounded(detail));
  if (text.length <= maxDetail) return text;
  return canonicalJson({ ...cutText(text) });
}

function bounded(value: JsonValue): JsonValue {
  if (typeof value === "string") return value.length <= maxText ? wellFormed(value) : { ...cutText(value) };
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(bounded);
  const members: Record<string, JsonValue> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) members[wellFormed(key.slice(0, maxText))] = bounded(inner);
  return members;
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError(`not an integer: ${value}`);
  return String(value);
}
