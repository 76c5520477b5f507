/**
 * A chain of two tasks over YAML documents and files, against a bare loop that writes the same files by temp and rename; and a run with
 * nothing to do, against ninja on as many targets where ninja is there.
 *
 * `deno run -A bench/chain.ts [JOBS] [NOOP_JOBS]`
 */
import { figure, median, say, timed } from "./figure.ts";
import { CORE_SCHEMA, dump, load } from "../deps/js_yaml.ts";
import { FileRepository, functionTask, input, output, Pipeline, YamlMetadataRepository } from "../mod.ts";

const jobs = Number(Deno.args[0] ?? 2000);
const finished = Number(Deno.args[1] ?? 100_000);
const root = await Deno.makeTempDir({ prefix: "datatask-bench-" });
const ROUNDS = 8;

function pipelineIn(
  folder: string,
): { readonly pipeline: Pipeline; readonly source: YamlMetadataRepository<{ n: number }> } {
  const source = YamlMetadataRepository.files<{ n: number }>(`${folder}/source`);
  const middle = YamlMetadataRepository.files<{ n: number }>(`${folder}/middle`);
  const end = new FileRepository(`${folder}/end`, { extension: ".txt" });
  const first = functionTask("first", {
    done: YamlMetadataRepository.files(`${folder}/done-first`),
    links: { source: input(source), middle: output(middle) },
  }, async ({ source, middle }) => {
    await middle.write({ n: (await source.get()).n + 1 });
  });
  const second = functionTask("second", {
    done: YamlMetadataRepository.files(`${folder}/done-second`),
    links: { middle: input(middle), end: output(end) },
  }, async ({ middle, end }) => {
    await end.write(`${(await middle.get()).n}\n`);
  });
  return { pipeline: new Pipeline({ tasks: [first, second], state: `${folder}/state` }), source };
}

/** An outcome as tasks leave it. */
const outcome = (): unknown => ({
  success: true,
  reason: "succeeded",
  start: new Date().toISOString(),
  end: new Date().toISOString(),
  seconds: 0.001,
  attempt: 1,
  timeout: false,
  host: Deno.hostname(),
});

/**
 * Does by hand what the tasks do: reads documents, writes what they leave, outcomes included, by temp and rename, one after the other.
 *
 * @param from The folder with the documents.
 * @param to Where it goes.
 * @param parse Reads a document.
 * @param text Writes one.
 */
function bare(
  from: string,
  to: string,
  parse: (text: string) => { n: number },
  text: (value: unknown) => string,
): void {
  for (const name of ["middle", "end", "done-first", "done-second"]) {
    Deno.mkdirSync(`${to}/${name}`, { recursive: true });
  }
  const put = (path: string, content: string): void => {
    Deno.writeTextFileSync(`${path}.tmp`, content, { createNew: true });
    Deno.renameSync(`${path}.tmp`, path);
  };
  const get = (path: string): number => parse(Deno.readTextFileSync(path)).n;
  for (let i = 0; i < jobs; i++) {
    put(`${to}/middle/job-${i}.yaml`, text({ n: get(`${from}/source/job-${i}.yaml`) + 1 }));
    put(`${to}/done-first/job-${i}.yaml`, text(outcome()));
    put(`${to}/end/job-${i}.txt`, `${get(`${to}/middle/job-${i}.yaml`)}\n`);
    put(`${to}/done-second/job-${i}.yaml`, text(outcome()));
  }
}

/** Documents by the library. */
const byHand = (from: string, to: string): void =>
  bare(from, to, (text) => load(text, { schema: CORE_SCHEMA }) as { n: number }, (value) => dump(value));

/** The floor beneath that: documents are neither read nor made, only moved. */
const moved = (from: string, to: string): void => {
  const made = dump(outcome());
  bare(from, to, (text) => ({ n: text.length }), () => made);
};

