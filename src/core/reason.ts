// Why an action was denied: the closed union of the denial format, and what `sallyport explain-code` says of each.

export const denyReasons = {
  domain_not_allowed: "No rule of the policy names this host.",
  method_not_allowed: "The host is allowed, but not with this HTTP method.",
  path_not_allowed: "The host is allowed, but not at this path.",
  port_not_allowed: "The host is allowed, but not on this port.",
  protocol_not_allowed: "What was spoken on this port is not the protocol the rule expects.",
  private_address: "The name leads to a private, loopback, link-local or metadata address, which a name never opens.",
  malformed_request: "Two parsers could read this request differently, so it was not sent.",
  name_mismatch: "The name in TLS or in the request is not the name that was dialled.",
  upstream_untrusted: "The upstream's certificate could not be verified for this name.",
  upstream_unreachable: "The upstream could not be reached, or it broke off.",
  requests_exhausted: "This run has used all the requests it was given.",
  budget_exhausted: "The budget of this policy is spent.",
  unmetered: "The cost of this call cannot be known, so it was not made.",
  token_invalid: "The token is not one that this authority issued.",
  token_expired: "The token is past its expiry.",
  token_revoked: "The token, its agent or its key was revoked.",
  attestation_failed: "The agent is not the one that was measured.",
  approval_denied: "A person refused this action.",
  approval_timeout: "Nobody answered in time.",
  credential_unavailable: "The credential this rule lends could not be had.",
  content_blocked: "A scanner found something in the content that the policy does not let pass.",
  tool_not_allowed: "The policy does not allow this tool.",
  file_not_allowed: "The policy does not allow this file.",
  not_enforced_yet: "The policy asks for something this build cannot enforce.",
  internal_error: "The boundary failed, and what cannot be checked is denied.",
} as const;

export type DenyReason = keyof typeof denyReasons;

/** HTTP status of a denial: 403 policy, 429 budget or caps, 502 upstream, 503 the boundary fails closed, 400 unreadable. */
export function statusOf(reason: DenyReason): 400 | 403 | 429 | 502 | 503 {
  switch (reason) {
    case "malformed_request":
      return 400;
    case "requests_exhausted":
    case "budget_exhausted":
      return 429;
    case "upstream_untrusted":
    case "upstream_unreachable":
      return 502;
    case "internal_error":
    case "credential_unavailable":
      return 503;
    default:
      return 403;
  }
}
