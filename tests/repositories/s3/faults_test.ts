import assert from "node:assert/strict";
import { type Bytes, readAll } from "../../../core/bytes.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import type { S3Retry } from "../../../repositories/s3/client.ts";
import type { PacedRetries } from "../../../repositories/s3/pace.ts";
import { needs } from "../../../testing/needs.ts";
import { BUCKET, client, endpoint, objectsUnder, place, s3Test, uploadsUnder } from "./server.ts";
import { type Fate, FaultyProxy, type Seen } from "./proxy.ts";
import { freePort, OwnProcess } from "../../kit/own_process.ts";

const program = needs("s3-program");

/** A repository behind a proxy, and one that is not. */
async function behindProxy(
  stack: AsyncDisposableStack,
  settings: { readonly maxAttempts?: number; readonly timeout?: string } = {},
): Promise<{
  readonly proxy: FaultyProxy;
  readonly shaky: S3BucketRepository;
  readonly plain: S3BucketRepository;
  readonly retries: S3Retry[];
  readonly unfinished: () => Promise<number>;
}> {
  const direct = client(stack);
  const prefix = await place(stack, direct);
  const proxy = stack.use(new FaultyProxy(endpoint));
  const retries: S3Retry[] = [];
  const through = client(stack, {
    endpoint: proxy.url,
    onRetry: (retry) => retries.push(retry),
    ...settings,
  });
  const options = { bucket: BUCKET, prefix, conditional: true, partSize: 5 * 2 ** 20 };
  return {
    proxy,
    retries,
    shaky: new S3BucketRepository(through, options),
    plain: new S3BucketRepository(direct, options),
    unfinished: () => uploadsUnder(direct, prefix),
  };
}

/** Says yes to the first few requests of a kind. */
function first(count: number, kind: (request: Seen) => boolean): (request: Seen) => boolean {
  let left = count;
  return (request) => kind(request) && left-- > 0;
}

function stream(bytes: Bytes, size = 100_000): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += size));
    },
  });
}

function pattern(size: number): Bytes {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) % 251;
  return bytes;
}

s3Test("S3BucketRepository knows its own write again when the answer to it was lost", async (stack) => {
  const { proxy, shaky, plain, retries } = await behindProxy(stack);
  const lost = first(1, ({ method }) => method === "PUT");
  proxy.fate = (request) => lost(request) ? "lose-answer" : "pass";
  await shaky.put("one", "mine", { ifAbsent: true });
  assert.equal(await plain.text("one"), "mine");
  assert.deepEqual(retries.map(({ request, attempt }) => [request, attempt]), [["PutObject", 1]]);

  const version = (await plain.info("one"))!.version!;
  const again = first(1, ({ method }) => method === "PUT");
  proxy.fate = (request) => again(request) ? "lose-answer" : "pass";
  await shaky.put("one", "changed", { ifVersion: version });
  assert.equal(await plain.text("one"), "changed");
});

s3Test("S3BucketRepository takes no other's write for its own when an answer was lost", async (stack) => {
  const { proxy, shaky, plain } = await behindProxy(stack);
  await plain.put("one", "theirs");
  const lost = first(1, ({ method }) => method === "PUT");
  proxy.fate = (request) => lost(request) ? "lose-answer" : "pass";
  await assert.rejects(shaky.put("one", "mine", { ifAbsent: true }), { code: "already-exists" });
  assert.equal(await plain.text("one"), "theirs");
});

s3Test(
  "S3BucketRepository finishes a write in parts when the answer to the last request was lost",
  async (stack) => {
    const { proxy, shaky, plain, unfinished } = await behindProxy(stack);
    const bytes = pattern(12 * 2 ** 20);
    const lost = first(1, ({ method, query }) => method === "POST" && query.includes("uploadId="));
    proxy.fate = (request) => lost(request) ? "lose-answer" : "pass";
    await shaky.put("large", stream(bytes));
    assert.deepEqual(await plain.bytes("large"), bytes);
    assert.equal(await unfinished(), 0);
  },
);

