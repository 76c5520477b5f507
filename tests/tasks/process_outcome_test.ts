/** What the outcome of a script says of its end and of what it used, as it is kept when a pipeline has run it. */
import assert from "node:assert/strict";
import { sleep, systemClock } from "../../core/clock.ts";
import {
  input,
  localExecutor,
  type Outcome,
  Pipeline,
  processTask,
  YamlMetadataRepository,
} from "../../mod.ts";
import { inFolder } from "../kit/folder.ts";
import { until } from "../kit/waiting.ts";
import { blobs } from "../pipeline/kit.ts";

/** Runs a script for one job, and gives the outcome that lies in the file, and what `why` says. */
async function outcomeOf(
  folder: string,
  script: string,
  onStarted: () => Promise<void> = () => Promise.resolve(),
): Promise<{ readonly outcome: Outcome; readonly why: string }> {
  const done = YamlMetadataRepository.files(`${folder}/done`);
  const task = processTask("work", {
    done,
    executor: localExecutor(),
    links: { of: input(await blobs("of", "emma")) },
    script: () => script,
  });
  const pipeline = new Pipeline({ state: `${folder}/state`, tasks: [task] });
  const run = pipeline.run();
  for await (const event of run) if (event.type === "started") await onStarted();
  await run.finished;
  const { text } = await pipeline.why("work", "emma");
  return { outcome: await task.outcomes.done.get("emma"), why: text };
}

const linux = Deno.build.os === "linux";

for (const signal of ["SIGKILL", "SIGTERM", "SIGSEGV"] as const) {
  Deno.test({
    name: `The outcome of a script that ends itself by ${signal} names the signal, and why says it`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      inFolder(async (folder) => {
        const { outcome, why } = await outcomeOf(folder, `sh -c 'kill -${signal.slice(3)} $PPID'; sleep 60`);
        assert.deepEqual([outcome.success, outcome.reason, outcome.signal, outcome.exitCode], [
          false,
          "failed",
          signal,
          undefined,
        ]);
        assert.match(why, new RegExp(`^It was ended by ${signal} after `));
      }),
  });
}

Deno.test({
  name: "The outcome of a script says how much processor time it took and how much memory it held",
  ignore: !linux,
  fn: () =>
    inFolder(async (folder) => {
      const script =
        `: >'${folder}/up'; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; until [ -e '${folder}/go' ]; do sleep 0.05; done`;
      const { outcome } = await outcomeOf(folder, script, async () => {
        await until("the script runs", () => Deno.stat(`${folder}/up`).then(() => true, () => false));
        // Memory is looked at once a second by a timer of this process, so that it has been seen by then.
        for (let i = 0; i < 3; i++) await sleep(systemClock, 1000);
        await Deno.writeTextFile(`${folder}/go`, "");
      });
      assert.deepEqual([outcome.success, outcome.signal], [true, undefined]);
      const { cpuSeconds, peakMemoryBytes } = outcome.resources!;
      assert(cpuSeconds! > 0 && cpuSeconds! <= outcome.seconds, `${cpuSeconds} of ${outcome.seconds} s`);
      assert(peakMemoryBytes! > 100_000 && peakMemoryBytes! < 100_000_000, `${peakMemoryBytes}`);
    }),
});
