// Many clients in one process, for idle.ts: `hold` opens TLS connections, sends one request on each and keeps them; `drip`
// opens them and sends a head that never ends, a byte every two seconds each. Prints `ready` when all are there, ends on SIGTERM.
//   node bench/http/crowd.ts hold|drip COUNT PORT CA

import { readFileSync } from "node:fs";
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from "node:tls";

const [kind = "hold", count = "1", port = "0", ca = ""] = process.argv.slice(2);
const total = Number(count);
/** Connections being opened at once. */
const opening = 64;
const perAddress = 2_000;
const secureContext = createSecureContext({ ca: readFileSync(ca) });
const sockets: TLSSocket[] = [];
let started = 0;
let ready = 0;
let failed = 0;

function open(): void {
  if (started === total) return;
  const localAddress = `127.0.0.${2 + Math.floor(started / perAddress)}`;
  started += 1;
  const options: ConnectionOptions & { readonly localAddress: string } = {
    host: "127.0.0.1",
    port: Number(port),
    servername: "localhost",
    secureContext,
    localAddress,
  };
  const socket = connect(options);
  sockets.push(socket);
  socket.on("error", () => {
    failed += 1;
    settled();
  });
  socket.once("secureConnect", () => {
    if (kind === "drip") {
      socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\nX: `);
      settled();
    } else socket.write(`GET /v1/models HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
  });
  if (kind === "hold") socket.once("data", () => settled());
}

function settled(): void {
  ready += 1;
  open();
  if (ready === total) process.stdout.write(`ready ${total - failed}\n`);
}

for (let i = 0; i < opening; i++) open();
if (kind === "drip") {
  // Each its own time: all at once, what would be measured is the core that sends, which the load shares.
  const slices = 200;
  let turn = 0;
  setInterval(() => {
    for (let i = turn % slices; i < sockets.length; i += slices) if (sockets[i]?.writable) sockets[i]?.write("y");
    turn += 1;
  }, 2_000 / slices);
}
process.on("SIGTERM", () => {
  for (const socket of sockets) socket.destroy();
  process.exit();
});
