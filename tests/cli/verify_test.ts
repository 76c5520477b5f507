/** What `backup`, `restore` and `copy` write is read back, and with `--verify` what was there already, too: over stores that corrupt. */
import assert from "node:assert/strict";
import { Archive } from "../../cli/backup/archive.ts";
import { type Bytes, type Content, encodeText, readAll, toStream } from "../../core/bytes.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { BlobRepository } from "../../repositories/blob.ts";
import type { BlobDriver, FilesystemDriver, MetadataDriver, TreeEntry } from "../../repositories/driver.ts";
import { fileDriver, FileRepository } from "../../repositories/files.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { memoryBlobDriver, memoryMetadataDriver } from "../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../repositories/memory_tree.ts";
import { MetadataRepository } from "../../repositories/metadata.ts";
import { functionTask } from "../../tasks/function.ts";
import { input } from "../../tasks/link.ts";
import { MemoryMetadataRepository } from "../../repositories/memory.ts";
import { file, tree } from "../../testing/trees.ts";
import { cli } from "./held_io.ts";
import { inFolder } from "../kit/folder.ts";

/** One store of each kind. */
interface Stores {
  readonly blobs: BlobDriver;
  readonly documents: MetadataDriver;
  readonly trees: FilesystemDriver;
}

const sound = (): Stores => ({
  blobs: memoryBlobDriver("blobs"),
  documents: memoryMetadataDriver("documents"),
  trees: memoryFilesystemDriver("trees"),
});

const flipped = (bytes: Bytes): Bytes => bytes.with(0, bytes[0]! ^ 1);

/** A store of blobs that changes a bit of what is written under a key, as a bad disk or a bad cable does. */
function corrupting(inner: BlobDriver, bad: string): BlobDriver {
  return {
    ...inner,
    write: async (key, content: Content, options) =>
      await inner.write(
        key,
        key === bad ? flipped(await readAll(toStream(content))) : content,
        options,
      ),
  };
}

/** Stores that do not keep what they are given under the key `bad`. */
function corrupt(): Stores {
  const { blobs, documents, trees } = sound();
  return {
    blobs: corrupting(blobs, "bad"),
    documents: {
      ...documents,
      set: (key, value, options) => documents.set(key, key === "bad" ? { n: 2 } : value, options),
    },
    trees: {
      ...trees,
      write: (key, entries, options) =>
        trees.write(key, key === "bad" ? withMode(entries, 0o600) : entries, options),
    },
  };
}

async function* withMode(entries: AsyncIterable<TreeEntry>, mode: number): AsyncGenerator<TreeEntry> {
  for await (const entry of entries) yield entry.kind === "file" ? { ...entry, mode } : entry;
}

function pipelineOf({ blobs, documents, trees }: Stores): Pipeline {
  const task = functionTask("t", {
    done: new MemoryMetadataRepository(),
    links: {
      blobs: input(new BlobRepository(blobs)),
      documents: input(new MetadataRepository(documents)),
      trees: input(new FilesystemRepository(trees)),
    },
  }, () => {});
  return new Pipeline({ tasks: [task], state: null });
}

async function filled(): Promise<Pipeline> {
  const stores = sound();
  for (const key of ["bad", "good"]) {
    await stores.blobs.write(key, encodeText("text"));
    await stores.documents.set(key, { n: 1 });
    await stores.trees.write(key, tree([file("f", "text", 0o644)]));
  }
  return pipelineOf(stores);
}

Deno.test("restore says which values do not read back as they were written, of each kind, and restores the others", () =>
  inFolder(async (dir) => {
    await cli(["backup", dir], { pipeline: await filled() });
    const stores = corrupt();
    const { code, out, err } = await cli(["restore", dir], { pipeline: pipelineOf(stores) });
    assert.equal(code, 1);
    assert.match(out, /^Done: 3 values copied .*, 0 there already, 3 failed, from /);
    const again = "see who else writes it, and restore it again with --overwrite";
    const where = (store: string, driver: { readonly name: string }): string =>
      `t.${store}: Cannot restore "bad" of ${dir}/t.${store}: it reads back from ${driver.name} as another value`;
    assert.deepEqual(err.trim().split("\n").sort(), [
      `${where("blobs", stores.blobs)} (4 bytes of 4); ${again}`,
      `${where("documents", stores.documents)} (13 bytes of 13); ${again}`,
      `${where("trees", stores.trees)} (4 bytes of 4); ${again}`,
    ]);
  }));

