/**
 * A pipeline whose streaming body runs elsewhere, and a coordinator of it that a test kills.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type AgentOptions,
  type ContainerMount,
  FileRepository,
  functionTask,
  input,
  moduleBody,
  outputs,
  Pipeline,
  YamlMetadataRepository,
} from "../../mod.ts";
import { countLinks } from "./bodies/links.ts";
import { CARRIED, inPods } from "./body_places.ts";
import type { Place } from "../executors/ssh/server.ts";

/** Where the reader runs: the name of a place, and the namespace of its pods. */
export interface At {
  readonly place: string;
  readonly namespace?: string;
}

/** How many chapters a book has. */
export const CHAPTERS = 12;

/**
 * The pipeline: one task writes chapters, slowly and in the coordinator; another reads them elsewhere, and publishes a page for each.
 *
 * @param dir Where all lies.
 * @param at Where the reader runs.
 * @param more What else is said of the agent, and what else its containers see.
 * @returns The pipeline, and what it writes.
 */
export function chaptersOf(
  dir: string,
  { place, namespace }: At,
  more: { readonly agent?: AgentOptions; readonly mounts?: readonly ContainerMount[] } = {},
) {
  const { agent, where } = CARRIED.find(({ name }) => name === place)!;
  const books = new FileRepository(`${dir}/books`);
  const chapters = new FileRepository(`${dir}/chapters`);
  const stores = {
    books,
    chapters,
    words: new FileRepository(`${dir}/words`),
    pages: new FileRepository(`${dir}/pages`),
    marks: new FileRepository(`${dir}/marks`),
    sums: YamlMetadataRepository.files<{ readonly chapters: number }>(`${dir}/sums`),
  };
  const write = functionTask("write", {
    done: YamlMetadataRepository.files(`${dir}/write-done`),
    links: { books: input(books), chapters: outputs(chapters) },
  }, async ({ books, chapters }) => {
    const text = await books.text();
    for (let n = 0; n < CHAPTERS; n++) {
      await chapters.write(`${n}`, `${text} ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  const options = {
    done: YamlMetadataRepository.files(`${dir}/count-done`),
    links: countLinks(stores),
    ...(namespace !== undefined
      ? inPods(namespace)
      : where({ root: `${dir}/root` } as Place, new AsyncDisposableStack()) as object),
    ...(more.mounts && { mounts: more.mounts }),
  };
  const count = functionTask(
    "count",
    options,
    moduleBody<typeof import("./bodies/count.ts")>(import.meta.resolve("./bodies/count.ts")),
  );
  return {
    ...stores,
    count,
    pipeline: new Pipeline({
      tasks: [write, count],
      state: `${dir}/state`,
      agent: { ...agent, ...more.agent },
    }),
  };
}

/** Puts what the pipeline begins with. */
export async function began({ books, words }: ReturnType<typeof chaptersOf>): Promise<void> {
  await books.put("emma", "chapter");
  await words.put("word", "of");
}

/**
 * Sees that all has come, and nothing twice, with the first attempt.
 *
 * @param chapters The pipeline, at its end.
 * @param told What it has told, for errors.
 */
export async function arrived(
  { pages, marks, sums, count }: ReturnType<typeof chaptersOf>,
  told: string,
): Promise<void> {
  assert.equal((await count.outcomes.done.get("emma")).attempt, 1, told);
  assert.deepEqual(await sums.get("emma"), { chapters: CHAPTERS }, told);
  assert.equal((await Array.fromAsync(marks)).length, 1, `run twice: ${told}`);
  const texts = await Promise.all((await Array.fromAsync(pages)).map((key) => pages.text(key)));
  assert.deepEqual(texts.sort(), Array.from({ length: CHAPTERS }, (_, n) => `of chapter ${n}`).sort());
}

if (import.meta.main) {
  const [dir, at] = Deno.args as [string, string];
  const run = chaptersOf(dir, JSON.parse(at)).pipeline.run();
  for await (const event of run) {
    if (event.type === "started" && event.attempt.task === "count") console.log("begun");
  }
}
