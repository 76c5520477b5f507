/** Tests of what workers read: every kind of value, in parts, and from stores that know little of them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Bytes } from "../../core/bytes.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import { compressed } from "../../repositories/layers/compressed.ts";
import {
  memoryBlobDriver,
  MemoryBlobRepository,
  MemoryMetadataRepository,
} from "../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../repositories/memory_tree.ts";
import { Repository } from "../../repositories/repository.ts";
import { yaml } from "../../repositories/yaml.ts";
import { directory, file, link } from "../../testing/trees.ts";
import type { GrantedInput } from "../../tasks/agent.ts";
import { until } from "../kit/waiting.ts";
import { grantOf, Place } from "./kit.ts";

const TEXT = "handsome, clever, and rich";
const sha256 = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");
const value = (repository: Repository, key = "emma"): Record<string, GrantedInput> => ({
  books: { kind: "value", repository, key },
});

async function books(text = TEXT): Promise<MemoryBlobRepository> {
  const repository = new MemoryBlobRepository("books");
  await repository.put("emma", text);
  return repository;
}

Deno.test("ranges are given from every side, and told when there is nothing there", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", value(await books())));
  const part = async (range: string): Promise<string> => {
    const { status, text, headers } = await worker.ask("/in/books", { headers: { Range: range } });
    return `${status} ${text.trim()} ${headers.get("content-range")}`;
  };
  assert.equal(await part("bytes=0-7"), "206 handsome bytes 0-7/26");
  assert.equal(await part("bytes=22-"), "206 rich bytes 22-25/26");
  assert.equal(await part("bytes=22-1000"), "206 rich bytes 22-25/26");
  assert.equal(await part("bytes=-4"), "206 rich bytes 22-25/26");
  assert.equal(await part("bytes=-400"), `206 ${TEXT} bytes 0-25/26`);
  assert.match(await part("bytes=26-"), /^416 .* bytes \*\/26$/);
  assert.match(await part("bytes=-0"), /^416 /);
  for (const whole of ["bytes=5-2", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=a-b"]) {
    assert.equal(await part(whole), `200 ${TEXT} null`, whole);
  }
});

Deno.test("a download is continued only where the value is still the same", async () => {
  await using place = await Place.make();
  const repository = await books();
  const worker = await place.admit(grantOf("emma", value(repository)));
  const tag = (await worker.ask("/in/books", { method: "HEAD" })).headers.get("etag")!;
  const continued = async (): Promise<string> => {
    const { status, text } = await worker.ask("/in/books", {
      headers: { Range: "bytes=22-", "If-Range": tag },
    });
    return `${status} ${text}`;
  };
  assert.equal(await continued(), "206 rich");
  assert.equal((await worker.ask("/in/books", { headers: { "If-None-Match": tag } })).status, 304);
  await repository.put("emma", "pretty, clever, and poor..");
  assert.equal(await continued(), "200 pretty, clever, and poor..");
  assert.equal((await worker.ask("/in/books", { headers: { "If-None-Match": tag } })).status, 200);
});

Deno.test("a worker can ask for the head only", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", value(await books())));
  const { status, text, headers } = await worker.ask("/in/books", { method: "HEAD" });
  assert.deepEqual([status, text, headers.get("content-length")], [200, "", "26"]);
  assert.equal(headers.get("accept-ranges"), "bytes");
});

Deno.test("a document comes in the codec of the task", async () => {
  await using place = await Place.make();
  const meta = new MemoryMetadataRepository("meta");
  await meta.set("emma", { author: "Jane Austen" });
  const worker = await place.admit(grantOf("emma", value(meta), {}, { documents: yaml }));
  const { text, headers } = await worker.ask("/in/books");
  assert.equal(text, "author: Jane Austen\n");
  assert.equal(headers.get("content-type"), yaml.mediaType);
  assert.equal((await worker.ask("/digest/books")).text.trim(), sha256(text));
  assert.equal((await worker.ask("/in/books", { headers: { Range: "bytes=8-11" } })).text, "Jane");
});

Deno.test("a tree comes as a tar archive, in parts as well", async () => {
  await using place = await Place.make();
  const trees = new MemoryFilesystemRepository("trees");
  const long = "x".repeat(100_000);
  await trees.put("emma", [
    directory("a"),
    file("a/f", "one"),
    file("large", long),
    link("l", "a/f"),
    directory("e"),
  ]);
  const worker = await place.admit(grantOf("emma", value(trees)));
  const archive = await (await worker.fetch("/in/books")).bytes();
  const folder = `${place.folder}/tree`;
  await Deno.mkdir(folder);
  await Deno.writeFile(`${place.folder}/a.tar`, archive);
  const { success } = await new Deno.Command("tar", { args: ["-xf", "../a.tar"], cwd: folder }).output();
  assert(success);
  assert.equal(await Deno.readTextFile(`${folder}/l`), "one");
  assert.equal(await Deno.readTextFile(`${folder}/large`), long);
  assert((await Deno.stat(`${folder}/e`)).isDirectory);
  const rest = await worker.fetch("/in/books", { headers: { Range: "bytes=60000-" } });
  assert.equal(rest.status, 206);
  assert.equal(rest.headers.get("content-range"), `bytes 60000-${archive.length - 1}/${archive.length}`);
  assert.deepEqual(await rest.bytes(), archive.subarray(60_000));
  assert.equal((await worker.ask("/digest/books")).text.trim(), sha256(archive));
});

Deno.test("of a repository of keys there is nothing to read but that they are there", async () => {
  await using place = await Place.make();
  const marks = new Repository(memoryBlobDriver("marks"));
  await new BlobRepository(marks.driver as BlobDriver).put("emma", "unseen");
  const worker = await place.admit(
    grantOf("emma", { ...value(marks), gone: { kind: "value", repository: marks, key: "x" } }),
  );
  assert.deepEqual([(await worker.ask("/in/books")).status, (await worker.ask("/in/books")).text], [200, ""]);
  assert.equal((await worker.ask("/in/gone")).status, 404);
});

Deno.test("a store that knows neither ranges nor sizes gives ranges all the same", async () => {
  await using place = await Place.make();
  const repository = (await books("")).with(compressed("zstd"));
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("");
  await repository.put("emma", text);
  const worker = await place.admit(grantOf("emma", value(repository)));
  assert.equal((await worker.ask("/in/books")).text, text);
  const { status, text: part, headers } = await worker.ask("/in/books", {
    headers: { Range: "bytes=100000-100010" },
  });
  assert.deepEqual([status, part], [206, text.slice(100_000, 100_011)]);
  assert.equal(headers.get("content-range"), `bytes 100000-100010/${text.length}`);
});

Deno.test("what is missing is told with its key and repository", async () => {
  await using place = await Place.make();
  const worker = await place.admit(grantOf("emma", value(new MemoryBlobRepository("shelf"))));
  for (const path of ["/in/books", "/digest/books"]) {
    const { status, text } = await worker.ask(path);
    assert.deepEqual([status, text], [404, 'There is no "emma" in shelf\n']);
  }
});

Deno.test("a lookup gives any key, a value only its own", async () => {
  await using place = await Place.make();
  const repository = await books();
  await repository.put("walden", "simplify");
  const worker = await place.admit(
    grantOf("emma", { ...value(repository), any: { kind: "lookup", repository } }),
  );
  assert.equal((await worker.ask("/in/any/walden")).text, "simplify");
  assert.equal((await worker.ask("/digest/any/walden")).text.trim(), sha256("simplify"));
  assert.equal((await worker.ask("/in/any/nothing")).status, 404);
  assert.equal((await worker.ask("/in/any")).status, 400);
  assert.equal((await worker.ask("/in/books/walden")).status, 403);
  assert.equal((await worker.ask("/in/any/..%2fwalden")).status, 400);
});

/** A store in memory whose reads are counted, or go another way. */
function watched(change: (driver: BlobDriver) => Partial<BlobDriver>): BlobRepository {
  const driver = memoryBlobDriver("watched");
  return new BlobRepository({ ...driver, ...change(driver) });
}

