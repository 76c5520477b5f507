/**
 * Stops and continues real coordinators at random instants, and starts and kills several at once; then checks what was left.
 *
 * `DATATASK_KILLS` says how many instants; few when it is not set.
 */
import assert from "node:assert/strict";
import { type Random, seededRandom } from "../../core/random.ts";
import { check, makeFolder, run } from "./folder.ts";
import { parse, treeOf } from "./left.ts";
import type { End, Started } from "./process.ts";

const INSTANTS = Number(Deno.env.get("DATATASK_KILLS") ?? 6);
/** Fewer of these: whoever takes a lease by force waits for half a minute for a run that the other was about to start. */
const BY_FORCE = Math.ceil(INSTANTS / 10);
const linux = { ignore: Deno.build.os !== "linux" };
const seeded = (): Random => seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const started = (line: string): boolean => parse(line)?.type === "started";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await makeFolder();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits until some coordinator has ended, but not longer than some time. Returns whether one has. */
async function anyEnds(all: Iterable<Started>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), ms)),
      ...[...all].map((one) => one.ended.then(() => true)),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** The same command, once more and undisturbed; then what must hold. */
async function finish(folder: string, ends: readonly End[]): Promise<void> {
  const last = await run(folder).ended;
  assert.equal(last.code, 0, last.errors + last.lines.join("\n"));
  await check(folder, [...ends, last].flatMap(({ lines }) => lines));
}

/** The values in a folder, and of which jobs it is said that they have succeeded. */
const valuesOf = (folder: string): Map<string, string> =>
  new Map(
    [...treeOf(folder)].filter(([path]) => !/^state\/|_attempts\/|^history$|\/\.(tmp|stage)-/.test(path)).map(
      (
        [path, text],
      ) => [
        path,
        path.endsWith(".yaml") ? /success: \w+/.exec(text)![0] : text,
      ],
    ),
  );

for (const many of [2, 5]) {
  Deno.test({
    name:
      `${many} coordinators at once, ${INSTANTS} times one of them killed at a random instant, take turns and lose nothing`,
    ...linux,
    async fn() {
      const random = seeded();
      for (let kills = 0; kills < INSTANTS;) {
        await inFolder(async (folder) => {
          const ends: End[] = [];
          const alive = new Set<Started>();
          const enter = (): void => void alive.add(run(folder, "--wait"));
          for (let n = 0; n < many; n++) {
            enter();
            await pause(random() * 60);
          }
          // Whoever holds the lease, or waits for it, or is only coming or going.
          while (kills < INSTANTS && !await anyEnds(alive, random() * 500)) {
            const one = [...alive][Math.floor(random() * alive.size)]!;
            one.signal("SIGKILL");
            alive.delete(one);
            ends.push(await one.ended);
            kills++;
            enter();
          }
          for (const one of alive) {
            const end = await one.ended;
            assert.equal(end.code, 0, end.errors);
            ends.push(end);
          }
          await finish(folder, ends);
        });
      }
    },
  });

  Deno.test({
    name:
      `${many} coordinators at once, ${INSTANTS} times one of them stopped for a while at a random instant, take turns`,
    ...linux,
    async fn() {
      const random = seeded();
      for (let stops = 0; stops < INSTANTS;) {
        await inFolder(async (folder) => {
          const all = Array.from({ length: many }, () => run(folder, "--wait"));
          while (stops < INSTANTS && !await anyEnds(all, random() * 300)) {
            const one = all[Math.floor(random() * many)]!;
            one.signal("SIGSTOP");
            await pause(random() * 300);
            one.signal("SIGCONT");
            stops++;
          }
          const ends = await Promise.all(all.map((one) => one.ended));
          for (const { code, errors } of ends) assert.equal(code, 0, errors);
          await finish(folder, ends);
        });
      }
    },
  });
}

Deno.test({
  name:
    `a coordinator that is stopped for a while, ${INSTANTS} times at random instants, goes on as if nothing had been`,
  ...linux,
  async fn() {
    const random = seeded();
    for (let stops = 0; stops < INSTANTS;) {
      await inFolder(async (folder) => {
        const one = run(folder);
        while (stops < INSTANTS && !await anyEnds([one], random() * 200)) {
          one.signal("SIGSTOP");
          await pause(random() * 200);
          one.signal("SIGCONT");
          stops++;
        }
        const end = await one.ended;
        assert.equal(end.code, 0, end.errors);
        await finish(folder, [end]);
      });
    }
  },
});

Deno.test({
  name:
    "a coordinator that is stopped keeps the lease for as long as it is there: others say who holds it, or wait",
  ...linux,
  fn: () =>
    inFolder(async (folder) => {
      const first = run(folder);
      await first.line(started);
      first.signal("SIGSTOP");
      const second = await run(folder).ended;
      assert.notEqual(second.code, 0);
      assert.match(second.errors, new RegExp(`already being run by process ${first.pid} on .*, since `));
      const third = run(folder, "--wait");
      await third.line((line) => parse(line)?.type === "lease-waiting");
      // Longer than anybody looks at anything.
      await pause(3500);
      first.signal("SIGCONT");
      const ends = await Promise.all([first.ended, third.ended]);
      for (const { code, errors } of ends) assert.equal(code, 0, errors);
      const begun = ends[1].lines.map(parse).filter((event) => event?.type === "started");
      assert.deepEqual(begun, [], "whoever waited had nothing left to do");
      await finish(folder, ends);
    }),
});

Deno.test({
  name:
    `a coordinator whose lease another one has taken while it was stopped, ${BY_FORCE} times at a random instant, notices and touches nothing`,
  ...linux,
  async fn() {
    const random = seeded();
    for (let n = 0; n < BY_FORCE; n++) {
      await inFolder(async (folder) => {
        const first = run(folder);
        await first.line(started);
        await pause(random() * 250);
        first.signal("SIGSTOP");
        // Somebody lends a hand where the system would not have given the lease away.
        await Deno.remove(`${folder}/state/pipeline/lease`);
        const second = await run(folder).ended;
        assert.equal(second.code, 0, second.errors + second.lines.join("\n"));
        const before = valuesOf(folder);
        first.signal("SIGCONT");
        const end = await first.ended;
        if (end.code === 0) {
          const begun = second.lines.filter((line) => ["started", "adopted"].includes(parse(line)?.type));
          assert.deepEqual(begun, [], "it had done all, and was only leaving");
        } else assert.match(end.lines.join("\n"), /The lease at .* is gone, so that somebody else can run/);
        assert.deepEqual(valuesOf(folder), before, "nothing was changed");
        // What it was just about to do when it was stopped may have been done twice; it was published once.
        const last = await run(folder).ended;
        assert.equal(last.code, 0, last.errors + last.lines.join("\n"));
        assert.deepEqual(last.lines.map(parse).filter((event) => event.type === "started"), []);
        await check(folder, undefined);
      });
    }
  },
});
