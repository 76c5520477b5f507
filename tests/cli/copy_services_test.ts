/**
 * Copies and backups between real services and files, interrupted in the middle of a value and called again.
 *
 * The pipeline of each test interrupts its own process, once the value `large` is half-read, as long as there is a file `interrupt` beside it.
 */
import assert from "node:assert/strict";
import { FileRepository } from "../../repositories/files.ts";
import { MongoMetadataRepository } from "../../repositories/mongodb/mod.ts";
import { S3BucketRepository } from "../../repositories/s3/mod.ts";
import { YamlMetadataRepository } from "../../repositories/yaml.ts";
import { connected, freshDatabase, mongodb, test as mongoTest } from "../repositories/mongodb/servers.ts";
import {
  BUCKET,
  client,
  credentials,
  endpoint,
  place,
  s3Test,
  uploadsUnder,
} from "../repositories/s3/server.ts";
import { CLI, ended, ROOT } from "./own_program.ts";

const LARGE = 20 * 2 ** 20;

const HEAD = `
import { BlobRepository, FileRepository, functionTask, input, MemoryMetadataRepository, MetadataRepository,
  Pipeline, Session, YamlMetadataRepository } from "${ROOT}mod.ts";
const session = new Session();
const asked = (() => { try { return Deno.statSync("interrupt").isFile; } catch { return false; } })();
async function interrupt(signal) {
  const aborted = Promise.withResolvers();
  signal.addEventListener("abort", aborted.resolve);
  Deno.kill(Deno.pid, "SIGINT");
  await aborted.promise;
  throw signal.reason;
}
function half(stream, signal) {
  const reader = stream.getReader();
  let seen = 0;
  return new ReadableStream({
    async pull(controller) {
      if (seen > ${LARGE / 2}) await interrupt(signal).finally(() => reader.cancel());
      const { done, value } = await reader.read();
      if (done) return controller.close();
      seen += value.length;
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
const blobs = ({ readBytes: _, ...driver }) => new BlobRepository({
  ...driver,
  async read(key, options) {
    const stream = await driver.read(key, options);
    return asked && key === "large" ? half(stream, options.signal) : stream;
  },
});
const documents = ({ getMany: _, ...driver }) => new MetadataRepository({
  ...driver,
  async get(key, options) {
    if (asked && key === "large") await interrupt(options.signal);
    return await driver.get(key, options);
  },
});
const pipelineOf = (links) => new Pipeline({
  session,
  state: "state",
  tasks: [functionTask("t", {
    done: new MemoryMetadataRepository(),
    links: Object.fromEntries(Object.entries(links).map(([name, repository]) => [name, input(repository)])),
  }, () => {})],
});
`;

/** What a command that copies says of itself. */
interface Tally {
  readonly copied: number;
  readonly kept: number;
  readonly failed: number;
  readonly interrupted: boolean;
}

