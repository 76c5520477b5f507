/**
 * Data-centric pipelines for Deno: data under keys, work per key, crash-safe, anywhere.
 *
 * A **repository** is a set of keys, each with a value. A **task** is one phase of work, done once for every key it finds in all that it requires.
 * A **pipeline** is an unordered set of tasks; what comes before what follows from the repositories they share. There is no other state: delete
 * what a job has left, its outcome included, and it is made again.
 *
 * @example Counting the words of every book in a folder
 * ```ts
 * import { FileRepository, functionTask, input, output, Pipeline, YamlMetadataRepository } from "@datatask/datatask";
 *
 * const folder = await Deno.makeTempDir();
 * const books = new FileRepository(`${folder}/books`, { extension: ".txt" });
 * const reports = new FileRepository(`${folder}/reports`, { extension: ".txt" });
 * const done = YamlMetadataRepository.files(`${folder}/results`);
 *
 * const summary = functionTask("summary", { done, links: { books: input(books), reports: output(reports) } },
 *   async ({ job, books, reports }) => {
 *     const words = (await books.text()).split(/\s+/).length;
 *     await reports.write(`${job}: ${words} words\n`);
 *   });
 *
 * const pipeline = new Pipeline({ tasks: [summary], state: `${folder}/.datatask` });
 * await pipeline.run().finished;
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
export * from "./core/mod.ts";
export * from "./session/session.ts";
export type { OpenResource, Resource, ResourceOptions, UseResource } from "./session/resource.ts";
export * from "./repositories/mod.ts";
export * from "./executors/mod.ts";
export * from "./tasks/mod.ts";
export * from "./pipeline/mod.ts";
export {
  type ArgumentsOf,
  type Command,
  command,
  type CommandCall,
  type CommandOptions,
  main,
  type MainOptions,
} from "./cli/main.ts";
export type { ArgumentSpec, CommandSpec, Completes, FlagsOf, FlagSpec, FlagSpecs } from "./cli/spec.ts";
