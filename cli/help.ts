/**
 * The pages of help.
 *
 * @module
 */
import { pad, type Style, widthOf, wrapWords } from "./ansi.ts";
import { type CommandSpec, COMMON_FLAGS, dashed, type FlagSpec } from "./spec.ts";
import { GROUPS } from "./table.ts";
import { usage } from "./usage.ts";

/** What a page is made for. */
export interface PageOptions {
  /** How the program was called: `deno run -A pipeline.ts`. */
  readonly program: string;
  /** Columns. */
  readonly width: number;
  /** Styles. */
  readonly style: Style;
  /** Whether the program is a pipeline of its own, so that no `-p` is needed. */
  readonly bound: boolean;
}

/** Two columns: what, and what it is. The second is wrapped beneath itself. */
function columns(rows: readonly (readonly [string, string])[], options: PageOptions): string[] {
  const left = Math.max(...rows.map(([term]) => widthOf(term)));
  const room = Math.max(24, Math.min(options.width, 100) - left - 4);
  return rows.flatMap(([term, text]) =>
    wrapWords(text, room).map((line, i) =>
      `  ${pad(i === 0 ? options.style.cyan(term) : "", left)}  ${line}`.trimEnd()
    )
  );
}

/**
 * The page about everything.
 *
 * @param options What it is made for.
 * @param own Commands that the pipeline brings along.
 * @returns Text that ends with a newline.
 */
export function mainPage(options: PageOptions, own: readonly CommandSpec[] = []): string {
  const { style, program } = options;
  const lines = [
    `${style.bold("datatask")}  runs pipelines over data: a job for each key, a task for each phase`,
    "",
    `${style.bold("Usage:")} ${program} <command>${options.bound ? "" : " [-p pipeline.ts]"} [arguments]`,
  ];
  const groups = own.length > 0 ? [...GROUPS, { title: "Of this pipeline", commands: own }] : GROUPS;
  for (const group of groups) {
    const rows = group.commands.filter((spec) => !spec.hidden)
      .map((spec) => [spec.name.padEnd(11), spec.brief] as const);
    lines.push("", style.bold(group.title), ...columns(rows, options));
  }
  const example = (text: string): string => `${program} ${text}`;
  lines.push(
    "",
    style.bold("Examples"),
    ...(["run", "why summary moby-dick", "ls 'fetch.pages - parse.tables'"].map((text) =>
      `  ${example(text)}`
    )),
    "",
    ...wrapWords(
      options.bound
        ? `More about a command: ${program} <command> --help`
        : "The pipeline is the module that -p names, or $DATATASK_PIPELINE, or the nearest pipeline.ts or pipeline.js from this folder upward.",
      Math.min(options.width, 100),
    ),
    ...(options.bound ? [] : [`More about a command: ${program} <command> --help`]),
    `The version: ${program} --version`,
  );
  return lines.join("\n") + "\n";
}

function flagTerm(name: string, flag: FlagSpec): string {
  const value = flag.kind === "boolean" ? "" : ` ${flag.values?.join("|") ?? flag.placeholder ?? "VALUE"}`;
  return `${flag.short ? `-${flag.short}, ` : "    "}${dashed(name)}${value}`;
}

/**
 * The page about one command.
 *
 * @param spec The command.
 * @param options What it is made for.
 * @returns Text that ends with a newline.
 */
export function commandPage(spec: CommandSpec, options: PageOptions): string {
  const { style, program } = options;
  const width = Math.min(options.width, 100);
  const own = Object.entries(spec.flags);
  const common = Object.entries(COMMON_FLAGS as Record<string, FlagSpec>)
    .filter(([name]) => !(options.bound && name === "pipeline"));
  const lines = [
    ...wrapWords(`${spec.brief}.`, width),
    "",
    `${style.bold("Usage:")} ${program} ${usage(spec)}${own.length > 0 ? " [flags]" : ""}`,
    ...(spec.about ?? []).flatMap((paragraph) => ["", ...wrapWords(paragraph, width)]),
    "",
    style.bold("Flags"),
    ...columns(
      [...own, ...common].map(([name, flag]) => [flagTerm(name, flag), flag.brief] as const),
      options,
    ),
  ];
  if (spec.examples.length > 0) {
    lines.push("", style.bold("Examples"));
    for (const [text, what] of spec.examples) {
      lines.push(`  ${style.dim(`# ${what}`)}`, `  ${program} ${text}`);
    }
  }
  return lines.join("\n") + "\n";
}
