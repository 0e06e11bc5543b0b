// A cell's side and an upstream's side of a conversation, for tests: real sockets on the loopback, a real boundary between.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
} from "node:tls";
import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import { type Boundary, type Destination, openBoundary } from "#proxy/boundary.ts";
import { openAuthority } from "#proxy/tls/authority.ts";
import type { Endpoint } from "#proxy/upstream/resolve.ts";
import { createTestGate, type TestGate } from "./gate.ts";

/** Reads a socket as a conversation: `until` answers with everything up to and including a text. */
export class Talk {
  readonly socket: Socket;
  ended = false;
  closed = false;
  error: Error | null = null;
  /** What has come and not been taken, joined only when somebody looks. */
  #pieces: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (more: Buffer) => {
      this.#pieces.push(more);
      this.#length += more.length;
      this.#wake();
    });
    socket.on("end", () => {
      this.ended = true;
      this.#wake();
    });
    socket.on("error", (error) => {
      this.error = error;
      this.#wake();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  say(text: string | Buffer): this {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
    return this;
  }

  /** Everything up to `text`; throws with what there was when the connection ends first. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#join().indexOf(text, 0, "latin1");
      if (at >= 0) return this.#take(at + text.length);
      if (this.ended || this.closed) throw new Error(`ended before ${JSON.stringify(text)}: ${this.#take()}`);
      await this.#more();
    }
  }

  async bytes(count: number): Promise<string> {
    while (this.#length < count) {
      if (this.ended || this.closed) throw new Error(`ended before ${count} bytes: ${this.#length}`);
      await this.#more();
    }
    return this.#take(count);
  }

  /** Everything to the end. */
  async rest(): Promise<string> {
    while (!this.ended && !this.closed) await this.#more();
    return this.#take();
  }

  /** The other side has ended or broken off. */
  async gone(): Promise<void> {
    while (!this.ended && !this.closed) await this.#more();
    this.socket.destroy();
  }

  /** A whole response with a Content-Length. */
  async response(): Promise<{ readonly status: number; readonly head: string; readonly body: string }> {
    const head = await this.until("\r\n\r\n");
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    return { status: Number(head.slice(9, 12)), head, body: await this.bytes(length) };
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #join(): Buffer {
    const [only] = this.#pieces;
    const joined = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  #take(count = this.#length): string {
    const bytes = this.#join();
    this.#pieces = [bytes.subarray(count)];
    this.#length -= count;
    return bytes.toString("latin1", 0, count);
  }
}

export interface Scene extends AsyncDisposable {
  readonly gate: TestGate;
  readonly boundary: Boundary;
  /** Connections that upstreams got. */
  readonly arrived: Talk[];
  /** The next connection that an upstream gets. */
  upstream(): Promise<Talk>;
  /** The cell connects, in the clear. */
  dial(destination?: Destination): Promise<Talk>;
  /** The cell connects and speaks TLS. */
  dialTls(options?: { host?: string; servername?: string; port?: number; alpn?: string[] }): Promise<Talk>;
  /** The address that the cell was told for a name. */
  addressOf(host: string): string;
}

export interface SceneOptions {
  readonly answer: (action: Action) => Decision;
  readonly reachable?: (addresses: readonly string[]) => readonly string[];
  readonly resolve?: (host: string, port: number) => Promise<readonly Endpoint[]>;
  /** Whether the boundary trusts the upstream's authority. */
  readonly trusted?: boolean;
  /** The name in the upstream's certificate. */
  readonly certified?: string;
}

export async function openScene(options: SceneOptions): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-scene-"));
  const cellAuthority = await openAuthority(join(folder, "cell"));
  const worldAuthority = await openAuthority(join(folder, "world"));
  const arrived: Talk[] = [];
  const waiting: ((talk: Talk) => void)[] = [];
  function came(socket: Socket): void {
    const talk = new Talk(socket);
    arrived.push(talk);
    waiting.shift()?.(talk);
  }
  let seen = 0;
  const plain = createServer({ allowHalfOpen: true }, came);
  const secure = createTlsServer(
    {
      allowHalfOpen: true,
      SNICallback: (_, done) => done(null, worldAuthority.contextFor(options.certified ?? "example.com")),
    },
    came,
  );
  secure.on("tlsClientError", () => undefined);
  const raw = new Set<Socket>();
  for (const server of [plain, secure]) server.on("connection", (socket: Socket) => void raw.add(socket));
  await Promise.all([listen(plain), listen(secure)]);

  const gate = createTestGate(options.answer, options.reachable);
  const names = new Map<string, string>();
  const boundary = openBoundary({
    gate,
    authority: cellAuthority,
    resolve:
      options.resolve ??
      (async (_, port) => [{ address: "127.0.0.1", port: portOf(port === 443 || port === 8443 ? secure : plain) }]),
    upstream: {
      contextFor: () => createSecureContext(options.trusted === false ? {} : { ca: worldAuthority.certificatePem }),
    },
    dnsDeny: "answer",
    names: {
      addressOf: (host) => addressOf(host),
      hostOf: (address) => names.get(address) ?? null,
    },
  });
  function addressOf(host: string): string {
    for (const [address, known] of names) if (known === host) return address;
    const address = `198.18.1.${names.size + 1}`;
    names.set(address, host);
    return address;
  }
  const destinations: Destination[] = [];
  const door = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    boundary.accept(socket, destinations.shift() as Destination);
  });
  await listen(door);

  async function dial(destination: Destination = { address: addressOf("example.com"), port: 80 }): Promise<Talk> {
    destinations.push(destination);
    const socket = connect({ port: portOf(door), host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return new Talk(socket);
  }

  return {
    gate,
    boundary,
    arrived,
    addressOf,
    upstream() {
      const next = arrived[seen++];
      if (next !== undefined) return Promise.resolve(next);
      return new Promise((resolve) => waiting.push(resolve));
    },
    dial,
    async dialTls({ host = "example.com", servername = host, port = 443, alpn = ["http/1.1"] } = {}) {
      destinations.push({ address: addressOf(host), port });
      const settings: ConnectionOptions & { allowHalfOpen: boolean } = {
        port: portOf(door),
        host: "127.0.0.1",
        servername,
        ca: cellAuthority.certificatePem,
        ALPNProtocols: alpn,
        allowHalfOpen: true,
      };
      const socket = connectTls(settings);
      await once(socket, "secureConnect");
      return new Talk(socket);
    },
    async [Symbol.asyncDispose]() {
      await boundary.close();
      for (const socket of raw) socket.destroy();
      await Promise.all([door, plain, secure].map(shut));
      rmSync(folder, { recursive: true });
    },
  };
}

function listen(server: Server): Promise<unknown> {
  server.listen(0, "127.0.0.1");
  return once(server, "listening");
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
