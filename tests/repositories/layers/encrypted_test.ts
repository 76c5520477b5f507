import assert from "node:assert/strict";
import { type Bytes, encodeText, readAll } from "../../../core/bytes.ts";
import { DatataskError } from "../../../core/errors.ts";
import { BlobRepository } from "../../../repositories/blob.ts";
import { encrypted } from "../../../repositories/layers/encrypted.ts";
import { memoryBlobDriver, MemoryBlobRepository } from "../../../repositories/memory.ts";

const CHUNK = 65_536;
const TAG = 16;
const HEADER = 100;

/** A key that is the same in every run. */
function keyOf(seed: number): Bytes {
  return Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + seed * 101) % 256);
}

const layer = encrypted({ current: "main", keys: { main: keyOf(1) } });

function books(): { beneath: MemoryBlobRepository; view: BlobRepository } {
  const beneath = new MemoryBlobRepository("books");
  return { beneath, view: beneath.with(layer) };
}

/** What a reader is told, by a stream and by all bytes at once: both alike. */
async function told(view: BlobRepository, key: string): Promise<string> {
  const errors = await Promise.all(
    [view.bytes(key), view.open(key).then(readAll)].map((reading) =>
      reading.then(
        () => assert.fail(`${key} was read`),
        (error) => {
          assert(error instanceof DatataskError, String(error));
          return `${error.code}: ${error.message}`;
        },
      )
    ),
  );
  assert.equal(errors[0], errors[1]);
  return errors[0]!.replace(`Cannot read "${key}" of books (encrypted): `, "");
}

function noise(size: number): Bytes {
  let state = 42;
  return Uint8Array.from({ length: size }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16);
}

const CHANGED =
  "invalid-value: it was changed after it was encrypted, or belongs to another key or repository; write it again";
const CUT = "invalid-value: it was cut short after it was encrypted; write it again";
const NOT = "invalid-value: it is not encrypted, or its beginning was changed; write it again";

Deno.test("encrypted() gives nothing of a value away but its size, and never the same bytes twice", async () => {
  const { beneath, view } = books();
  for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]) {
    const value = new Uint8Array(size).fill(65);
    await view.put("a", value);
    await view.put("b", value);
    const [a, b] = [await beneath.bytes("a"), await beneath.bytes("b")];
    assert.equal(a.length, HEADER + size + TAG * Math.max(1, Math.ceil(size / CHUNK)));
    assert.equal((await view.info("a"))!.size, size);
    assert.notDeepEqual(a.subarray(40), b.subarray(40));
    assert.doesNotMatch(new TextDecoder("latin1").decode(a), /A{6}/);
  }
});

Deno.test("encrypted() finds every byte that was changed", async () => {
  const { beneath, view } = books();
  await view.put("a", "a whale");
  const stored = await beneath.bytes("a");
  for (let at = 0; at < stored.length; at++) {
    const changed = stored.slice();
    changed[at]! ^= 1;
    await beneath.put("a", changed);
    const text = await told(view, "a");
    const expected = at < 8
      ? NOT
      : at < 40
      ? /^denied: it was encrypted with the key ".+", which is not among the keys; add it$/
      : at < HEADER
      ? 'denied: the key "main" does not open it: give the key of that name with which it was encrypted; if this is the one, the value was changed: write it again'
      : CHANGED;
    if (typeof expected === "string") assert.equal(text, expected, `byte ${at}`);
    else assert.match(text, expected, `byte ${at}`);
  }
});