Deno.test("a digest is computed once for each version, however many ask", async () => {
  await using place = await Place.make();
  let reads = 0;
  const repository = watched(({ read }) => ({
    read: (key, options) => {
      reads++;
      return read(key, options);
    },
  }));
  await repository.put("emma", TEXT);
  const worker = await place.admit(grantOf("emma", value(repository)));
  const other = await place.admit(grantOf("walden", value(repository)));
  const ask = async (): Promise<string> => (await worker.ask("/digest/books")).text.trim();
  const all = await Promise.all([ask(), ask(), (await other.ask("/digest/books")).text.trim(), ask()]);
  assert.deepEqual(new Set(all), new Set([sha256(TEXT)]));
  assert.equal(reads, 1);
  await repository.put("emma", "another");
  assert.deepEqual([await ask(), await ask(), reads], [sha256("another"), sha256("another"), 2]);
  assert.equal((await worker.ask("/in/books")).headers.get("x-datatask-sha256"), sha256("another"));
});

/** A value that never ends, in chunks; tells how much was taken of it. */
function endless(): {
  readonly repository: BlobRepository;
  taken: number;
  readonly cancelled: Promise<void>;
} {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const state = {
    taken: 0,
    cancelled,
    repository: watched(() => ({
      info: () => Promise.resolve({ version: "1" }),
      read: () =>
        Promise.resolve(
          new ReadableStream<Bytes>({
            pull(controller) {
              state.taken += 65_536;
              controller.enqueue(new Uint8Array(65_536));
            },
            cancel: () => resolve(),
          }, { highWaterMark: 0 }),
        ),
    })),
  };
  return state;
}

