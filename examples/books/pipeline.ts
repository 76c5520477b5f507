/**
 * Books: text statistics for every book in a folder, and a rank for every report.
 *
 *     deno run -A cli.ts run -p examples/books/pipeline.ts
 *
 * Put another text into `books/` and run it again: only that book is counted.
 *
 * @module
 */
import {
  FileRepository,
  functionTask,
  input,
  main,
  output,
  Pipeline,
  YamlMetadataRepository,
} from "../../mod.ts";

const here = `${import.meta.dirname ?? Deno.cwd()}/`;
const out = Deno.env.get("BOOKS_OUT") ?? `${here}out`;

/** What is counted in a book. */
interface Counts {
  readonly title: string;
  readonly paragraphs: number;
  readonly lines: number;
  readonly words: number;
  readonly characters: number;
}

const books = new FileRepository(`${here}books`, { extension: ".txt" });
const counts = YamlMetadataRepository.files<Counts>(`${out}/counts`);
const reports = new FileRepository(`${out}/reports`, { extension: ".txt" });

/** Counts a text in one pass, chunk by chunk. */
async function countText(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Counts> {
  let [title, paragraphs, lines, words, characters] = ["", 0, 0, 0, 0];
  let [rest, inParagraph] = ["", false];
  const line = (text: string): void => {
    lines++;
    const found = text.split(/\s+/).filter(Boolean).length;
    words += found;
    if (found > 0 && !inParagraph) paragraphs++;
    inParagraph = found > 0;
    title ||= text.trim();
  };
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    characters += [...chunk].length;
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    parts.forEach(line);
  }
  if (rest !== "") line(rest);
  return { title, paragraphs, lines, words, characters };
}

/** One job per book. */
const summary = functionTask(
  "summary",
  {
    done: YamlMetadataRepository.files(`${out}/results/summary`),
    description: "Counts paragraphs, lines, words and characters of a book",
    links: { book: input(books), counts: output(counts), report: output(reports) },
  },
  async ({ job, book, counts, report, log }) => {
    const found = await countText(await book.stream());
    log(`${found.words} words`);
    await counts.write(found);
    await report.write(
      `The book "${job}" (${found.title}) has ${found.paragraphs} paragraphs, ${found.lines} lines, ` +
        `${found.words} words, and ${found.characters} characters.\n`,
    );
  },
);

/** One job per report: it begins when that report is there, without being told that it comes second. */
const ranks = new FileRepository(`${out}/ranks`, { extension: ".txt" });
const rank = functionTask(
  "rank",
  {
    done: YamlMetadataRepository.files(`${out}/results/rank`),
    description: "Says how long a book is, from what was counted",
    links: { counts: input(counts, { as: "value" }), report: input(reports), rank: output(ranks) },
  },
  async ({ counts: { words }, report, rank }) => {
    const length = words > 100 ? "long" : words > 60 ? "of middle length" : "short";
    await rank.write(`${(await report.text()).trimEnd()} It is ${length}.\n`);
  },
);

const pipeline = new Pipeline({ name: "books", tasks: [summary, rank], state: `${out}/.datatask` });
export default pipeline;
if (import.meta.main) await main(pipeline);
