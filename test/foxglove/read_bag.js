// What Foxglove's readers find in an MCAP file, as JSON: of each topic its type, how many messages it
// has, and of the first one all fields, with a checksum in place of long data.
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";

import { parse } from "@foxglove/rosmsg";
import { MessageReader } from "@foxglove/rosmsg2-serialization";
import { McapIndexedReader } from "@mcap/core";
import { loadDecompressHandlers } from "@mcap/support";

const LONG = 64;

const file = await open(process.argv[2]);
const readable = {
  size: async () => BigInt((await file.stat()).size),
  read: async (offset, size) => {
    const buffer = new Uint8Array(Number(size));
    await file.read(buffer, 0, buffer.length, Number(offset));
    return buffer;
  },
};

function shown(_key, value) {
  if (typeof value === "bigint") return Number(value);
  if (!ArrayBuffer.isView(value)) return value;
  if (value.length <= LONG) return Array.from(value);
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return { bytes: bytes.length, crc32: crc32(bytes) };
}

const decompressHandlers = await loadDecompressHandlers();
const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
const decoders = new Map();
const found = {};
for await (const message of reader.readMessages()) {
  const channel = reader.channelsById.get(message.channelId);
  const schema = reader.schemasById.get(channel.schemaId);
  if (!decoders.has(schema.id)) {
    const definition = parse(new TextDecoder().decode(schema.data), { ros2: true });
    decoders.set(schema.id, new MessageReader(definition));
  }
  const content = decoders.get(schema.id).readMessage(message.data);
  found[channel.topic] ??= { type: schema.name, encoding: schema.encoding, count: 0, first: content };
  found[channel.topic].count += 1;
}
await file.close();
console.log(JSON.stringify(found, shown));
