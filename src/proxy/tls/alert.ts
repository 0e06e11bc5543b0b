// A fatal TLS alert in the clear (RFC 8446 §6), for a connection that is refused before any handshake: clients show it
// as a reason, where a closed connection would look like a network that fails.

const codes = {
  handshake_failure: 40,
  decode_error: 50,
  access_denied: 49,
  protocol_version: 70,
  unrecognized_name: 112,
  no_application_protocol: 120,
} as const;

export type Alert = keyof typeof codes;

export function fatalAlert(alert: Alert): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, codes[alert]]);
}
