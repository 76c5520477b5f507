/**
 * Standard streams whose other end a test holds, and a small pipeline to put behind them.
 *
 * @module
 */
import type { Command } from "../../cli/main.ts";
import type { Io } from "../../cli/io.ts";
import { start } from "../../cli/start.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import { MemoryFilesystemRepository } from "../../repositories/memory_tree.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { functionTask } from "../../tasks/function.ts";
import { input, output } from "../../tasks/link.ts";

/** What a test decides. */
export interface HeldOptions {
  /** What is read from the standard input. */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  /** Answers to questions; the input is a terminal when there are some. */
  readonly answers?: readonly string[];
  /** The pipeline; none makes the command line look for a module. */
  readonly pipeline?: Pipeline | undefined;
  /** Commands that the pipeline brings along. */
  readonly commands?: readonly Command[];
}

/** What a command line has done. */
export interface Done {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly bytes: Uint8Array;
}

/** Does what a command line says, and gives what it has written. */
export async function cli(words: readonly string[], options: HeldOptions = {}): Promise<Done> {
  const chunks: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const answers = [...options.answers ?? []];
  let err = "";
  const io: Io = {
    out: (text) => void chunks.push(encoder.encode(text)),
    err: (text) => void (err += text),
    bytes: (chunk) => void chunks.push(chunk.slice()),
    input: () => new Blob([options.stdin ?? ""]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
    ask: (question) => {
      err += question;
      return answers.shift();
    },
    terminal: { in: options.answers !== undefined, out: false, err: false },
    color: false,
    size: () => ({ columns: 80, rows: 24 }),
  };
  const code = await start(words, {
    io,
    program: "dt",
    pipeline: options.pipeline,
    commands: options.commands,
  });
  const bytes = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
  return { code, out: new TextDecoder().decode(bytes), err, bytes };
}

/** A pipeline in memory, with its repositories. */
export interface Toy {
  readonly pipeline: Pipeline;
  readonly books: MemoryBlobRepository;
  readonly words: MemoryBlobRepository;
  readonly settings: MemoryMetadataRepository;
  readonly trees: MemoryFilesystemRepository;
  readonly done: MemoryMetadataRepository;
}

/** Counts words of books, and reports on them. A book whose name begins with `bad` fails. */
export function toy(): Toy {
  const books = new MemoryBlobRepository("the books");
  const words = new MemoryBlobRepository("the words");
  const reports = new MemoryBlobRepository("the reports");
  const settings = new MemoryMetadataRepository("the settings");
  const trees = new MemoryFilesystemRepository("the trees");
  const done = new MemoryMetadataRepository("what is counted");
  const count = functionTask("count", {
    done,
    description: "Counts words",
    links: {
      books: input(books),
      settings: input(settings, { required: false }),
      trees: input(trees, { required: false }),
      words: output(words),
    },
  }, async ({ job, books, words, log }) => {
    log(`counting ${job}`);
    if (job.startsWith("bad")) throw new Error(`cannot count ${job}`);
    await words.write(String((await books.text()).split(/\s+/).length));
  });
  const report = functionTask("report", {
    done: new MemoryMetadataRepository("what is reported"),
    links: { words: input(words), reports: output(reports) },
  }, async ({ words, reports }) => {
    await reports.write(`${await words.text()} words\n`);
  });
  const pipeline = new Pipeline({ name: "toy", tasks: [count, report], state: null });
  return { pipeline, books, words, settings, trees, done };
}