s3Test("S3BucketRepository gets every part through a store that says 503 for a while", async (stack) => {
  const { proxy, shaky, plain, retries, unfinished } = await behindProxy(stack);
  const busy = first(4, () => true);
  proxy.fate = (request) => busy(request) ? "slow-down" : "pass";
  const bytes = pattern(12 * 2 ** 20);
  await shaky.put("large", stream(bytes));
  assert.deepEqual(await plain.bytes("large"), bytes);
  assert.equal(retries.length, 4);
  assert(retries.every(({ error }) => (error as Error).name === "SlowDown"));
  assert.equal(await unfinished(), 0);
});

s3Test(
  "S3BucketRepository slows down in a storm of 503, loses nothing in it, and is as quick as before afterwards",
  async (stack) => {
    const direct = client(stack);
    const prefix = await place(stack, direct);
    const proxy = stack.use(new FaultyProxy(endpoint));
    const errors: unknown[] = [];
    const through = client(stack, {
      endpoint: proxy.url,
      maxAttempts: 20,
      onRetry: ({ error }) => errors.push(error),
    });
    const pace = await through.config.retryStrategy() as PacedRetries;
    const shaky = new S3BucketRepository(through, { bucket: BUCKET, prefix, conditional: true });
    const plain = new S3BucketRepository(direct, { bucket: BUCKET, prefix });
    let slowest = 0;
    const storm = first(24, () => true);
    proxy.fate = (request) => {
      slowest = Math.max(slowest, pace.distance);
      return storm(request) ? "slow-down" : "pass";
    };
    const keys = Array.from({ length: 48 }, (_, i) => `key-${i}`);
    let at = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (at < keys.length) {
        const key = keys[at++]!;
        await shaky.put(key, `value of ${key}`, { ifAbsent: true });
      }
    }));
    assert.deepEqual((await Array.fromAsync(plain)).sort(), keys.sort());
    for (const key of keys) assert.equal(await plain.text(key), `value of ${key}`);
    assert.equal(errors.length, 24);
    assert(errors.every((error) => (error as Error).name === "SlowDown"));
    assert(slowest >= 5, `requests kept a distance of ${slowest} ms at most`);
    for (let i = 0; i < 300 && pace.distance > 0; i++) await shaky.has("key-1");
    assert.equal(pace.distance, 0);
  },
);

s3Test(
  "S3BucketRepository says how often it tried when a store stays busy, and shows nothing",
  async (stack) => {
    const { proxy, shaky, plain } = await behindProxy(stack, { maxAttempts: 2 });
    proxy.fate = () => "slow-down";
    await assert.rejects(shaky.put("one", "text"), {
      code: "unavailable",
      message:
        `Cannot write "one" of ${shaky.name}: Reduce your request rate. (503 SlowDown); see that the service is up, and run again (tried 2 times)`,
      context: { operation: "write", subject: shaky.name, key: "one", retry: "later" },
    });
    await assert.rejects(Array.fromAsync(shaky), { code: "unavailable" });
    await assert.rejects(shaky.has("one"), { code: "unavailable" });
    proxy.fate = () => "pass";
    assert.equal(await plain.has("one"), false);
  },
);

s3Test(
  "S3BucketRepository leaves no parts of a write whose source fails or that is called off",
  async (stack) => {
    const { shaky, plain, unfinished } = await behindProxy(stack);
    const trouble = new Error("the source broke");
    const source = (
      then: (controller: ReadableStreamDefaultController<Bytes>) => void,
    ): ReadableStream<Bytes> => {
      let sent = 0;
      return new ReadableStream({
        pull: (controller) => sent++ < 14 ? controller.enqueue(new Uint8Array(2 ** 20)) : then(controller),
      }, { highWaterMark: 0 });
    };
    await assert.rejects(
      shaky.put("one", source((controller) => controller.error(trouble))),
      (error) => (error as Error).cause === trouble,
    );
    const calling = new AbortController();
    const reason = new Error("called off");
    await assert.rejects(
      shaky.put(
        "one",
        source(() => calling.abort(reason)),
        { signal: calling.signal },
      ),
      (error) => error === reason,
    );
    assert.equal(await plain.has("one"), false);
    assert.equal(await unfinished(), 0);
  },
);

