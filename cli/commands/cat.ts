/** `cat`: the value of a key. @module */
import { isDatataskError, NotFoundError, UsageError } from "../../core/errors.ts";
import { readAll, toStream } from "../../core/bytes.ts";
import type { BlobRepository } from "../../repositories/blob.ts";
import type { BlobDriver } from "../../repositories/driver.ts";
import type { FilesystemRepository } from "../../repositories/filesystem.ts";
import type { MetadataRepository } from "../../repositories/metadata.ts";
import { printable } from "../ansi.ts";
import { keyOf, repositoryOf, similarKeys } from "../names.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { CAT } from "../specs/look.ts";

type Flags = FlagsOf<typeof CAT.flags>;

/** Prints a value. */
export async function run(
  context: Context,
  flags: Flags,
  [name, key, path]: readonly string[],
): Promise<number> {
  const pipeline = await context.load();
  const repository = repositoryOf(pipeline, name!, context);
  keyOf(key!, "key");
  refuse(repository.kind, name!, path, flags);
  await context.look();
  try {
    if (repository.kind === "blob") await copy(context, await (repository as BlobRepository).open(key!));
    else if (repository.kind === "metadata") {
      await printDocument(context, flags, repository as MetadataRepository, key!);
    } else await printTree(context, flags, repository as FilesystemRepository, key!, path);
  } catch (error) {
    if (!isDatataskError(error, "not-found") || await repository.has(key!)) throw error;
    const meant = await similarKeys(key!, [repository]);
    throw new NotFoundError(
      `Cannot read "${key}" of ${name} (${repository.name}): there is no such key${meant || ";"} ${
        meant ? "List" : "list"
      } its keys with "${context.program} ls${context.repeat} ${name}"`,
      { cause: undefined },
    );
  }
  return 0;
}

/** Says which flags and arguments do not go with this kind of value. */
function refuse(kind: string, name: string, path: string | undefined, flags: Flags): void {
  if (kind === "keys") throw new UsageError(`Cannot print a value of ${name}: it holds keys without values`);
  if (kind === "filesystem") {
    if (path !== undefined && (flags.tar || flags.json)) {
      throw new UsageError("cat takes a PATH or a flag, and not both; leave one of them out");
    }
    return;
  }
  if (path !== undefined) {
    throw new UsageError(`Cannot print ${path} of ${name}: it holds no trees; leave the path out`);
  }
  if (flags.tar) {
    throw new UsageError(`Cannot print a value of ${name} as tar: it holds no trees; leave --tar out`);
  }
  if (flags.json && kind === "blob") {
    throw new UsageError(`Cannot print a value of ${name} as JSON: it holds raw bytes; leave --json out`);
  }
}

async function copy(context: Context, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  for await (const chunk of stream) context.io.bytes(chunk);
}

async function printDocument(
  context: Context,
  flags: Flags,
  repository: MetadataRepository,
  key: string,
): Promise<void> {
  const document = await repository.get(key);
  if (flags.json) return context.io.out(JSON.stringify(document, undefined, 2) + "\n");
  const { yaml } = await import("../../repositories/yaml.ts");
  context.io.bytes(yaml.encode(document));
}

async function printTree(
  context: Context,
  flags: Flags,
  repository: FilesystemRepository,
  key: string,
  path: string | undefined,
): Promise<void> {
  if (path !== undefined) return await copy(context, await repository.open(key, path));
  const entries = await repository.entries(key);
  if (flags.tar) {
    const { packed } = await import("../../repositories/layers/packed.ts");
    return await packed()(printing(context)).write(key, entries);
  }
  const listed: unknown[] = [];
  for await (const entry of entries) {
    if (flags.json) {
      const { kind, path } = entry;
      listed.push({
        kind,
        path,
        ...(entry.kind === "symlink" ? { target: entry.target } : { mode: entry.mode.toString(8) }),
        ...(entry.kind === "file" ? { size: entry.size } : {}),
      });
      continue;
    }
    const size = entry.kind === "file" ? String(entry.size) : "-";
    const mark = { directory: "/", symlink: "", file: "" }[entry.kind];
    const target = entry.kind === "symlink" ? ` -> ${entry.target}` : "";
    context.io.out(`${size.padStart(12)}  ${printable(entry.path)}${mark}${printable(target)}\n`);
  }
  if (flags.json) context.io.out(JSON.stringify(listed, undefined, 2) + "\n");
}

/** A store that prints what is written into it. */
function printing(context: Context): BlobDriver {
  return {
    name: "standard output",
    identity: "standard output",
    supports: {
      writable: true,
      consistentListing: true,
      reach: "process",
      durable: false,
      conditional: false,
      ranges: false,
    },
    async *keys() {},
    has: () => Promise.resolve(false),
    delete: () => Promise.resolve(),
    read: () => Promise.resolve(undefined),
    write: async (_key, content) => {
      if (content instanceof Uint8Array) context.io.bytes(await readAll(content));
      else await copy(context, toStream(content));
    },
  };
}
