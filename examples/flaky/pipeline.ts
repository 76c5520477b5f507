/**
 * Flaky: what happens when things fail. Retries with backoff, a failure that blocks what follows, one that does not, and a key found in a
 * document.
 *
 *     deno run -A cli.ts run -p examples/flaky/pipeline.ts
 *     deno run -A cli.ts why credit lost-book -p examples/flaky/pipeline.ts
 *
 * @module
 */
import {
  field,
  FileRepository,
  functionTask,
  input,
  main,
  output,
  Pipeline,
  YamlMetadataRepository,
} from "../../mod.ts";

const here = `${import.meta.dirname ?? Deno.cwd()}/`;
const out = Deno.env.get("FLAKY_OUT") ?? `${here}out`;

/** What is known of a book. */
interface Meta {
  readonly title: string;
  /** A key of `authors`. */
  readonly author: string;
  /** How often the library has to be asked; 0: it never answers. */
  readonly asks: number;
}

const meta = YamlMetadataRepository.files<Meta>(`${here}meta`);
const authors = YamlMetadataRepository.files<{ name: string; born: number }>(`${here}authors`);
const pages = new FileRepository(`${out}/pages`, { extension: ".txt" });
const hints = new FileRepository(`${out}/hints`, { extension: ".txt" });
const credits = new FileRepository(`${out}/credits`, { extension: ".txt" });
const results = (task: string) => YamlMetadataRepository.files(`${out}/results/${task}`);

/** Asks a library that does not answer at once. Three attempts, further and further apart. */
const fetch = functionTask(
  "fetch",
  {
    done: results("fetch"),
    retry: { attempts: 3, delay: "500ms", factor: 2 },
    links: { meta: input(meta, { as: "value" }), pages: output(pages) },
  },
  async ({ meta, attempt, pages, log }) => {
    log(`asking for ${meta.title}, attempt ${attempt}`);
    if (attempt < meta.asks || meta.asks === 0) throw new Error("the library does not answer");
    await pages.write(`The first page of ${meta.title}.\n`);
  },
);

/** Nice to have: when it fails, what follows goes on without it. */
const proofread = functionTask(
  "proofread",
  {
    done: results("proofread"),
    failureOk: true,
    links: { pages: input(pages), hints: output(hints) },
  },
  async ({ pages, hints }) => {
    const text = await pages.text();
    if (text.includes("Whale")) throw new Error("no dictionary of whaling");
    await hints.write("no mistakes found\n");
  },
);

/** Needs the page, and the author: not under the job's key, but under the one that `meta.author` names. */
const credit = functionTask(
  "credit",
  {
    done: results("credit"),
    links: {
      meta: input(meta),
      pages: input(pages),
      hints: input(hints, { required: false }),
      author: input(authors, { key: field("meta.author"), as: "value" }),
      credits: output(credits),
    },
  },
  async ({ pages, hints, author, credits }) => {
    const checked = await hints.exists() ? "proofread" : "not proofread";
    await credits.write(
      `${(await pages.text()).trimEnd()} By ${author.name}, born ${author.born}; ${checked}.\n`,
    );
  },
);

const pipeline = new Pipeline({
  name: "flaky",
  tasks: [fetch, proofread, credit],
  state: `${out}/.datatask`,
});
export default pipeline;
if (import.meta.main) await main(pipeline);
