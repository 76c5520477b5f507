/** Kills coordinators while items are published and streamed, and checks that nothing of them is lost, doubled or mixed up. */
import assert from "node:assert/strict";
import { seededRandom } from "../../core/random.ts";
import { start } from "./process.ts";

const JOBS = 6;
const KILLS = 8;
const TEXT = "one two three four five six seven";

Deno.test({
  name: `streams of a coordinator that is killed ${KILLS} times lose no item, and none comes twice`,
  ignore: Deno.build.os !== "linux",
  async fn() {
    const random = seededRandom(Number(Deno.env.get("DATATASK_SEED") ?? 42));
    for (let kills = 0; kills < KILLS;) {
      const folder = await Deno.makeTempDir({ prefix: "datatask-crash-" });
      try {
        await Deno.mkdir(`${folder}/source`);
        for (let i = 0; i < JOBS; i++) await Deno.writeTextFile(`${folder}/source/job-${i}.txt`, TEXT);
        for (;;) {
          const coordinator = start(folder, ["run", "--json"], "streams_pipeline.ts");
          await coordinator.line((line) => line.includes('"started"'));
          const killed = kills < KILLS && await coordinator.killAfter(random() * 60);
          const { code, lines, errors } = await coordinator.ended;
          if (!killed) {
            assert.equal(code, 0, errors + lines.join("\n"));
            break;
          }
          kills++;
        }
        for (let i = 0; i < JOBS; i++) {
          assert.equal(await Deno.readTextFile(`${folder}/gathered/job-${i}.txt`), TEXT);
        }
        for (const name of ["pages", "meta"]) {
          const count = [...Deno.readDirSync(`${folder}/${name}`)].length;
          assert.equal(
            count,
            JOBS * TEXT.split(" ").length,
            `${name} holds each item once, and nothing else`,
          );
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  },
});