Deno.test("a client that goes away ends the reading of the value", async () => {
  await using place = await Place.make();
  const source = endless();
  const worker = await place.admit(grantOf("emma", value(source.repository)));
  const aborter = new AbortController();
  const response = await worker.fetch("/in/books", { signal: aborter.signal });
  await response.body!.getReader().read();
  aborter.abort();
  await source.cancelled;
  const digest = new AbortController();
  const waiting = worker.fetch("/digest/books", { signal: digest.signal });
  const before = source.taken;
  await until(() => source.taken > before);
  digest.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  const metrics = async (): Promise<string> => await (await fetch(`${place.address}/metrics`)).text();
  await until(async () => (await metrics()).includes("requests_in_flight 1"));
});

Deno.test("no more is read than the client takes", async () => {
  await using place = await Place.make();
  const source = endless();
  const worker = await place.admit(grantOf("emma", value(source.repository)));
  const aborter = new AbortController();
  const response = await worker.fetch("/in/books", { signal: aborter.signal });
  // Buffers of the system on the way fill up, then nothing moves any more.
  let still = 0;
  for (let last = -1; still < 50; last = source.taken) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    still = source.taken === last ? still + 1 : 0;
  }
  assert(source.taken < 64 * 2 ** 20, `${source.taken} bytes were read for nobody`);
  aborter.abort();
  await response.body?.cancel().catch(() => {});
  await source.cancelled;
});