s3Test("S3BucketRepository shows nothing when one part cannot be sent", async (stack) => {
  const { proxy, shaky, plain, unfinished } = await behindProxy(stack, { maxAttempts: 2 });
  proxy.fate = ({ query }) => /partNumber=2/.test(query) ? "slow-down" : "pass";
  await plain.put("one", "old");
  await assert.rejects(shaky.put("one", stream(pattern(16 * 2 ** 20))), { code: "unavailable" });
  assert.equal(await plain.text("one"), "old");
  assert.equal(await unfinished(), 0);
});

s3Test("S3BucketRepository goes on with a read where its connection broke", async (stack) => {
  const { proxy, shaky, plain } = await behindProxy(stack);
  const bytes = pattern(3 * 2 ** 20);
  await plain.put("one", bytes);
  const cut = first(3, ({ method }) => method === "GET");
  proxy.fate = (request) => cut(request) ? { cutAfter: 700_000 } : "pass";
  assert.deepEqual(await readAll(await shaky.open("one")), bytes);
  assert.equal(proxy.seen.filter(({ method }) => method === "GET").length, 4);
  const again = first(2, ({ method }) => method === "GET");
  proxy.fate = (request) => again(request) ? { cutAfter: 300_000 } : "pass";
  assert.deepEqual(
    await readAll(await shaky.open("one", { start: 1000, end: 2_000_001 })),
    bytes.slice(1000, 2_000_001),
  );
});

s3Test(
  "S3BucketRepository mixes no two values when one is replaced while a read was broken",
  async (stack) => {
    const { proxy, shaky, plain } = await behindProxy(stack);
    await plain.put("one", new Uint8Array(2 ** 21).fill(1));
    const cut = first(1, ({ method }) => method === "GET");
    proxy.fate = (request) => cut(request) ? { cutAfter: 500_000 } : "pass";
    const reader = (await shaky.open("one")).getReader();
    await reader.read();
    await plain.put("one", new Uint8Array(2 ** 21).fill(2));
    await assert.rejects(async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read());
    }, {
      code: "conflict",
      message:
        `Cannot read "one" of ${shaky.name}: it was replaced or deleted while it was read; read it again`,
    });
  },
);

s3Test("S3BucketRepository waits for a silent store only as long as it was told", async (stack) => {
  const { proxy, shaky } = await behindProxy(stack, { maxAttempts: 2, timeout: "300ms" });
  proxy.fate = () => "silence";
  await assert.rejects(shaky.put("one", "text"), {
    code: "unavailable",
    message:
      `Cannot write "one" of ${shaky.name}: a request has exceeded the configured 300 ms requestTimeout. (ETIMEDOUT); see that the service is up, and run again (tried 2 times)`,
  });
});

s3Test(
  "S3BucketRepository lists each key once when pages are lost in the midst of a listing",
  async (stack) => {
    const { proxy, shaky, plain, retries } = await behindProxy(stack);
    const keys = Array.from({ length: 1_050 }, (_, i) => `key-${String(i).padStart(5, "0")}`);
    let at = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (at < keys.length) await plain.put(keys[at++]!, "x");
    }));
    const isLaterPage = ({ query }: Seen): boolean => query.includes("continuation-token");
    const fates: readonly Fate[] = ["lose-answer", { cutAfter: 5_000 }, "slow-down"];
    for (const fate of fates) {
      const lost = first(2, isLaterPage);
      proxy.fate = (request) => lost(request) ? fate : "pass";
      retries.length = 0;
      assert.deepEqual((await Array.fromAsync(shaky)).sort(), keys, JSON.stringify(fate));
      assert(retries.length > 0, JSON.stringify(fate));
    }
  },
);