/** A folder with a pipeline, and its command line. */
async function folder(stack: AsyncDisposableStack, body: string) {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/pipeline.ts`, HEAD + body);
  const run = async (...words: string[]): Promise<[code: number, tally: Tally]> => {
    const { code, out, err } = await ended(
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-check", "-A", CLI, ...words, "-p", `${dir}/pipeline.ts`, "--json"],
        cwd: dir,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }),
    );
    assert.equal(err, "");
    return [code, JSON.parse(out)];
  };
  return {
    dir,
    run,
    /** Does it with an interruption in the middle of a value, sees that this value is nowhere, and does it again. */
    async interrupted(count: number, there: () => Promise<readonly string[]>, ...words: string[]) {
      await Deno.writeTextFile(`${dir}/interrupt`, "");
      const [code, first] = await run(...words);
      await Deno.remove(`${dir}/interrupt`);
      assert.deepEqual([code, first.interrupted, first.failed], [130, true, 0]);
      const keys = await there();
      assert(!keys.includes("large"), "half a value is there");
      const [again, second] = await run(...words);
      assert.deepEqual([again, second.copied + second.kept, second.failed], [0, count, 0]);
      assert.equal(second.interrupted, false);
      if (words[0] === "copy") assert.equal(second.kept, keys.length, "what is there is not copied again");
      const [last, third] = await run(...words);
      assert.deepEqual([last, third.copied, third.kept], [0, 0, count]);
    },
  };
}

const SMALL = Array.from({ length: 30 }, (_, i) => `key-${i}`);
const ALL = [...SMALL, "large"];

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

s3Test(
  "copy, backup and restore between a bucket and files go on after an interruption in mid-value",
  async (stack) => {
    const s3 = client(stack);
    const prefix = await place(stack, s3);
    const { dir, run, interrupted } = await folder(
      stack,
      `import { S3BucketRepository, s3Client } from "${ROOT}repositories/s3/mod.ts";
     const client = session.resource("client", s3Client(${JSON.stringify({ endpoint, credentials })}));
     const bucket = new S3BucketRepository(client, ${JSON.stringify({ bucket: BUCKET, prefix })});
     export default pipelineOf({
       files: blobs(new FileRepository("files").driver),
       bucket: blobs(bucket.driver),
       copies: new FileRepository("copies"),
     });`,
    );
    const files = new FileRepository(`${dir}/files`);
    const copies = new FileRepository(`${dir}/copies`);
    const bucket = new S3BucketRepository(s3, { bucket: BUCKET, prefix });
    for (const key of SMALL) await files.put(key, `the value of ${key}`);
    await files.put("large", new Uint8Array(LARGE).map((_, i) => i % 251));
    const expected = await digest(await files.bytes("large"));

    await interrupted(
      ALL.length,
      async () => {
        assert.equal(await uploadsUnder(s3, prefix), 0, "parts were left");
        return await Array.fromAsync(bucket);
      },
      "copy",
      "t.files",
      "t.bucket",
    );
    await interrupted(ALL.length, () => Array.fromAsync(copies), "copy", "t.bucket", "t.copies");
    const backup = new FileRepository(`${dir}/b/t.bucket`);
    await interrupted(ALL.length, () => Array.fromAsync(backup), "backup", "b", "t.bucket");
    await bucket.deleteMany(ALL);
    assert.deepEqual(await Array.fromAsync(bucket), []);
    const [code, { copied, failed }] = await run("restore", "b", "t.bucket");
    assert.deepEqual([code, copied, failed], [0, ALL.length, 0]);
    for (const store of [bucket, copies]) {
      assert.deepEqual((await Array.fromAsync(store)).sort(), ALL.toSorted());
      for (const key of SMALL) assert.equal(await store.text(key), `the value of ${key}`);
      assert.equal(await digest(await store.bytes("large")), expected);
    }
  },
);

mongoTest(
  "copy, backup and restore between MongoDB and YAML files go on after an interruption",
  async (stack) => {
    const client = await connected(stack);
    const database = freshDatabase(client, stack);
    const { dir, run, interrupted } = await folder(
      stack,
      `import { mongoClient, MongoMetadataRepository } from "${ROOT}repositories/mongodb/mod.ts";
     const client = session.resource("client", mongoClient(${JSON.stringify(mongodb.get("MONGODB_URL"))}));
     const books = new MongoMetadataRepository(client, ${JSON.stringify({ database, collection: "books" })});
     export default pipelineOf({
       files: documents(YamlMetadataRepository.files("files").driver),
       books: documents(books.driver),
       copies: YamlMetadataRepository.files("copies"),
     });`,
    );
    const files = YamlMetadataRepository.files(`${dir}/files`);
    const copies = YamlMetadataRepository.files(`${dir}/copies`);
    const books = new MongoMetadataRepository(client, { database, collection: "books" });
    const documentOf = (key: string): unknown =>
      key === "large"
        ? { lines: Array.from({ length: 5_000 }, (_, i) => `line ${i}`) }
        : { title: key, pages: key.length, tags: ["yes", "1e5"], "a.b": { $set: null }, nothing: null };
    for (const key of ALL) await files.set(key, documentOf(key));

    await interrupted(ALL.length, () => Array.fromAsync(books), "copy", "t.files", "t.books");
    await interrupted(ALL.length, () => Array.fromAsync(copies), "copy", "t.books", "t.copies");
    const typed = { at: new Date(Date.UTC(2001, 2, 4)), raw: new Uint8Array([0, 255]), large: 2n ** 62n };
    await books.set("typed", typed);
    const backup = new FileRepository(`${dir}/b/t.books`);
    await interrupted(ALL.length + 1, () => Array.fromAsync(backup), "backup", "b", "t.books");
    for (const key of [...ALL, "typed"]) await books.delete(key);
    const [code, { copied, failed }] = await run("restore", "b", "t.books");
    assert.deepEqual([code, copied, failed], [0, ALL.length + 1, 0]);
    assert.deepEqual(await books.get("typed"), typed);
    await books.delete("typed");
    for (const store of [books, copies]) {
      assert.deepEqual((await Array.fromAsync(store)).sort(), ALL.toSorted());
      for (const key of ALL) assert.deepEqual(await store.get(key), documentOf(key));
    }
  },
);
