// Who is asking. Fixed for the life of a run; written into every event and every denial.

export interface Subject {
  readonly agent_id: string;
  readonly owner: string;
  /** `local` runs have the id `local`; a policy without an id has `none`. */
  readonly policy_id: string;
  readonly policy_version: number;
  /** `sha256:` and 64 hex digits, of the effective policy's canonical JSON. */
  readonly policy_digest: string;
  /** The session's id, also the folder's name. */
  readonly session: string;
}
