/**
 * The pipeline each of whose calls to the operating system is made to fail: functions and scripts, with values of every kind, by path, by
 * copy, by standard stream, item by item. Every beginning of a script leaves a line in a history.
 *
 * `deno run -A calls_pipeline.ts FOLDER run ...`
 */
import {
  allocated,
  DirectoryRepository,
  FileRepository,
  functionTask,
  input,
  main,
  output,
  outputs,
  Pipeline,
  processTask,
  requires,
  type RetryOptions,
  sh,
  stream,
  systemClock,
  YamlMetadataRepository,
} from "../../mod.ts";

const folder = Deno.args[0]!;
const history = `${folder}/history`;
const files = (name: string): FileRepository =>
  new FileRepository(`${folder}/${name}`, { extension: ".txt" });
const documents = <T>(name: string): YamlMetadataRepository<T> =>
  YamlMetadataRepository.files<T>(`${folder}/${name}`);
const done = (name: string): YamlMetadataRepository => YamlMetadataRepository.files(`${folder}/done-${name}`);
/** A call that fails once must not need a person. */
const retry: RetryOptions = { attempts: 4, delay: 1 };
/** Waits for next to nothing. */
const clock = {
  ...systemClock,
  after: (ms: number, call: () => void) => systemClock.after(Math.min(ms, 5), call),
};

const [source, upper, said, copied, report] = ["source", "upper", "said", "copied", "report"].map(
  files,
) as FileRepository[];
const pages = files("pages");
const meta = documents<{ book: string; n: number }>("meta");
const facts = documents<{ words: number }>("facts");
const sums = documents<{ sum: number }>("sums");
const trees = new DirectoryRepository(`${folder}/trees`);

/** A function that publishes pages one by one, each with a document beside it, and another file. */
const split = functionTask("split", {
  done: done("split"),
  retry,
  links: {
    source: input(source!),
    upper: output(upper!),
    facts: output(facts),
    pages: outputs(pages, { cokeyed: { meta }, values: { meta: ({ job }) => ({ book: job }) } }),
  },
}, async ({ job, source, upper, facts, pages, log }) => {
  log(`splits ${job}`);
  const words = (await source.text()).split(" ");
  for (const [n, text] of words.entries()) await pages.write(`page ${n}`, text, { meta: { n } });
  await facts.write({ words: words.length });
  await upper.write(words.join(" ").toUpperCase());
});

/** A function that gathers pages while they come. */
const gather = functionTask("gather", {
  done: done("gather"),
  retry,
  links: {
    source: requires(source!),
    pages: stream(pages, { of: allocated(), cokeyed: { meta } }),
    copied: output(copied!),
  },
}, async ({ job, pages, copied }) => {
  const found: string[] = [];
  for await (const page of pages) {
    const { book, n } = await page.meta.get();
    if (book !== job || found[n] !== undefined) throw new Error(`page ${n} of ${book} came to ${job}`);
    found[n] = await page.text();
  }
  await copied.write(found.join(" "));
});

/** A script that reads a file and a document that is brought to it, and makes a document, a tree, and what it says. */
const count = processTask("count", {
  done: done("count"),
  retry,
  links: { upper: input(upper!), facts: input(facts), sums: output(sums), trees: output(trees) },
  stdout: said!,
  quota: { cpu: 0.1 },
  script: ({ job, attempt, upper, facts, sums, trees }) =>
    sh`
      test -e ${`${folder}/done-split/${job}.yaml`} || echo ${`count ${job} too-early`} >> ${history}
      echo ${`count ${job} attempt ${attempt}`} >> ${history}
      cp ${facts} ${trees}/facts
      mkdir ${trees}/sub && cp ${upper} ${trees}/sub/text
      echo '{"sum": 7}' > ${sums}
      cat ${upper}
      echo noise >&2`,
});

/** A script whose first attempt fails; it reads its standard input. */
const check = processTask("check", {
  done: done("check"),
  retry: { attempts: 6, delay: 1 },
  links: { trees: input(trees), copied: input(copied!), report: output(report!) },
  stdin: said!,
  quota: { cpu: 0.1 },
  script: ({ job, attempt, trees, copied, report }) =>
    sh`
      for task in count gather; do
        test -e ${folder}/done-$task/${job}.yaml || echo ${`check ${job} too-early`} >> ${history}
      done
      echo ${`check ${job} attempt ${attempt}`} >> ${history}
      test ${attempt} -gt 1 || exit 9
      { cat; echo; cat ${trees}/sub/text; echo; cat ${copied}; } > ${report}`,
});

const pipeline = new Pipeline({
  tasks: [check, count, gather, split],
  state: `${folder}/state`,
  clock,
  random: () => 0,
});
await main(pipeline, { args: Deno.args.slice(1) });
