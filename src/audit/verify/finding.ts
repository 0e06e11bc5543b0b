// What a verification can find. Codes are a closed union, so that a program can tell a broken log from a cut one.

export type FindingCode =
  | "file_unreadable"
  | "log_empty"
  | "line_overlong"
  | "line_unreadable"
  | "line_not_canonical"
  | "line_incomplete"
  | "events_missing"
  | "events_repeated_or_reordered"
  | "link_broken"
  | "member_wrong"
  | "time_backwards"
  | "beginning_wrong"
  | "stage_wrong"
  | "after_the_end"
  | "end_missing"
  | "output_mismatch"
  | "session_mismatch";

export interface Finding {
  readonly code: FindingCode;
  /** `events.jsonl:12`, `stdout.log`, `session.json`. */
  readonly place: string;
  readonly message: string;
}

/** What a sallyport that was killed, or a disk that was full, leaves behind: an honest log that stops too early. */
const cutTail: ReadonlySet<FindingCode> = new Set(["line_incomplete", "end_missing"]);

/** `intact`: complete and unchanged. `cut_tail`: unchanged as far as it goes, but it stops before its end. */
export type Status = "intact" | "cut_tail" | "broken";

export function statusOf(findings: readonly Finding[]): Status {
  if (findings.some(({ code }) => !cutTail.has(code))) return "broken";
  return findings.length === 0 ? "intact" : "cut_tail";
}
