/**
 * Executors of which it is seen what they copy by themselves, and pipelines with large values on them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, streamOf } from "../../../core/bytes.ts";
import type { QuotaInit } from "../../../core/quota.ts";
import type { Executor, ProcessWork, RunFiles } from "../../../executors/executor.ts";
import {
  FileRepository,
  input,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  sh,
} from "../../../mod.ts";
import { runAll, type Told } from "../../pipeline/kit.ts";

/** Called before each chunk that is copied: `write` or `read`, how many copies of that kind there were before, and how many chunks of this one. */
export type Hook = (way: "write" | "read", copies: number, chunks: number) => void | Promise<void>;

/** A copy. */
export interface Copy {
  readonly way: "write" | "read";
  readonly job: string;
  readonly start: number;
  /** How many bytes were copied. */
  bytes: number;
  /** Why it failed. */
  error?: unknown;
}

/** Notes what an executor copies. */
export function watched(
  executor: Executor<ProcessWork>,
  hook: Hook = () => {},
): { readonly executor: Executor<ProcessWork>; readonly copies: readonly Copy[] } {
  const copies: Copy[] = [];
  const { files } = executor.reach!;
  const begin = (way: Copy["way"], job: string, start: number): [copy: Copy, before: number] => {
    const copy: Copy = { way, job, start, bytes: 0 };
    const before = copies.filter((other) => other.way === way).length;
    copies.push(copy);
    return [copy, before];
  };
  async function* seen(content: AsyncIterable<Bytes>, copy: Copy, before: number) {
    let chunks = 0;
    try {
      for await (const chunk of content) {
        await hook(copy.way, before, chunks++);
        copy.bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      copy.error = error;
      throw error;
    }
  }
  const seeing: RunFiles = {
    least: files!.least,
    async write(attempt, path, content, options) {
      const [copy, before] = begin("write", attempt.job, options.start);
      try {
        await files!.write(attempt, path, streamOf(() => seen(content, copy, before)), options);
      } catch (error) {
        copy.error = error;
        throw error;
      }
    },
    read(attempt, path, options) {
      const [copy, before] = begin("read", attempt.job, options.start);
      return streamOf((signal) => seen(files!.read(attempt, path, { ...options, signal }), copy, before));
    },
  };
  return { executor: Object.assign(executor, { reach: { ...executor.reach!, files: seeing } }), copies };
}

/** Bytes that are not the same anywhere. */
export function odd(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => (i * (seed + 3) + (i >> 8) + (i >> 17)) % 256);
}

/** Runs one job for each value, which copies it, and compares the copies. */
export async function copyAll(
  folder: string,
  executor: Executor<ProcessWork>,
  values: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  quota: QuotaInit = {},
): Promise<Told> {
  const books = new FileRepository(`${folder}/books`);
  const copies = new FileRepository(`${folder}/copies`);
  for (const [key, value] of Object.entries(values)) await books.put(key, value);
  const task = processTask("copy", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books), copies: output(copies) },
    executor,
    quota,
    script: ({ books, copies }) => sh`cat ${books} >${copies}`,
  });
  const pipeline = new Pipeline({ tasks: [task], state: `${folder}/state` });
  const told = await runAll(pipeline);
  const text = JSON.stringify(told.events);
  assert.deepEqual([told.summary.succeeded, told.summary.failed], [Object.keys(values).length, 0], text);
  for (const [key, value] of Object.entries(values)) {
    const copy = await copies.bytes(key);
    assert.equal(copy.length, value.length);
    assert(copy.every((byte, i) => byte === value[i]), `the copy of ${key} is another value`);
  }
  return told;
}
