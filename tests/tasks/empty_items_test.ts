/** Tests of streaming outputs that drop items with nothing in them. */
import assert from "node:assert/strict";
import { peeked } from "../../tasks/item_peek.ts";
import {
  FileRepository,
  functionTask,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  moduleBody,
  type ModuleTaskOptions,
  outputs,
  Pipeline,
  processTask,
  requires,
  sh,
  type TreeEntry,
  YamlMetadataRepository,
} from "../../mod.ts";
import { runAll } from "../pipeline/kit.ts";
import { CARRIED, inEach, NEAR } from "./body_places.ts";
import { type Sieve, siftLinks } from "./bodies/sift.ts";

const AB = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";

inEach([...NEAR, CARRIED[0]!], "Empty items are dropped, and whole ones are whole,", async (place) => {
  const stores: Sieve = {
    books: new MemoryBlobRepository("books"),
    crumbs: new MemoryBlobRepository("crumbs"),
    notes: new MemoryMetadataRepository("notes"),
    digests: new MemoryBlobRepository("digests"),
    shelves: new MemoryFilesystemRepository("shelves"),
    kept: new MemoryMetadataRepository("kept"),
  };
  await stores.books.put("emma", "");
  const options = {
    done: new MemoryMetadataRepository("done"),
    links: siftLinks(stores),
    ...place.where,
  };
  const sift = functionTask(
    "sift",
    options as ModuleTaskOptions<ReturnType<typeof siftLinks>>,
    moduleBody<typeof import("./bodies/sift.ts")>(import.meta.resolve("./bodies/sift.ts")),
  );
  await runAll(new Pipeline({ name: "sift", tasks: [sift], state: place.state, agent: place.agent }));
  const nothing = "nothing";
  assert.deepEqual(await stores.kept.get("emma"), [
    nothing,
    nothing,
    nothing,
    "whole",
    "letter",
    nothing,
    AB,
    nothing,
    "some",
  ]);
  const keys = async (repository: AsyncIterable<string>) => (await Array.fromAsync(repository)).sort();
  assert.deepEqual(await keys(stores.crumbs), ["letter", "whole"]);
  assert.equal(await stores.crumbs.text("whole"), "ab");
  assert.deepEqual(await keys(stores.notes), ["whole"]);
  assert.deepEqual(await keys(stores.digests), [AB]);
  assert.equal(await stores.digests.text(AB), "ab");
  assert.deepEqual(await keys(stores.shelves), ["some"]);
  const paths = await Array.fromAsync(await stores.shelves.entries("some"), ({ path }) => path);
  assert.deepEqual(paths, ["a", "b"]);
});

Deno.test("Empty files and folders that a script leaves are dropped, and what is written later is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const books = new FileRepository(`${folder}/books`);
    const crumbs = new MemoryBlobRepository("crumbs");
    const shelves = new MemoryFilesystemRepository("shelves");
    const all = new MemoryBlobRepository("all");
    const sift = processTask("sift", {
      done: YamlMetadataRepository.files(`${folder}/done`),
      links: {
        books: requires(books),
        crumbs: outputs(crumbs, { keys: "name", dropEmpty: true }),
        shelves: outputs(shelves, { keys: "name", dropEmpty: true }),
        all: outputs(all, { keys: "name" }),
      },
      script: ({ crumbs, shelves, all }) =>
        sh`: > ${crumbs}/none; echo some > ${crumbs}/some; : > ${all}/none
: > later
[ -z "$(datatask put crumbs later)" ] || exit 7
echo now > later
[ "$(datatask put crumbs later)" = later ] || exit 8
mkdir ${shelves}/none ${shelves}/some
: > ${shelves}/some/file`,
    });
    await books.put("emma", "");
    const pipeline = new Pipeline({ name: "sift", tasks: [sift], state: `${folder}/state` });
    const { summary } = await runAll(pipeline);
    assert.equal(summary.succeeded, 1);
    const keys = async (repository: AsyncIterable<string>) => (await Array.fromAsync(repository)).sort();
    assert.deepEqual(await keys(crumbs), ["later", "some"]);
    assert.equal(await crumbs.text("later"), "now\n");
    assert.deepEqual(await keys(shelves), ["some"]);
    assert.deepEqual(await keys(all), ["none"], "where nothing is said an empty item is one");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("peeked() gives back what it has looked at, and closes what is not wanted", async () => {
  const closed: string[] = [];
  const entries = async function* (name: string, ...paths: string[]): AsyncGenerator<TreeEntry> {
    try {
      for (const path of paths) yield { kind: "directory", path, mode: 0o755 };
    } finally {
      closed.push(name);
    }
  };
  const none = await peeked(entries("none"));
  assert.deepEqual([none.empty, closed], [true, ["none"]]);
  const some = await peeked(entries("some", "a", "b"));
  for await (const { path } of some.value as AsyncIterable<TreeEntry>) {
    assert.equal(path, "a");
    break;
  }
  assert.deepEqual([some.empty, closed], [false, ["none", "some"]]);
  let opened = 0;
  const cancelled: unknown[] = [];
  const open = () => {
    opened++;
    return Promise.resolve(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: (reason) => void cancelled.push(reason),
      }),
    );
  };
  const later = await peeked(open);
  assert.deepEqual([later.empty, later.value, opened, cancelled.length], [false, open, 1, 1]);
  const torn = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1));
    },
    pull: () => Promise.reject(new Error("torn")),
  });
  const { value } = await peeked(torn);
  await assert.rejects(new Response(value as ReadableStream).bytes(), { message: "torn" });
});

for (const how of ["stream", "entries"] as const) {
  Deno.test(`An item that is refused after it was looked into lets its source go: ${how}`, async () => {
    const gone = Promise.withResolvers<void>();
    const crumbs = new MemoryBlobRepository("crumbs");
    const shelves = new MemoryFilesystemRepository("shelves");
    const books = new MemoryBlobRepository("books");
    const sift = functionTask("sift", {
      done: new MemoryMetadataRepository("done"),
      links: {
        books: requires(books),
        crumbs: outputs(crumbs, { keys: "name", dropEmpty: true }),
        shelves: outputs(shelves, { keys: "name", dropEmpty: true }),
      },
    }, async ({ crumbs, shelves }) => {
      const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: () => gone.resolve(),
      });
      const entries = async function* (): AsyncGenerator<TreeEntry> {
        try {
          yield { kind: "directory", path: "a", mode: 0o755 };
        } finally {
          gone.resolve();
        }
      };
      const written = how === "stream" ? crumbs.write("no/key", bytes) : shelves.write("no/key", entries());
      await assert.rejects(written, { code: "invalid-key" });
      await gone.promise;
    });
    await books.put("emma", "");
    const { summary } = await runAll(new Pipeline({ name: "sift", tasks: [sift], state: null }));
    assert.equal(summary.succeeded, 1);
  });
}

Deno.test("peeked() stops waiting for the first part of a stream, which is let go then", async () => {
  for (const when of ["before", "meanwhile"]) {
    const controller = new AbortController();
    const cancelled: unknown[] = [];
    const stuck = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) });
    if (when === "before") controller.abort("enough");
    const looking = peeked(stuck, controller.signal);
    controller.abort("enough");
    await assert.rejects(looking, (error) => error === "enough", when);
    assert.deepEqual(cancelled, ["enough"], when);
  }
});
