// What a denied client reads: an HTTP answer with the gate's own record, so that agent and person see why at once
// (RFC 9457, `application/problem+json`).

import type { Deny } from "#core/decision.ts";
import { denialBody } from "#core/gate.ts";
import { denyReasons, statusOf } from "#core/reason.ts";
import type { Subject } from "#core/subject.ts";

const phrases = {
  400: "Bad Request",
  403: "Forbidden",
  429: "Too Many Requests",
  502: "Bad Gateway",
  503: "Service Unavailable",
} as const;

export interface DenialForm {
  /** True where the answer is to HEAD: the same head, no body. */
  readonly head: boolean;
  /** True where the connection ends behind it. */
  readonly close: boolean;
}

/** The whole answer as bytes. */
export function denialResponse(subject: Subject, deny: Deny, form: DenialForm): Buffer {
  const status = statusOf(deny.reason);
  const record = denialBody(subject, deny);
  // The newline keeps what a terminal shows after it on a line of its own.
  const body = `${JSON.stringify({
    type: `urn:sallyport:deny-reason:${deny.reason}`,
    title: denyReasons[deny.reason],
    status,
    ...record,
    detail: record.detail ?? denyReasons[deny.reason],
  })}\n`;
  const head =
    `HTTP/1.1 ${status} ${phrases[status]}\r\n` +
    "content-type: application/problem+json\r\n" +
    `content-length: ${Buffer.byteLength(body)}\r\n` +
    `cache-control: no-store\r\n${form.close ? "connection: close\r\n" : ""}\r\n`;
  return Buffer.from(form.head ? head : head + body);
}
