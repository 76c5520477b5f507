/**
 * Makes the n-th call of a whole coordinator to the operating system fail, every call from the n-th on, or kills it there; then the same
 * command is run once more, and what is there must be what an undisturbed run leaves.
 *
 * `DATATASK_CALLS=all` tries every n, `DATATASK_CALLS=1-99` those; a few are tried, by chance, when it is not set. `DATATASK_CALL_FAULTS`
 * says with which faults.
 */
import assert from "node:assert/strict";
import { formatAttempt } from "../../core/attempt.ts";
import { seededRandom } from "../../core/random.ts";
import { copyTree, parse, processesOf, treeOf } from "./left.ts";
import { type End, start } from "./process.ts";

/** The first and the last call that are tried, when all between them are. */
const [FIRST = 0, LAST = Infinity] =
  (Deno.env.get("DATATASK_CALLS") ?? "").replace("all", "1").match(/\d+/g)?.map(Number) ??
    [];
const ALL = FIRST > 0;
const SOME = 6;
/** So many at a time. */
const WIDTH = navigator.hardwareConcurrency;
const linux = Deno.build.os === "linux";

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "datatask-calls-" });
  try {
    await Deno.mkdir(`${folder}/work/source`, { recursive: true });
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Puts a book there, which makes a job of every task. */
const put = (folder: string, job: string, text: string): Promise<void> =>
  Deno.writeTextFile(`${folder}/work/source/${job}.txt`, text);

/** Runs the pipeline, undisturbed or not. */
function run(folder: string, disturbed?: { readonly at: number; readonly fault: string }): Promise<End> {
  return start(`${folder}/work`, ["run", "--json"], "calls_pipeline.ts", {
    preload: "nth_call.ts",
    env: {
      DATATASK_CALL: String(disturbed?.at ?? 0),
      DATATASK_CALL_FAULT: disturbed?.fault ?? "",
      DATATASK_CALL_LOG: `${folder}/struck`,
    },
  }).ended;
}

/** What differs from run to run: how often something began, and what was said of it. */
const NOISE = /^history$|^state\/pipeline\/logs\/\w+(\/_attempt-\d+)?(\/\w+\.log)?$/;

/** What is compared. */
function valuesOf(folder: string): Map<string, string> {
  const found = treeOf(`${folder}/work`);
  for (const [path, text] of found) {
    if (NOISE.test(path)) found.delete(path);
    else if (/^done-.*yaml$/.test(path)) found.set(path, /success: true/.exec(text)?.[0] ?? text);
  }
  return found;
}

const historyOf = (folder: string): string[] =>
  Deno.readTextFileSync(`${folder}/work/history`).split("\n").filter((line) => /^(count|check)/.test(line))
    .sort();

/** A folder in which one book was done, in order, and another one came after it. */
async function begun(folder: string): Promise<void> {
  await put(folder, "a", "one two");
  const { code, errors } = await run(folder);
  assert.equal(code, 0, errors);
  await put(folder, "b", "three four");
}

/** What an undisturbed run leaves, and how the scripts began in it. */
const undisturbed = (from: string) =>
  inFolder(async (folder) => {
    await copyTree(`${from}/work`, `${folder}/work`);
    const { code, errors } = await run(folder);
    assert.equal(code, 0, errors);
    return { from, values: valuesOf(folder), history: historyOf(folder) };
  });

/** Disturbs a call, runs again, and checks what is there. Returns what was struck; nothing when there was no such call. */
function disturb(
  at: number,
  fault: string,
  expected: Awaited<ReturnType<typeof undisturbed>>,
): Promise<string | undefined> {
  return inFolder(async (folder) => {
    await copyTree(`${expected.from}/work`, `${folder}/work`);
    const first = await run(folder, { at, fault });
    const struck = await Deno.readTextFile(`${folder}/struck`).catch(() => undefined);
    if (struck === undefined) return undefined;
    const second = await run(folder);
    try {
      assert.equal(second.code, 0, second.errors + second.lines.join("\n"));
      assert.deepEqual(valuesOf(folder), expected.values, "what is there is what should be");
      assert.deepEqual(historyOf(folder), expected.history, "each attempt of a script began once, in order");
      const finished = [...first.lines, ...second.lines].map(parse).filter((event) =>
        event?.type === "finished"
      );
      const names = finished.map((event) => formatAttempt(event.attempt));
      assert.equal(new Set(names).size, names.length, "no attempt is published twice");
      assert.deepEqual(finished.filter((event) => !event.outcome.success), [], "nothing has failed for good");
      assert.deepEqual(await processesOf(folder), [], "no process is left behind");
    } catch (error) {
      const seen = [first, second].flatMap(({ errors, lines }) => [
        errors,
        ...lines.filter((line) => /trouble|retrying|released|adopted/.test(line)),
      ]).join("\n");
      throw new Error(`${fault} at call ${at}, ${struck.trim()}: ${(error as Error).message}\n${seen}`);
    }
    return struck;
  });
}

for (
  const fault of (Deno.env.get("DATATASK_CALL_FAULTS") ?? "KILL EIO ENOSPC EMFILE")
    .split(" ")
) {
  const what = fault === "KILL"
    ? "killed at"
    : fault.endsWith("+")
    ? `met by ${fault.slice(0, -1)} from`
    : `met by ${fault} at`;
  Deno.test({
    name: `a coordinator that is ${what} ${
      ALL ? "every" : "any"
    } call to the operating system leaves nothing undone, and nothing behind`,
    ignore: !linux,
    fn: () =>
      inFolder(async (from) => {
        await begun(from);
        const expected = await undisturbed(from);
        const failures: unknown[] = [];
        const attempt = async (at: number): Promise<boolean> => {
          try {
            return await disturb(at, fault, expected) !== undefined;
          } catch (error) {
            failures.push(error);
            if (ALL) console.error((error as Error).message);
            return true;
          }
        };
        if (ALL) {
          let next = FIRST;
          let over = false;
          await Promise.all(Array.from({ length: WIDTH }, async () => {
            while (!over && next <= LAST) over = !await attempt(next++) || over;
          }));
          console.log(`${fault}: calls ${FIRST} to ${next - 1}${over ? ", which are all" : ""}`);
        } else {
          const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42) + fault.length);
          for (let n = 0; n < SOME; n++) await attempt(1 + Math.floor(random() * expected.values.size * 8));
        }
        assert.equal(failures.length, 0, failures.map(String).join("\n\n"));
      }),
  });
}
