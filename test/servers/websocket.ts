// The server's side of a WebSocket (RFC 6455) for tests: text both ways, no extension. What a client sends in fragments arrives whole.

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface WebSocketPeer {
  send(text: string): void;
}

const opcode = { more: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Answers the handshake; `onText` is called with each message. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  onText: (text: string, peer: WebSocketPeer) => void,
): void {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  const peer: WebSocketPeer = { send: (text) => void socket.write(frame(opcode.text, Buffer.from(text))) };
  let unread = head;
  let message: Buffer[] = [];
  socket.on("error", () => undefined); // the client went away: not the test's concern
  const take = (chunk: Buffer): void => {
    unread = Buffer.concat([unread, chunk]);
    for (let read = readFrame(unread); read !== null; read = readFrame(unread)) {
      unread = unread.subarray(read.length);
      if (read.code === opcode.close) return void socket.end(frame(opcode.close, read.payload));
      if (read.code === opcode.ping) socket.write(frame(opcode.pong, read.payload));
      if (read.code !== opcode.text && read.code !== opcode.more) continue;
      message.push(read.payload);
      if (!read.last) continue;
      onText(Buffer.concat(message).toString("utf8"), peer);
      message = [];
    }
  };
  socket.on("data", take);
}

function frame(code: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = 0x80 | code;
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

/** A client's frame, which is always masked; null while it is not whole. */
function readFrame(bytes: Buffer): { code: number; last: boolean; payload: Buffer; length: number } | null {
  if (bytes.length < 2) return null;
  const [first = 0, second = 0] = bytes;
  const short = second & 0x7f;
  const at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < at + 4) return null;
  const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < at + 4 + size) return null;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + size));
  for (let index = 0; index < size; index++) payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
  return { code: first & 0x0f, last: (first & 0x80) !== 0, payload, length: at + 4 + size };
}