Deno.test("a store that fails in the middle cuts the answer off, so that nobody takes it for whole", async () => {
  await using place = await Place.make();
  const failing = (size: number | undefined): BlobRepository =>
    watched(() => ({
      info: () => Promise.resolve({ version: "1", size }),
      read: () => {
        let pulls = 0;
        return Promise.resolve(
          new ReadableStream<Bytes>({
            pull(controller) {
              if (pulls++ < 3) controller.enqueue(new Uint8Array(1000));
              else controller.error(new Error("the disk is gone"));
            },
          }, { highWaterMark: 0 }),
        );
      },
    }));
  for (const size of [undefined, 10_000]) {
    const worker = await place.admit(grantOf("emma", value(failing(size))));
    await assert.rejects(async () => await (await worker.fetch("/in/books")).bytes());
  }
  const before = watched(() => ({
    info: () => Promise.resolve({ version: "1" }),
    read: () => Promise.reject(new Error("the disk is gone")),
  }));
  const worker = await place.admit(grantOf("emma", value(before)));
  const { status, text } = await worker.ask("/in/books");
  assert.equal(status, 500);
  assert.match(text, /^Cannot read "emma" of watched: the disk is gone/);
});

Deno.test("a value that is longer or shorter than its store says is cut off", async () => {
  await using place = await Place.make();
  for (const size of [10, 100]) {
    const repository = watched(({ info }) => ({ info: async (key) => ({ ...await info!(key), size }) }));
    await repository.put("emma", TEXT);
    const worker = await place.admit(grantOf("emma", value(repository)));
    await assert.rejects(async () => await (await worker.fetch("/in/books")).bytes());
  }
});

Deno.test("a value that is replaced while it is opened is asked for again", async () => {
  await using place = await Place.make();
  let replaced = false;
  const repository: BlobRepository = watched((driver) => ({
    read: async (key, options) => {
      if (!replaced) await driver.write(key, new TextEncoder().encode("the new one"));
      replaced = true;
      return await driver.read(key, options);
    },
  }));
  await repository.put("emma", TEXT);
  const worker = await place.admit(grantOf("emma", value(repository)));
  const first = await worker.ask("/in/books");
  assert.deepEqual([first.status, first.headers.get("retry-after")], [503, "1"]);
  assert.equal((await worker.ask("/in/books")).text, "the new one");
});

Deno.test("modules of a body are given by their path, and nothing beside them", async () => {
  await using place = await Place.make();
  const modules = new Map([["body/main.ts", "export default 1;"], ["body/ä b.ts", "2"]]);
  const asked: string[] = [];
  const files = (path: string): Promise<Bytes | undefined> => {
    asked.push(path);
    const text = modules.get(path);
    return Promise.resolve(text === undefined ? undefined : new TextEncoder().encode(text));
  };
  const worker = await place.admit(grantOf("emma", {}, {}, { files }));
  assert.equal((await worker.ask("/files/body/main.ts")).text, "export default 1;");
  assert.equal((await worker.ask("/files/body/%C3%A4%20b.ts")).text, "2");
  assert.equal((await worker.ask("/files/body/other.ts")).status, 404);
  assert.equal((await worker.ask("/files/body%2f..%2fmain.ts")).status, 400);
  assert.deepEqual(asked, ["body/main.ts", "body/ä b.ts", "body/other.ts"]);
  const none = await place.admit(grantOf("walden"));
  assert.equal((await none.ask("/files/body/main.ts")).status, 404);
});

Deno.test("the keys of a link are listed for who may read any of its values", async () => {
  await using place = await Place.make();
  const repository = new MemoryBlobRepository("books");
  for (let n = 0; n < 5000; n++) await repository.put(`k${n}`, "x");
  const worker = await place.admit(grantOf("emma", {
    any: { kind: "lookup", repository },
    book: { kind: "value", repository, key: "k1" },
  }));
  const { status, text } = await worker.ask("/keys/any");
  assert.equal(status, 200);
  assert.deepEqual(new Set(text.trimEnd().split("\n")), new Set(await Array.fromAsync(repository)));
  for (const link of ["book", "other"]) {
    const refused = await worker.ask(`/keys/${link}`);
    assert.deepEqual([refused.status, refused.text], [403, `count/emma may not list "${link}"\n`]);
  }
});