Deno.test("encrypted() finds values that were cut short, lengthened, or put together anew", async () => {
  const { beneath, view } = books();
  const value = noise(3 * CHUNK + 10);
  await view.put("a", value);
  await view.put("other", value);
  const [stored, other] = [await beneath.bytes("a"), await beneath.bytes("other")];
  const chunk = (i: number, of = stored): Bytes =>
    of.slice(HEADER + i * (CHUNK + TAG), HEADER + (i + 1) * (CHUNK + TAG));
  const header = stored.slice(0, HEADER);
  const cases: readonly (readonly [what: string, parts: readonly Bytes[], state: string])[] = [
    ["nothing", [], NOT],
    ["half a header", [stored.slice(0, 50)], CUT],
    ["the header alone", [header], CUT],
    ["one chunk", [header, chunk(0)], CUT],
    ["without the last chunk", [header, chunk(0), chunk(1), chunk(2)], CUT],
    ["without the last byte", [stored.slice(0, -1)], CHANGED],
    ["in the middle of a chunk", [stored.slice(0, HEADER + 2 * CHUNK)], CHANGED],
    ["one byte more", [stored, new Uint8Array(1)], CHANGED],
    ["a chunk twice", [header, chunk(0), chunk(0), chunk(1), chunk(2), chunk(3)], CHANGED],
    ["chunks exchanged", [header, chunk(1), chunk(0), chunk(2), chunk(3)], CHANGED],
    ["a chunk left out", [header, chunk(0), chunk(2), chunk(3)], CHANGED],
    ["a chunk of another value", [header, chunk(0), chunk(1, other), chunk(2), chunk(3)], CHANGED],
    ["the header of another value", [other.slice(0, HEADER), stored.slice(HEADER)], CHANGED],
    ["text", [encodeText("Call me Ishmael. ".repeat(10))], NOT],
  ];
  for (const [what, parts, state] of cases) {
    await beneath.put("a", new Uint8Array(await new Blob([...parts]).arrayBuffer()));
    assert.equal(await told(view, "a"), state, what);
  }
  // What comes before the flaw is as it was written.
  await beneath.put("a", new Uint8Array(await new Blob([header, chunk(0), chunk(2)]).arrayBuffer()));
  const reader = (await view.open("a")).getReader();
  assert.deepEqual((await reader.read()).value, value.slice(0, CHUNK));
  await assert.rejects(reader.read(), { code: "invalid-value" });
});

Deno.test("encrypted() refuses a value of another key, of what is beside, and of another context", async () => {
  const { beneath, view } = books();
  await view.put("a", "one");
  const stored = await beneath.bytes("a");
  await beneath.put("b", stored);
  assert.equal(await told(view, "b"), CHANGED);
  await new BlobRepository(beneath.driver.beside!("failed")).put("a", stored);
  const beside = new BlobRepository(view.driver.beside!("failed"));
  await assert.rejects(beside.bytes("a"), { code: "invalid-value" });
  await beside.put("a", "failed");
  assert.equal(await beside.text("a"), "failed");
  const elsewhere = beneath.with(
    encrypted({ current: "main", keys: { main: keyOf(1) }, context: "elsewhere" }),
  );
  assert.equal(await told(elsewhere, "a"), CHANGED);
  assert.notEqual(elsewhere.driver.identity, view.driver.identity);
});

Deno.test("encrypted() reads what older keys wrote, writes with the current one, and says which key is missing", async () => {
  const beneath = new MemoryBlobRepository("books");
  const [older, newer] = [keyOf(1), keyOf(2)];
  await beneath.with(encrypted({ current: "2025", keys: { "2025": older } })).put("a", "old");
  const both = beneath.with(encrypted({ current: "2026", keys: { "2025": older, "2026": newer } }));
  assert.equal(await both.text("a"), "old");
  const onlyNewer = beneath.with(encrypted({ current: "2026", keys: { "2026": newer } }));
  assert.equal(
    await told(onlyNewer, "a"),
    'denied: it was encrypted with the key "2025", which is not among the keys; add it',
  );
  // Read and written again, a value has the current key.
  const { version } = (await both.info("a"))!;
  await both.put("a", await both.open("a"), { ifVersion: version });
  assert.equal(await onlyNewer.text("a"), "old");
  const wrong = beneath.with(encrypted({ current: "2026", keys: { "2026": keyOf(3) } }));
  assert.equal(
    await told(wrong, "a"),
    'denied: the key "2026" does not open it: give the key of that name with which it was encrypted; if this is the one, the value was changed: write it again',
  );
});

Deno.test("encrypted() takes keys of WebCrypto that cannot be extracted, and forgets no bytes that are wiped", async () => {
  const make = (usages: KeyUsage[]): Promise<CryptoKey> =>
    crypto.subtle.importKey("raw", keyOf(1), "AES-GCM", false, usages);
  const { beneath, view } = books();
  await view.put("a", "one");
  const keys = { main: await make(["encrypt", "decrypt"]), old: await make(["decrypt"]) };
  assert.equal(await beneath.with(encrypted({ current: "main", keys })).text("a"), "one");
  const wiped = keyOf(1);
  const kept = beneath.with(encrypted({ current: "main", keys: { main: wiped } }));
  wiped.fill(0);
  assert.equal(await kept.text("a"), "one");
});

