/**
 * A pipeline whose values travel for a while, in both directions and all at once, and what must hold of it whatever happens on their way.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  allocated,
  FileRepository,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  outputs,
  Pipeline,
  requires,
  sh,
  stream,
} from "../../mod.ts";
import type { Attempt } from "../../core/attempt.ts";
import { type Random, seededRandom } from "../../core/random.ts";
import type { AgentOptions } from "../../tasks/agent_options.ts";
import { runAll, type Told } from "../pipeline/kit.ts";
import { inFolder } from "../kit/folder.ts";
import type { Runs } from "./places.ts";

/** How many books there are, how long each is in bytes, and how many pages it has. */
const BOOKS = 3;
const LENGTH = 3_000_000;
const PAGES = 6;

/** What comes by chance in these tests. */
export const random: Random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));

/** Some bytes that are not the same anywhere. */
function book(n: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(LENGTH).map((_, i) => (i * (n + 3) + (i >> 7)) % 256);
}

const digest = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();

/**
 * Runs the pipeline where something happens meanwhile; then everything was published once, with its bytes, no attempt was used up, and
 * nothing was run again but what was cut.
 *
 * @param where Where its scripts run.
 * @param agent Where the agent listens.
 * @param meanwhile What happens, until the signal says that all is over.
 */
export async function travels(
  { script }: Runs,
  agent: AgentOptions,
  meanwhile: (over: AbortSignal) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    const books = new MemoryBlobRepository("books");
    const copies = new FileRepository(`${dir}/copies`);
    const pages = new FileRepository(`${dir}/pages`);
    const seals = new FileRepository(`${dir}/seals`);
    const sums = new FileRepository(`${dir}/sums`);
    const marks = new FileRepository(`${dir}/marks`);
    const lines = new FileRepository(`${dir}/lines`);
    const done = ["copy", "split", "sum", "beside"].map((name) =>
      new MemoryMetadataRepository(`${name}-done`)
    );
    const mark = outputs(marks, { keys: "content" });
    const retry = { attempts: 2, delay: 1 };
    const copy = script("copy", {
      done: done[0]!,
      retry,
      links: { books: input(books), copies: output(copies), marks: mark },
      script: ({ books, copies, marks }) =>
        sh`set -e; cat /proc/sys/kernel/random/uuid >${marks}/mark; cat ${books} ${books} >${copies}`,
    });
    const split = script("split", {
      done: done[1]!,
      retry,
      links: { books: input(books), pages: outputs(pages), marks: mark },
      script: ({ books, pages, marks }) =>
        sh`set -e; cat /proc/sys/kernel/random/uuid >${marks}/mark
n=0; while [ $n -lt ${PAGES} ]; do
dd if=${books} of=.page bs=${LENGTH / PAGES} skip=$n count=1 2>/dev/null; mv .page ${pages}/$n
n=$((n + 1)); sleep 0.3; done`,
    });
    const sum = script("sum", {
      done: done[2]!,
      retry,
      links: {
        books: requires(books),
        pages: stream(pages, { of: allocated() }),
        seals: outputs(seals, { keys: "content" }),
        sums: output(sums),
        marks: mark,
      },
      script: ({ pages, seals, sums, marks }) =>
        sh`set -e; cat /proc/sys/kernel/random/uuid >${marks}/mark; mkdir seen
while :; do
  end=; [ ! -e ${pages}.end ] || end=1
  for page in ${pages}/*; do
    name=\${page##*/}
    if [ ! -f "$page" ] || [ -e "seen/$name" ]; then continue; fi
    { sha256sum <"$page" | cut -d ' ' -f 1; cat "$page"; } >.seal; mv .seal ${seals}/"$name"
    : >"seen/$name"; echo "$name" >>.sum
  done
  [ -z "$end" ] || break
  sleep 0.1
done
sort .sum >${sums}`,
    });
    const beside = functionTask("beside", {
      done: done[3]!,
      links: { books: input(books), lines: output(lines) },
    }, async ({ books, lines }) => await lines.write(`${(await books.bytes()).length}`));
    for (let n = 0; n < BOOKS; n++) await books.put(`book-${n}`, book(n));
    const pipeline = new Pipeline({
      tasks: [copy, split, sum, beside],
      state: `${dir}/state`,
      agent,
      random: () => 0,
    });
    const told = await beset(pipeline, meanwhile);
    const said = await check(told, done);
    for (let n = 0; n < BOOKS; n++) {
      const [whole, copy] = [book(n), await copies.bytes(`book-${n}`)];
      assert.equal(await digest(copy.subarray(0, LENGTH)), await digest(whole));
      assert.equal(await digest(copy.subarray(LENGTH)), await digest(whole));
    }
    const found = await Array.fromAsync(pages);
    const expected: string[] = [];
    for (let n = 0; n < BOOKS; n++) {
      const whole = book(n);
      for (let at = 0; at < PAGES; at++) {
        expected.push(await digest(whole.slice(at * LENGTH / PAGES, (at + 1) * LENGTH / PAGES)));
      }
    }
    const digests = await Promise.all(found.map(async (key) => await digest(await pages.bytes(key))));
    assert.deepEqual(digests.sort(), expected.sort(), "pages are published once");
    const sealed = await Promise.all((await Array.fromAsync(seals)).map((key) => seals.bytes(key)));
    const texts = sealed.map((bytes) => new TextDecoder().decode(bytes.subarray(0, 64)));
    assert.deepEqual(texts.sort(), expected, "seals are published once");
    for (const bytes of sealed) {
      assert.equal(await digest(bytes.slice(65)), new TextDecoder().decode(bytes.subarray(0, 64)));
    }
    const summed = await Promise.all((await Array.fromAsync(sums)).map((key) => sums.text(key)));
    assert.deepEqual(summed.join("").trim().split("\n").sort(), found.sort());
    const runs = (await Array.fromAsync(marks)).length;
    // Who was told of as cut is run again, and nobody else. An engine that was killed while it started something may not know that it has.
    const cut = said.split("\n").filter((line) =>
      line.includes("it will be tried again: ") && !line.includes("no Docker Engine answers")
    ).length;
    assert(runs >= 3 * BOOKS && runs <= 3 * BOOKS + cut, `${runs} runs, of which ${cut} were cut: ${said}`);
    assert.equal((await Array.fromAsync(lines)).length, BOOKS);
  });
}

/** Runs a pipeline, and lets something happen as long as it runs. */
async function beset(pipeline: Pipeline, meanwhile: (over: AbortSignal) => Promise<void>): Promise<Told> {
  const over = new AbortController();
  const run = runAll(pipeline).finally(() => over.abort());
  const [told] = await Promise.all([run, meanwhile(over.signal)]);
  return told;
}

/** Everybody has succeeded with the first attempt. Returns what was told of trouble. */
async function check(
  { events, summary }: Told,
  done: readonly MemoryMetadataRepository[],
): Promise<string> {
  const told = events.flatMap((event) =>
    event.type === "trouble" ? [event.message] : event.type === "retrying" ? [JSON.stringify(event)] : []
  ).join("\n");
  assert.deepEqual([summary.failed, summary.stuck], [0, 0], told);
  const retried = events.flatMap((event) => event.type === "retrying" ? [event.attempt] : []);
  assert.deepEqual(retried, [], told);
  const troubles = events.flatMap((event) => event.type === "trouble" ? [event.message] : []);
  for (const text of troubles) assert.match(text, /not counted as an attempt/, told);
  for (const repository of done) {
    for await (const key of repository) {
      assert.equal((await repository.get(key) as Pick<Attempt, "attempt">).attempt, 1, told);
    }
  }
  return told;
}
