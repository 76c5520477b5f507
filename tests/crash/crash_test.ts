/**
 * Kills the real coordinator at random instants, then checks what was left.
 *
 * `DATATASK_KILLS` says how many kills; 25 when it is not set.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../../core/random.ts";
import { check, JOBS, makeFolder, run } from "./folder.ts";
import { parse, processesOf } from "./left.ts";

const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 25);

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test({
  name:
    `a coordinator that is killed ${KILLS} times at random instants loses nothing, and nothing is run or published twice`,
  ...linux,
  async fn() {
    const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));
    for (let kills = 0; kills < KILLS;) {
      const folder = await makeFolder();
      const events: string[] = [];
      try {
        for (;;) {
          const coordinator = run(folder);
          // From before its first line to after its last one.
          const killed = kills < KILLS && await coordinator.killAfter(random() * 900);
          const { code, lines, errors } = await coordinator.ended;
          events.push(...lines);
          if (!killed) {
            assert.equal(
              code,
              0,
              errors + lines.filter((line) => /"success":false|"trouble"/.test(line)).join("\n"),
            );
            break;
          }
          kills++;
        }
        await check(folder, events);
        const again = await run(folder).ended;
        assert.equal(again.code, 0);
        assert.equal(
          again.lines.filter((line) => parse(line)?.type === "started").length,
          0,
          "nothing is left to do",
        );
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  },
});

Deno.test({
  name:
    "Ctrl-C once waits for what runs and twice stops it; neither marks good work as failed, and the next run completes it",
  ...linux,
  async fn() {
    const folder = await makeFolder();
    try {
      const events: string[] = [];
      for (const presses of [1, 2]) {
        const coordinator = run(folder);
        await coordinator.line((line) =>
          parse(line)?.type === "started" && parse(line).attempt.task !== "shout"
        );
        for (let i = 0; i < presses; i++) {
          coordinator.signal("SIGINT");
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
        const { lines } = await coordinator.ended;
        events.push(...lines);
        const failed = lines.map(parse).filter((event) =>
          event?.type === "finished" && !event.outcome.success
        );
        assert.deepEqual(failed, []);
      }
      const { code, lines, errors } = await run(folder).ended;
      assert.equal(code, 0, errors);
      const jobs = Array.from({ length: JOBS }, (_, i) => `${folder}/report/job-${i}.txt`);
      for (const path of jobs) await Deno.stat(path);
      events.push(...lines);
      assert.deepEqual(await processesOf(folder), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