Deno.test("encrypted() refuses keys that cannot be used", async () => {
  const message = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      assert.equal((error as DatataskError).code, "invalid-definition");
      return (error as Error).message;
    }
    assert.fail("it was taken");
  };
  const short = new Uint8Array(16);
  assert.equal(
    message(() => encrypted({ current: "main", keys: { main: short, "a b": keyOf(1) } })),
    '2 faults:\n- Cannot encrypt with the key "main": it has 16 bytes; make one of 32 bytes, with crypto.getRandomValues(new Uint8Array(32))\n- Cannot encrypt with the key "a b": its name is not valid; use 1 to 32 of A-Z a-z 0-9 . _ - with a letter or digit at both ends',
  );
  assert.equal(
    message(() => encrypted({ current: "toString", keys: { main: keyOf(1) } })),
    'Cannot encrypt with the key "toString": it is not among the keys',
  );
  const smaller = await crypto.subtle.importKey("raw", short, "AES-GCM", false, ["encrypt", "decrypt"]);
  assert.equal(
    message(() => encrypted({ current: "main", keys: { main: smaller } })),
    'Cannot encrypt with the key "main": it is not for AES-GCM with 256 bits',
  );
  const reading = await crypto.subtle.importKey("raw", keyOf(1), "AES-GCM", false, ["decrypt"]);
  assert.equal(
    message(() => encrypted({ current: "main", keys: { main: reading } })),
    'Cannot encrypt with the key "main": it is not allowed to encrypt',
  );
});

Deno.test("encrypted() reads what its format says, made by other means", async () => {
  const { beneath, view } = books();
  const { createCipheriv } = await import("node:crypto");
  const seal = (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array => {
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(aad);
    return new Uint8Array([...cipher.update(text), ...cipher.final(), ...cipher.getAuthTag()]);
  };
  const own = new Uint8Array(32).fill(9);
  const named = new Uint8Array(40);
  named.set(encodeText("dtseal01main"));
  const nonce = new Uint8Array(12).fill(3);
  const last = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const chunk = seal(own, last, encodeText("\0\0a"), encodeText("Call me Ishmael."));
  await beneath.put(
    "a",
    new Uint8Array([...named, ...nonce, ...seal(keyOf(1), nonce, named, own), ...chunk]),
  );
  assert.equal(await view.text("a"), "Call me Ishmael.");
});

Deno.test("encrypted() holds little of a long stream in memory, and cancels what is beneath when its reader leaves", async () => {
  let pulled = 0;
  const cancelled = Promise.withResolvers<void>();
  const source = new ReadableStream<Bytes>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(CHUNK));
    },
    cancel: () => cancelled.resolve(),
  }, { highWaterMark: 0 });
  const reached = Promise.withResolvers<ReadableStream<Bytes>>();
  const never = Promise.withResolvers<void>();
  const outer = layer({
    ...memoryBlobDriver(),
    write: (_key, content) => {
      reached.resolve(content as ReadableStream<Bytes>);
      return never.promise;
    },
  });
  const writing = outer.write("a", source);
  const reader = (await reached.promise).getReader();
  for (let i = 0; i < 4; i++) await reader.read();
  assert(pulled < 12, `${pulled} chunks were taken for three that were wanted`);
  await reader.cancel();
  await cancelled.promise;
  never.resolve();
  await writing;
});

Deno.test("encrypted() leaves a source that stalls, and passes on its errors as they are", async () => {
  const inner = memoryBlobDriver();
  await layer(inner).write("a", noise(5 * CHUNK));
  const stored = (await inner.readBytes!("a"))!;
  const cancelled = Promise.withResolvers<void>();
  const stalled = layer({
    ...inner,
    read: () =>
      Promise.resolve(
        new ReadableStream<Bytes>({
          start: (controller) => controller.enqueue(stored.slice(0, 2 * CHUNK)),
          cancel: () => cancelled.resolve(),
        }),
      ),
  });
  const reader = (await stalled.read("a"))!.getReader();
  const reading = reader.read();
  await reader.cancel();
  await cancelled.promise;
  assert.equal((await reading).done, true);
  const trouble = new Error("connection reset");
  const broken = layer({
    ...inner,
    read: () =>
      Promise.resolve(new ReadableStream<Bytes>({ pull: (controller) => controller.error(trouble) })),
  });
  await assert.rejects(readAll((await broken.read("a"))!), (error) => error === trouble);
});

Deno.test("encrypted() refuses ranges", async () => {
  const { view } = books();
  await assert.rejects(view.open("a", { start: 1 }), {
    code: "unsupported",
    message:
      'Cannot read a part of "a" of books (encrypted): encrypted values are read whole; leave out start and end',
  });
});
