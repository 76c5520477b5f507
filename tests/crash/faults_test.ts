/**
 * Makes the n-th call to the file system fail, and every call from the n-th on, for every n; then runs again with a sound file system.
 */
import assert from "node:assert/strict";
import type { Clock } from "../../core/clock.ts";
import { systemClock } from "../../core/clock.ts";
import type { Files } from "../../core/files.ts";
import { FileRepository, functionTask, input, output, Pipeline, YamlMetadataRepository } from "../../mod.ts";
import { faultyFiles } from "../../testing/mod.ts";

const JOBS = ["a", "b", "c"];

/** Waits for nothing: what is to happen in a second happens now. */
const hasty: Clock = { ...systemClock, after: (_ms, callback) => systemClock.after(0, callback) };

function chain(folder: string, history: string[], files?: Files): Pipeline {
  const options = { extension: ".txt", ...(files && { files }) };
  const [source, middle, end] = ["source", "middle", "end"].map((name) =>
    new FileRepository(`${folder}/${name}`, options)
  );
  const done = (name: string): YamlMetadataRepository =>
    YamlMetadataRepository.files(`${folder}/done-${name}`, files ? { files } : {});
  const first = functionTask("first", {
    done: done("first"),
    links: { source: input(source!), middle: output(middle!) },
  }, async ({ job, source, middle }) => {
    history.push(`first ${job}`);
    await middle.write(`${await source.text()}!`);
  });
  const second = functionTask("second", {
    done: done("second"),
    links: { middle: input(middle!), end: output(end!) },
  }, async ({ job, middle, end }) => {
    history.push(`second ${job} ${exists(`${folder}/done-first/${job}.yaml`)}`);
    await end.write(`${await middle.text()}?`);
  });
  return new Pipeline({ tasks: [second, first], state: null, clock: hasty });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Every file that is there holds a whole value; nothing else is there but what is not finished. */
function checkWhole(folder: string): void {
  const expected: Record<string, (job: string) => string> = {
    source: (job) => job,
    middle: (job) => `${job}!`,
    end: (job) => `${job}!?`,
  };
  for (const [name, value] of Object.entries(expected)) {
    if (!exists(`${folder}/${name}`)) continue;
    for (const entry of Deno.readDirSync(`${folder}/${name}`)) {
      if (entry.name.startsWith(".")) continue;
      assert.equal(
        Deno.readTextFileSync(`${folder}/${name}/${entry.name}`),
        value(entry.name.replace(/\.txt$/, "")),
      );
    }
  }
}

async function makeFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "datatask-faults-" });
  await Deno.mkdir(`${folder}/source`);
  for (const job of JOBS) await Deno.writeTextFile(`${folder}/source/${job}.txt`, job);
  return folder;
}

for (const crash of [false, true]) {
  const what = crash ? "every call from the n-th on fails" : "the n-th call fails";
  Deno.test(`a pipeline converges on files when ${what}, for every n`, async () => {
    let calls = Infinity;
    for (let n = 1; n <= calls; n++) {
      const folder = await makeFolder();
      const history: string[] = [];
      try {
        const files = faultyFiles({ at: n, crash, kind: "EIO" });
        await chain(folder, history, files).run().finished.catch((error) =>
          assert.match(String(error), /Cannot .* of|Cannot (list|prepare)/, `call ${n}`)
        );
        if (!files.struck) calls = n;
        // What could not be removed is there until the next process sweeps: this one still lives.
        const refused = crash || /remove|rename|unlink/.test(files.log[n - 1] ?? "");
        checkWhole(folder);
        const { failed, ended } = await chain(folder, history).run().finished;
        // A body that met the fault itself has failed: that is its outcome, and a person says whether it is tried again.
        const pipeline = chain(folder, history);
        if (failed > 0 || ended !== "complete") {
          assert.fail(`call ${n} left ${failed} failures in the second run`);
        }
        for (const task of ["first", "second"]) await pipeline.retry(task, "failed");
        const last = await pipeline.run().finished;
        assert.equal(last.failed, 0, `call ${n}`);
        for (const job of JOBS) {
          assert.equal(await Deno.readTextFile(`${folder}/end/${job}.txt`), `${job}!?`);
          for (const task of ["first", "second"]) {
            assert(exists(`${folder}/done-${task}/${job}.yaml`), `call ${n}: ${task} ${job}`);
          }
        }
        assert.deepEqual(
          history.filter((line) => line.endsWith("false")),
          [],
          `call ${n}: nothing starts before what it needs has succeeded`,
        );
        for (const name of ["middle", "end", "done-first", "done-second"]) {
          const left = [...Deno.readDirSync(`${folder}/${name}`)].map((entry) => entry.name).filter((name) =>
            name.startsWith(".")
          );
          assert.deepEqual(
            refused ? [] : left,
            [],
            `call ${n} leaves nothing in ${name}`,
          );
        }
        await pipeline.close();
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
    assert(calls > 50, `only ${calls} calls were made`);
  });
}
