/**
 * What repositories cost, as ratios to a bare loop that does the same work in the same run: `deno run -A bench/repositories.ts`.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import { FileRepository } from "../repositories/files.ts";
import { MemoryMetadataRepository } from "../repositories/memory.ts";
import { yaml, YamlMetadataRepository } from "../repositories/yaml.ts";

/** Rounds; the best of each side counts, since noise only ever adds. */
const ROUNDS = 7;

async function best(call: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await call();
  return performance.now() - start;
}

async function compare(
  what: string,
  bare: (round: number) => void | Promise<void>,
  ours: (round: number) => void | Promise<void>,
  rounds = ROUNDS,
): Promise<void> {
  let a = Infinity;
  let b = Infinity;
  for (let round = 0; round < rounds; round++) {
    a = Math.min(a, await best(() => bare(round)));
    b = Math.min(b, await best(() => ours(round)));
  }
  console.log(
    `${what}: bare ${a.toFixed(1)} ms, ours ${b.toFixed(1)} ms, speed ${(a / b).toFixed(2)} of bare`,
  );
}

const root = await Deno.makeTempDir({ dir: Deno.args[0] ?? "/dev/shm" });
try {
  await smallWrites();
  await smallReads();
  await listing();
  await streaming();
  await documents();
  await memory();
} finally {
  await Deno.remove(root, { recursive: true });
}

async function smallWrites(): Promise<void> {
  const bytes = new Uint8Array(300).fill(65);
  const bareDir = `${root}/bare`;
  Deno.mkdirSync(bareDir);
  const repository = new FileRepository(`${root}/ours`, { extension: ".txt" });
  await repository.prepare();
  const count = 5_000;
  await compare(`${count} small files written`, (round) => {
    for (let i = 0; i < count; i++) {
      Deno.writeFileSync(`${bareDir}/.tmp-${i}`, bytes, { createNew: true });
      Deno.renameSync(`${bareDir}/.tmp-${i}`, `${bareDir}/key-${round}-${i}.txt`);
    }
  }, async (round) => {
    for (let i = 0; i < count; i++) await repository.put(`key-${round}-${i}`, bytes);
  });
}

async function smallReads(): Promise<void> {
  const repository = new FileRepository(`${root}/ours`, { extension: ".txt" });
  await compare("5000 small files read", () => {
    for (let i = 0; i < 5_000; i++) Deno.readFileSync(`${root}/bare/key-0-${i}.txt`);
  }, async () => {
    for (let i = 0; i < 5_000; i++) await repository.bytes(`key-0-${i}`);
  });
}

async function listing(): Promise<void> {
  const dir = `${root}/names`;
  Deno.mkdirSync(dir);
  for (let i = 0; i < 100_000; i++) Deno.writeFileSync(`${dir}/key-${i}.txt`, new Uint8Array());
  const repository = new FileRepository(dir, { extension: ".txt" });
  await compare("100,000 names listed", () => {
    if ([...Deno.readDirSync(dir)].length !== 100_000) throw new Error("not all were listed");
  }, async () => {
    let count = 0;
    for await (const page of repository.pages()) count += page.length;
    if (count !== 100_000) throw new Error("not all were listed");
  });
}

async function streaming(): Promise<void> {
  const size = 2 ** 30;
  const source = await Deno.open(`${root}/source`, { write: true, create: true });
  const chunk = new Uint8Array(2 ** 20).fill(7);
  for (let at = 0; at < size; at += chunk.length) await source.write(chunk);
  source.close();
  const repository = new FileRepository(`${root}/streams`);
  await repository.prepare();
  const open = async (): Promise<ReadableStream<Bytes>> => (await Deno.open(`${root}/source`)).readable;
  await compare(
    "1 GiB streamed in",
    async () => {
      await (await open()).pipeTo(
        (await Deno.open(`${root}/.tmp`, { write: true, createNew: true })).writable,
      );
      await Deno.rename(`${root}/.tmp`, `${root}/copy`);
    },
    async () => await repository.put("large", await open()),
    2,
  );
  await Deno.remove(`${root}/copy`);
  await compare("1 GiB streamed out", async () => {
    for await (const _ of await open());
  }, async () => {
    for await (const _ of await repository.open("large"));
  }, 2);
  await repository.delete("large");
  await Deno.remove(`${root}/source`);
}

async function documents(): Promise<void> {
  const document = {
    book: "moby-dick",
    pages: 635,
    tags: ["sea", "whale"],
    ok: true,
    at: "2001-01-01T00:00:00Z",
  };
  const bytes = yaml.encode(document);
  const repository = YamlMetadataRepository.files(`${root}/documents`);
  await repository.prepare();
  const keys = Array.from({ length: 5_000 }, (_, i) => `key-${i}`);
  await compare("5000 YAML documents written, to files of the same bytes", () => {
    for (const key of keys) {
      Deno.writeFileSync(`${root}/.tmp`, bytes, { createNew: true });
      Deno.renameSync(`${root}/.tmp`, `${root}/bare/${key}`);
    }
  }, async () => {
    for (const key of keys) await repository.set(key, document);
  }, 3);
  await compare("5000 YAML documents read at once, to JSON.parse of files", () => {
    for (const key of keys) JSON.stringify(Deno.readTextFileSync(`${root}/bare/${key}`));
  }, async () => {
    if ((await repository.getMany(keys)).size !== keys.length) throw new Error("not all were read");
  }, 3);
}

async function memory(): Promise<void> {
  const repository = new MemoryMetadataRepository("bench");
  const document = { ok: true, attempts: 1, at: 1_234_567 };
  const count = 100_000;
  await compare(`${count} documents put in memory, to structuredClone and a Map`, () => {
    const map = new Map<string, unknown>();
    for (let i = 0; i < count; i++) map.set(`key-${i}`, structuredClone(document));
  }, async () => {
    for (let i = 0; i < count; i++) await repository.set(`key-${i}`, document);
  }, 3);
}
