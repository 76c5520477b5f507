/**
 * Jobs that are ended before they end by themselves, by a person or because their time is over: a script that does not hear and the tree of
 * processes below it go, wherever they run, and until then everybody is told where that is.
 */
import assert from "node:assert/strict";
import {
  FileRepository,
  input,
  output,
  Pipeline,
  type PipelineEvent,
  sh,
  YamlMetadataRepository,
} from "../../mod.ts";
import { manualClock } from "../../testing/manual_clock.ts";
import { until } from "../kit/waiting.ts";
import type { Outcome } from "../../tasks/outcome.ts";
import { everywhere, type Where } from "./places.ts";

/** How many processes a script has below it. */
const BELOW = 3;

/** How many processes of this machine sleep for so many seconds. */
function asleep(seconds: number): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.readTextFileSync(`/proc/${name}/cmdline`) === `sleep\0${seconds}\0`) count++;
    } catch {
      // It has ended meanwhile.
    }
  }
  return count;
}

/** A pipeline with one job, whose script and all that it starts ignore the signal to end: twice over the same state, as two processes have it. */
async function deaf({ script, agent }: Where, state: string) {
  const texts = new FileRepository(`${state}/texts`);
  const copies = new FileRepository(`${state}/copies`);
  await texts.put("emma", "a text");
  const seconds = 1e8 + Math.floor(Math.random() * 1e8);
  const clock = manualClock();
  const make = (): Pipeline => {
    const task = script("deaf", {
      done: YamlMetadataRepository.files(`${state}/done`),
      links: { texts: input(texts), copies: output(copies) },
      grace: "300ms",
      timeout: "1h",
      retry: { attempts: 1 },
      script: ({ texts, copies }) =>
        sh`trap '' TERM; export NAP=${seconds}; cat ${texts} >${copies}; sleep "$NAP" &
sh -c 'trap "" TERM; sleep "$NAP" & wait' & sleep "$NAP"; wait`,
    });
    return new Pipeline({ tasks: [task], state: `${state}/state`, agent, clock });
  };
  return { here: make(), elsewhere: make(), copies, seconds, clock };
}

/** Runs it until the whole tree of its script is there, ends it, and returns how it ended, when nothing of it is left. */
async function ended(
  where: Where,
  stack: AsyncDisposableStack,
  state: string,
  end: (made: Awaited<ReturnType<typeof deaf>>) => Promise<void>,
): Promise<Outcome> {
  const made = await deaf(where, state);
  const { here, copies, seconds } = made;
  const run = here.run();
  stack.defer(() => run.finished.then(() => {}));
  stack.defer(() => run.stop("stop"));
  const events: PipelineEvent[] = [];
  const telling = (async () => {
    for await (const event of run) events.push(event);
  })();
  await until("all of the script sleeps", () => {
    assert(!events.some(({ type }) => type === "finished"), JSON.stringify(events));
    return asleep(seconds) === BELOW;
  });
  await end(made);
  const { failed, ended } = await run.finished;
  await telling;
  assert.deepEqual([failed, ended], [1, "complete"], JSON.stringify(events));
  await until("nothing of it is left", () => asleep(seconds) === 0);
  assert.deepEqual(await where.left(`${state}/state`), []);
  assert.deepEqual(await Array.fromAsync(copies), [], "nothing of it is published");
  return await here.task("deaf").outcomes.failed.get("emma") as unknown as Outcome;
}

everywhere(
  "a script that ignores the signal to end is told of by its place, cancelled from elsewhere, and leaves nothing",
  async (where, stack, state) => {
    const outcome = await ended(where, stack, state, async ({ here, elsewhere }) => {
      for (const pipeline of [here, elsewhere]) {
        const { tasks: [task] } = await pipeline.status();
        assert.equal(task!.counts.running, 1);
        const [shown] = task!.running;
        assert.match(shown!.where, where.shown);
        assert.equal((await pipeline.why("deaf", "emma")).text, `It is running (${shown!.where})`);
      }
      assert.equal(await elsewhere.cancel("deaf", "emma"), true);
    });
    assert.deepEqual([outcome.reason, outcome.timeout, outcome.success], ["cancelled", false, false]);
    assert.match(outcome.where!, where.shown);
  },
);

everywhere(
  "a script that ignores the signal to end and whose time is over has timed out, and leaves nothing",
  async (where, stack, state) => {
    const outcome = await ended(where, stack, state, ({ clock }) => {
      clock.advance("1h");
      return Promise.resolve();
    });
    assert.deepEqual([outcome.reason, outcome.timeout, outcome.success], ["timed-out", true, false]);
    assert.match(outcome.where!, where.shown);
  },
);
