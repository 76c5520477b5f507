/** `inject`: puts a value into a repository. @module */
import { type Bytes, readAll } from "../../core/bytes.ts";
import { isDatataskError, RepositoryError, UsageError } from "../../core/errors.ts";
import type { BlobRepository } from "../../repositories/blob.ts";
import type { FilesystemRepository } from "../../repositories/filesystem.ts";
import type { MetadataRepository } from "../../repositories/metadata.ts";
import type { WriteOptions } from "../../repositories/driver.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Repository } from "../../repositories/repository.ts";
import { keyOf, repositoryOf } from "../names.ts";
import { near } from "../near.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { INJECT } from "../specs/data.ts";

/** Puts a value there. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof INJECT.flags>,
  [name, key, file]: readonly string[],
): Promise<number> {
  const pipeline = await context.load();
  const repository = repositoryOf(pipeline, name!, context);
  keyOf(key!, "key");
  if (repository.kind === "keys") {
    throw new UsageError(`Cannot put a value into ${name}: it holds keys without values`);
  }
  refuseDone(pipeline, name!);
  if ((file === undefined || file === "-") && context.io.terminal.in) {
    context.io.err("Reading from the terminal; end with Ctrl-D\n");
  }
  await context.open();
  if (!flags.force && await repository.has(key!)) throw taken(name!, key!, repository);
  const options: WriteOptions = !flags.force && repository.driver.supports.conditional
    ? { ifAbsent: true }
    : {};
  try {
    await put(context, repository, key!, file === "-" ? undefined : file, options);
  } catch (error) {
    if (isDatataskError(error, "already-exists") && !flags.force) throw taken(name!, key!, repository);
    throw error;
  }
  context.io.err(`Put "${key}" into ${name} (${near(repository.name)})\n`);
  return 0;
}

/** What people mean who put something into `TASK.done` is that the job has succeeded. */
function refuseDone(pipeline: Pipeline, name: string): void {
  const task = /^(.+)\.done$/.exec(name)?.[1];
  if (task === undefined || pipeline.tasks.get(task)?.outcomes.done !== pipeline.repositories().get(name)) {
    return;
  }
  throw new UsageError(
    `Cannot put a value into ${name}: it is ${task}.success and ${task}.failed together; put it into ${task}.success, for a job that shall count as done, or into ${task}.failed`,
  );
}

function taken(name: string, key: string, repository: Repository): RepositoryError {
  return new RepositoryError(
    "already-exists",
    `Cannot put "${key}" into ${name} (${repository.name}): there is a value already; add --force to replace it`,
  );
}

async function put(
  context: Context,
  repository: Repository,
  key: string,
  file: string | undefined,
  options: WriteOptions,
): Promise<void> {
  if (repository.kind === "filesystem") {
    return await putTree(context, repository as FilesystemRepository, key, file, options);
  }
  const stream = await open(context, file);
  if (repository.kind === "blob") return await (repository as BlobRepository).put(key, stream, options);
  const document = await parseDocument(await readAll(stream), file ?? "the standard input");
  await (repository as MetadataRepository).set(key, document, options);
}

async function open(context: Context, file: string | undefined): Promise<ReadableStream<Bytes>> {
  if (file === undefined) return context.io.input();
  try {
    if ((await Deno.stat(file)).isDirectory) {
      throw new UsageError(`Cannot read ${file}: it is a folder, and only trees are put from folders`);
    }
    return (await Deno.open(file)).readable;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UsageError(`Cannot read ${file}: there is no such file; check the path`, { cause: error });
  }
}

/** A document written in YAML or JSON, which is YAML too. */
async function parseDocument(bytes: Bytes, name: string): Promise<unknown> {
  const { yaml } = await import("../../repositories/yaml.ts");
  try {
    return await yaml.decode(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new UsageError(`Cannot read a document from ${name}: ${reason}; write YAML or JSON`);
  }
}

async function putTree(
  context: Context,
  repository: FilesystemRepository,
  key: string,
  file: string | undefined,
  options: WriteOptions,
): Promise<void> {
  const { folderEntries, tarEntries } = await import("../tree_source.ts");
  const isFolder = file !== undefined && await Deno.stat(file).then((info) => info.isDirectory, () => false);
  if (isFolder) return await repository.put(key, folderEntries(file), options);
  const entries = await tarEntries(await open(context, file), file ?? "the standard input");
  await repository.put(key, entries, options);
}