Deno.test({
  name:
    "S3BucketRepository loses nothing and shows nothing half when its server is killed in the midst of writes",
  ...program.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const port = freePort();
    const gateway = new OwnProcess(program.get("S3_PROGRAM"), [`${port}`], port);
    stack.defer(() => gateway.kill());
    await gateway.start();
    const direct = client(stack);
    const prefix = await place(stack, direct);
    const options = { bucket: BUCKET, prefix, partSize: 5 * 2 ** 20, conditional: true };
    const killed = new S3BucketRepository(
      client(stack, { endpoint: `http://127.0.0.1:${port}`, maxAttempts: 30 }),
      options,
    );
    const plain = new S3BucketRepository(direct, options);
    const large = pattern(30 * 2 ** 20);
    const done = new Set<string>();
    let writing = true;
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let i = 0; writing; i++) {
        await killed.put(`key-${lane}-${i}`, `value of ${lane} ${i}`, { ifAbsent: true });
        done.add(`key-${lane}-${i}`);
      }
    });
    const ended = Promise.all(lanes);
    ended.catch(() => {});
    for (const round of ["a", "b"]) {
      const halfway = Promise.withResolvers<void>();
      let sent = 0;
      const source = stream(large).pipeThrough(
        new TransformStream<Bytes, Bytes>({
          transform(chunk, controller) {
            sent += chunk.length;
            if (sent > large.length / 2) halfway.resolve();
            controller.enqueue(chunk);
          },
        }),
      );
      const whole = killed.put(`large-${round}`, source);
      whole.catch(halfway.reject);
      await halfway.promise;
      await gateway.kill();
      assert.equal(await plain.has(`large-${round}`), false);
      await gateway.start();
      await whole;
      assert.deepEqual(await plain.bytes(`large-${round}`), large);
    }
    writing = false;
    await ended;
    const listed = new Set(await Array.fromAsync(plain));
    assert(done.size > 0 && done.isSubsetOf(listed), "a write was lost");
    for (const key of done) assert.equal(await plain.text(key), `value of ${key.slice(4).replace("-", " ")}`);
    assert.deepEqual(
      new Set(await objectsUnder(direct, prefix)),
      new Set([...listed].map((key) => prefix + key)),
    );
    assert.equal(await uploadsUnder(direct, prefix), 0);
  },
});

Deno.test({
  name: "S3BucketRepository lists each key once when its server is killed in the midst of a listing",
  ...program.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const port = freePort();
    const gateway = new OwnProcess(program.get("S3_PROGRAM"), [`${port}`], port);
    stack.defer(() => gateway.kill());
    await gateway.start();
    const direct = client(stack);
    const options = { bucket: BUCKET, prefix: await place(stack, direct) };
    const plain = new S3BucketRepository(direct, options);
    const keys = Array.from({ length: 1200 }, (_, i) => `key-${String(i).padStart(5, "0")}`);
    let at = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (at < keys.length) await plain.put(keys[at++]!, "x");
    }));
    const killed = new S3BucketRepository(
      client(stack, { endpoint: `http://127.0.0.1:${port}`, maxAttempts: 30 }),
      options,
    );
    const listed: string[] = [];
    for await (const page of killed.pages()) {
      if (listed.length === 0) {
        await gateway.kill();
        await gateway.start();
      }
      listed.push(...page);
    }
    assert.deepEqual(listed.sort(), keys);
  },
});

Deno.test({
  name: "S3BucketRepository goes on with reads when its server is killed in the midst of them",
  ...program.test,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const port = freePort();
    const gateway = new OwnProcess(program.get("S3_PROGRAM"), [`${port}`], port);
    stack.defer(() => gateway.kill());
    await gateway.start();
    const direct = client(stack);
    const options = { bucket: BUCKET, prefix: await place(stack, direct) };
    const bytes = pattern(24 * 2 ** 20);
    await new S3BucketRepository(direct, options).put("large", bytes);
    const killed = new S3BucketRepository(
      client(stack, { endpoint: `http://127.0.0.1:${port}`, maxAttempts: 30 }),
      options,
    );
    const reader = (await killed.open("large")).getReader();
    const chunks: Bytes[] = [];
    let read = 0;
    let kills = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value.slice());
      read += next.value.length;
      if (read > (kills + 1) * 7 * 2 ** 20) {
        kills++;
        await gateway.kill();
        await gateway.start();
      }
    }
    assert.equal(kills, 3);
    assert.deepEqual(await readAll(ReadableStream.from(chunks) as ReadableStream<Bytes>), bytes);
  },
});
