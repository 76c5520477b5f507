/**
 * A pipeline of streams that is killed: every job publishes pages one by one, and another job of its key gathers them while they come.
 *
 * `deno run -A streams_pipeline.ts FOLDER run ...`
 */
import {
  allocated,
  FileRepository,
  functionTask,
  input,
  main,
  output,
  outputs,
  Pipeline,
  requires,
  stream,
  YamlMetadataRepository,
} from "../../mod.ts";

const folder = Deno.args[0]!;
const files = (name: string): FileRepository =>
  new FileRepository(`${folder}/${name}`, { extension: ".txt" });
const done = (name: string): YamlMetadataRepository => YamlMetadataRepository.files(`${folder}/done-${name}`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const [source, pages, gathered] = [files("source"), files("pages"), files("gathered")];
const meta = YamlMetadataRepository.files<{ book: string; n: number }>(`${folder}/meta`);

const split = functionTask("split", {
  done: done("split"),
  links: {
    source: input(source),
    pages: outputs(pages, { cokeyed: { meta }, values: { meta: ({ job }) => ({ book: job }) } }),
  },
}, async ({ source, pages }) => {
  for (const [n, text] of (await source.text()).split(" ").entries()) {
    await pages.write(`page ${n}`, text, { meta: { n } });
    await pause(5);
  }
});

const gather = functionTask("gather", {
  done: done("gather"),
  links: {
    source: requires(source),
    pages: stream(pages, { of: allocated(), cokeyed: { meta } }),
    gathered: output(gathered),
  },
}, async ({ job, pages, gathered }) => {
  const found: string[] = [];
  for await (const page of pages) {
    const { book, n } = await page.meta.get();
    if (book !== job || found[n] !== undefined) throw new Error(`page ${n} of ${book} came to ${job}`);
    found[n] = await page.text();
  }
  await gathered.write(found.join(" "));
});

await main(new Pipeline({ tasks: [gather, split], state: `${folder}/state` }), { args: Deno.args.slice(1) });
