// A connection from the boundary to an upstream. The name is resolved, the gate says which of the very addresses found may
// be reached, and only those literals are connected to, so nothing can be rebound in between. TLS is verified fully:
// chain and name, of the host that was judged, whatever the address. MUST stay the only place that dials.

import { once } from "node:events";
import { connect, isIP, type OnReadOpts, type Socket } from "node:net";
import { type ConnectionOptions, checkServerIdentity, connect as connectTls, type TLSSocket } from "node:tls";
import type { DenyReason } from "#core/reason.ts";
import { innerApi } from "#lib/host-name.ts";
import { type Endpoint, NameUnresolved, type ResolveUpstream } from "./resolve.ts";
import type { UpstreamTrust } from "./trust.ts";

export interface DialOptions {
  readonly resolve: ResolveUpstream;
  readonly trust: UpstreamTrust;
  /** The Unix socket that answers for sallyport itself, opened when it is first asked for; none where nothing answers. */
  readonly inner?: () => Promise<string>;
}

export interface Dial {
  /** In normal form. */
  readonly host: string;
  readonly port: number;
  /** Those of the addresses that may be connected to; asked right before connecting. */
  readonly reachable: (addresses: readonly string[]) => readonly string[];
  readonly tls: boolean;
  readonly session?: Buffer | null;
  readonly onSession?: (session: Buffer) => void;
  readonly onread?: OnReadOpts;
}

export type Dialled =
  | { readonly ok: true; readonly socket: Socket; readonly address: string }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: string };

type Refused = Extract<Dialled, { readonly ok: false }>;

/** Milliseconds for TCP and TLS together: to an address when there are others, and to the last one. */
const nextAfter = 3_000;
const lastAfter = 10_000;

/** Never rejects. The socket is connected, without delay, its half may stay open; it may have been destroyed meanwhile. */
export async function dial(options: DialOptions, wanted: Dial): Promise<Dialled> {
  if (wanted.host === innerApi) return dialInner(options, wanted);
  let endpoints: readonly Endpoint[];
  try {
    endpoints = await options.resolve(wanted.host, wanted.port);
  } catch (error) {
    const kind = error instanceof NameUnresolved ? error.kind : "failed";
    return { ok: false, reason: "upstream_unreachable", detail: `the name could not be resolved: ${kind}` };
  }
  const addresses = endpoints.map((endpoint) => endpoint.address);
  const open = new Set(wanted.reachable(addresses));
  const vetted = endpoints.filter((endpoint) => open.has(endpoint.address));
  if (vetted.length === 0) {
    return { ok: false, reason: "private_address", detail: `resolved to ${addresses.join(", ")}` };
  }
  let refused: Refused | null = null;
  for (const [index, endpoint] of vetted.entries()) {
    const limit = index === vetted.length - 1 ? lastAfter : nextAfter;
    const dialled = await connectTo(options, wanted, endpoint, limit);
    if (dialled.ok) return dialled;
    // A certificate that does not hold is not cured by another address: trying them all would only hide it.
    if (dialled.reason === "upstream_untrusted") return dialled;
    refused = dialled;
  }
  return refused as Refused;
}

/** Not a connection to anywhere: the program that the boundary is part of answers. */
async function dialInner({ inner }: DialOptions, wanted: Dial): Promise<Dialled> {
  if (inner === undefined) return unreachable("nothing answers here");
  try {
    const onread = wanted.onread === undefined ? {} : { onread: wanted.onread };
    const socket = connect({ path: await inner(), allowHalfOpen: true, ...onread });
    await once(socket, "connect");
    return { ok: true, socket, address: innerApi };
  } catch (error) {
    return unreachable(errorCode(error as Error));
  }
}

function connectTo(options: DialOptions, wanted: Dial, endpoint: Endpoint, limit: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const socket = wanted.tls ? openTls(options, wanted, endpoint) : openTcp(wanted, endpoint);
    let connected = false;
    const timer = setTimeout(() => finish(unreachable("timed out")), limit);
    const failed = (error: Error) => finish(connected ? ofTls(error) : unreachable(errorCode(error)));
    const ended = () => finish(unreachable("closed before it was ready"));
    function finish(dialled: Dialled): void {
      clearTimeout(timer);
      socket.off("error", failed).off("close", ended);
      if (!dialled.ok) socket.destroy();
      resolve(dialled);
    }
    socket.on("error", failed).on("close", ended);
    // The holder hears of the socket a few microtasks after `finish`: an error in between must not end the process.
    // It finds the socket destroyed.
    socket.on("error", () => undefined);
    socket.once("connect", () => {
      connected = true;
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
    });
    socket.once(wanted.tls ? "secureConnect" : "connect", () => {
      finish({ ok: true, socket, address: endpoint.address });
    });
  });
}

function openTcp(wanted: Dial, endpoint: Endpoint): Socket {
  return connect({
    host: endpoint.address,
    port: endpoint.port,
    allowHalfOpen: true,
    ...(wanted.onread === undefined ? {} : { onread: wanted.onread }),
  });
}

function openTls(options: DialOptions, wanted: Dial, endpoint: Endpoint): TLSSocket {
  const settings: ConnectionOptions & { onread?: OnReadOpts; allowHalfOpen: boolean } = {
    host: endpoint.address,
    port: endpoint.port,
    allowHalfOpen: true,
    secureContext: options.trust.contextFor(wanted.host),
    // Always the judged name, never the address it happens to be at, nor what a placed endpoint says.
    checkServerIdentity: (_, certificate) => checkServerIdentity(wanted.host, certificate),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: true,
  };
  if (isIP(wanted.host) === 0) settings.servername = wanted.host;
  if (wanted.session) settings.session = wanted.session;
  if (wanted.onread !== undefined) settings.onread = wanted.onread;
  const socket = connectTls(settings);
  const { onSession } = wanted;
  if (onSession !== undefined) socket.on("session", onSession);
  return socket;
}

function unreachable(what: string): Refused {
  return { ok: false, reason: "upstream_unreachable", detail: `the upstream could not be reached: ${what}` };
}

/** What went wrong after TCP was connected: networks break off; anything else means TLS could not vouch for the name. */
function ofTls(error: Error): Refused {
  const code = errorCode(error);
  if (/^E(CONN|PIPE|TIMEDOUT|HOST|NET)/.test(code)) return unreachable(code);
  return { ok: false, reason: "upstream_untrusted", detail: `TLS to the upstream failed: ${code}` };
}

/** The code of a system or TLS error: a fixed word, unlike its message, in which an upstream may have its say. */
export function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "unknown error";
}