Deno.test("restore --verify names the values that are there and are not those of the backup", () =>
  inFolder(async (dir) => {
    await cli(["backup", dir], { pipeline: await filled() });
    const stores = corrupt();
    const pipeline = pipelineOf(stores);
    await cli(["restore", dir], { pipeline });
    const plain = await cli(["restore", dir], { pipeline });
    assert.deepEqual([plain.code, plain.err], [0, ""]);
    const { code, out, err } = await cli(["restore", dir, "--verify"], { pipeline });
    assert.equal(code, 1);
    assert.match(out, /^Done: 0 values copied \(0 B\), 3 there already, 3 failed, from /);
    assert.match(
      err,
      RegExp(
        `^t\\.blobs: Cannot restore "bad" of .*/t\\.blobs: .* holds another value; leave it, or replace it with --overwrite\n`,
      ),
    );
    assert.equal(err.split("\n").length, 4);
    const whole = await cli(["restore", dir, "--verify"], { pipeline: await filled() });
    assert.deepEqual([whole.code, whole.err], [0, ""]);
  }));

Deno.test("backup --verify takes again what has been damaged in the folder", () =>
  inFolder(async (dir) => {
    const pipeline = await filled();
    await cli(["backup", dir], { pipeline });
    await Deno.writeTextFile(`${dir}/t.blobs/bad`, "TEXT");
    const copied = async (...flags: string[]): Promise<number> => {
      const { code, out } = await cli(["backup", dir, "--json", ...flags], { pipeline });
      assert.equal(code, 0);
      return JSON.parse(out).copied;
    };
    assert.equal(await copied(), 0, "its size and its version are as noted");
    assert.equal(await copied("--verify"), 1);
    assert.equal(await Deno.readTextFile(`${dir}/t.blobs/bad`), "text");
    assert.equal(await copied("--verify"), 0);
  }));

Deno.test("backup --verify reads, too, what is nowhere else any more", () =>
  inFolder(async (dir) => {
    const pipeline = await filled();
    await cli(["backup", dir], { pipeline });
    await cli(["rm", "-y", "t.blobs", "bad", "good"], { pipeline });
    await Deno.writeTextFile(`${dir}/t.blobs/bad`, "TEXT");
    assert.equal((await cli(["backup", dir], { pipeline })).code, 0);
    const { code, err } = await cli(["backup", dir, "--verify"], { pipeline });
    assert.deepEqual([code, err], [
      1,
      `t.blobs: Cannot verify "bad" of ${dir}/t.blobs: its file is damaged (4 of 4 bytes, and the SHA-256 digest differs); take it from another backup, or leave it out\n`,
    ]);
    await Deno.remove(`${dir}/t.blobs/bad`);
    assert.match(
      (await cli(["backup", dir, "--verify"], { pipeline })).err,
      /Cannot verify "bad" of .*: its file is missing;/,
    );
  }));

Deno.test("backup notes no file that does not read back as it was written", () =>
  inFolder(async (dir) => {
    const source = new BlobRepository(memoryBlobDriver("blobs"));
    for (const key of ["bad", "good"]) await source.put(key, "text");
    const { signal } = new AbortController();
    using damaging = await Archive.open(`${dir}/x`, "blob", corrupting(fileDriver(`${dir}/x`), "bad"));
    await assert.rejects(damaging.take("bad", source, signal), {
      code: "invalid-value",
      message:
        `Cannot back up "bad" of ${dir}/x: its file reads back as another value (4 bytes of 4); see that the disk is sound and nobody else writes there, and call backup again`,
    });
    assert.equal(await damaging.take("good", source, signal), 4);
    using after = await Archive.open(`${dir}/x`, "blob");
    assert.deepEqual([...after.entries.keys()], ["good"]);
    assert.equal(await after.isCurrent("bad", source), false);
  }));

Deno.test("copy --verify reads what it has noted as there, and finds what has rotted since", () =>
  inFolder(async (dir) => {
    const from = new FileRepository(`${dir}/from`);
    await from.put("emma", "a b c");
    const inner = new FileRepository(`${dir}/to`).driver;
    let rotten = false;
    const to = new BlobRepository({
      ...inner,
      read: async (key, options) => {
        const stream = await inner.read(key, options);
        return stream && rotten ? toStream(flipped(await readAll(stream))) : stream;
      },
    });
    const task = functionTask("t", {
      done: new MemoryMetadataRepository(),
      links: { from: input(from), to: input(to) },
    }, () => {});
    const pipeline = new Pipeline({ tasks: [task], state: `${dir}/state` });
    const copy = async (...flags: string[]): Promise<[number, string]> => {
      const { code, err } = await cli(["copy", "t.from", "t.to", ...flags], { pipeline });
      return [code, err];
    };
    assert.deepEqual(await copy(), [0, ""]);
    assert.deepEqual(await copy("--verify"), [0, ""]);
    rotten = true;
    assert.deepEqual(await copy(), [0, ""], "nothing is read that is noted as there");
    assert.deepEqual(await copy("--verify"), [
      1,
      `t.from to t.to: Cannot copy "emma" of ${from.name} to ${to.name}: another value is there; delete it, or call copy with --overwrite\n`,
    ]);
  }));
