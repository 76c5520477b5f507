/** `graph`: draws the pipeline. @module */
import { UsageError } from "../../core/errors.ts";
import type { PipelineGraph } from "../../pipeline/reports.ts";
import { pathError } from "../path_error.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { GRAPH } from "../specs/look.ts";

type Flags = FlagsOf<typeof GRAPH.flags>;
type Format = NonNullable<Flags["format"]>;

const ENDINGS: readonly (readonly [RegExp, Format])[] = [
  [/\.svg$/i, "svg"],
  [/\.(dot|gv)$/i, "dot"],
  [/\.json$/i, "json"],
  [/\.(mmd|mermaid|md|txt)$/i, "mermaid"],
];

/** The format that the ending of a file asks for. */
function formatOf(output: string | undefined): Format {
  const known = ENDINGS.find(([ending]) => ending.test(output ?? ""))?.[1];
  const ending = /\.\w+$/.exec(output ?? "")?.[0];
  if (known || ending === undefined) return known ?? "mermaid";
  throw new UsageError(
    `Cannot draw a graph as ${ending}; end the name of the file in .svg, .dot, .json or .mmd, or say what it is by --format`,
  );
}

/** Draws the pipeline. */
export async function run(context: Context, flags: Flags): Promise<number> {
  if (flags.json && flags.format !== undefined && flags.format !== "json") {
    throw new UsageError("graph takes --json or --format, and not both; leave one of them out");
  }
  const format = flags.json ? "json" : flags.format ?? formatOf(flags.output);
  const pipeline = flags.counts ? await context.look() : await context.load();
  const graph = await pipeline.graph({ counts: flags.counts });
  const text = await draw(graph, format, pipeline.name);
  if (flags.output === undefined || flags.output === "-") context.io.out(text);
  else {
    await Deno.writeTextFile(flags.output, text).catch((error) => {
      throw pathError(`write ${flags.output}`, error);
    });
    context.io.err(`Wrote ${flags.output}\n`);
  }
  return 0;
}

async function draw(graph: PipelineGraph, format: Format, name: string): Promise<string> {
  switch (format) {
    case "json":
      return JSON.stringify(graph, undefined, 2) + "\n";
    case "dot":
      return (await import("../graph/dot.ts")).toDot(graph, name);
    case "mermaid":
      return (await import("../graph/mermaid.ts")).toMermaid(graph);
    case "svg": {
      // Computed, so that the layout is neither fetched nor loaded for other formats.
      const address = new URL("../graph/svg.ts", import.meta.url).href;
      const { toSvg }: typeof import("../graph/svg.ts") = await import(address);
      return toSvg(graph, name);
    }
  }
}