// Disks and machines are quick and slow by turns: both are measured in each of many short rounds, each first in half of them.
const ratios: number[] = [];
const floors: number[] = [];
for (let round = -1; round < ROUNDS; round++) {
  const folder = `${root}/chain-${round}`;
  const { pipeline, source } = pipelineIn(folder);
  await source.prepare();
  for (let i = 0; i < jobs; i++) await source.set(`job-${i}`, { n: i });
  const ours = async (): Promise<number> => {
    const [ms] = await timed(async () => {
      const { succeeded } = await pipeline.run().finished;
      if (succeeded !== 2 * jobs) throw new Error(`${succeeded} of ${2 * jobs} jobs succeeded`);
    });
    return ms;
  };
  const theirs = async (): Promise<number> => (await timed(() => byHand(folder, `${root}/bare-${round}`)))[0];
  const first = round % 2 === 0 ? await ours() : await theirs();
  const [mine, other] = round % 2 === 0 ? [first, await theirs()] : [await ours(), first];
  const [floor] = await timed(() => moved(folder, `${root}/moved-${round}`));
  if (round < 0) continue; // The first round warms all up.
  ratios.push(other / mine);
  floors.push(floor / mine);
  say(
    `chain of 2 x ${jobs}`,
    `${mine.toFixed(0)} ms (${(2e3 * jobs / mine).toFixed(0)} jobs/s), bare loop ${
      other.toFixed(0)
    } ms, without YAML ${floor.toFixed(0)} ms`,
  );
}
figure("a chain of two tasks over YAML and files, of the speed of a bare loop", median(ratios), "x", {
  atLeast: 0.7,
});
say("a chain of two tasks, of the speed of a loop that makes no documents", `${median(floors).toFixed(2)} x`);

const folder = `${root}/noop`;
const { pipeline } = pipelineIn(folder);
for (const name of ["source", "middle", "end", "done-first", "done-second"]) {
  Deno.mkdirSync(`${folder}/${name}`, { recursive: true });
  const extension = name === "end" ? "txt" : "yaml";
  for (let i = 0; i < finished; i++) {
    Deno.writeFileSync(`${folder}/${name}/job-${i}.${extension}`, new Uint8Array());
  }
}
ninjaFiles();
const times: number[] = [];
for (let round = -1; round < ROUNDS; round++) {
  const [ms] = await timed(async () => {
    const { started } = await pipeline.run().finished;
    if (started !== 0) throw new Error("There was something to do");
  });
  const other = await ninja();
  const beside = other === undefined ? "ninja is not there" : `ninja ${other.toFixed(0)} ms`;
  say(`nothing to do over ${finished} x 2 jobs`, `${ms.toFixed(0)} ms, ${beside}`);
  if (round >= 0 && other !== undefined) times.push(ms / other); // The first run looks for what a crash has left, too.
}
if (times.length > 0) {
  figure("nothing to do over 100,000 x 2 jobs, of the time of ninja", median(times), "x", { atMost: 1 });
}
await Deno.remove(root, { recursive: true });

/** The same number of targets for ninja, all of them made. A generator needs no log of earlier builds: outputs are newer than inputs. */
function ninjaFiles(): void {
  const at = `${root}/ninja`;
  for (const name of ["a", "b", "c"]) Deno.mkdirSync(`${at}/${name}`, { recursive: true });
  let text = "rule copy\n  command = cp $in $out\n  generator = 1\n";
  for (let i = 0; i < finished; i++) {
    for (const name of ["a", "b", "c"]) Deno.writeFileSync(`${at}/${name}/${i}`, new Uint8Array());
    text += `build b/${i}: copy a/${i}\nbuild c/${i}: copy b/${i}\n`;
  }
  Deno.writeTextFileSync(`${at}/build.ninja`, text);
}

/** How long ninja takes to find out that there is nothing to do, in milliseconds, taken as our time is. */
async function ninja(): Promise<number | undefined> {
  const script = 'ninja -C "$1" >/dev/null || exit 1; times';
  const begun = performance.now();
  const { success, stdout } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", `${root}/ninja`],
    stderr: "null",
  }).output();
  const wall = performance.now() - begun;
  if (!success) return undefined;
  const children = new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  const cpu = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, sec]) => sum + Number(m) * 60 + Number(sec),
    0,
  );
  return Math.min(wall, cpu * 1000);
}
