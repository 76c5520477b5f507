/** `copy`: copies the values of one repository into another. @module */
import { UsageError } from "../../core/errors.ts";
import type { Repository } from "../../repositories/repository.ts";
import { Copying } from "../backup/copying.ts";
import { Manifest } from "../backup/manifest.ts";
import { repositoryAt } from "../copy/place.ts";
import { type Copied, Transfer } from "../copy/transfer.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { COPY } from "../specs/data.ts";
import { report } from "./backup.ts";

/** Copies values. */
export async function run(
  context: Context,
  flags: FlagsOf<typeof COPY.flags>,
  [source, target]: readonly string[],
): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const pipeline = await context.open();
  const from = await repositoryAt(source!, pipeline, context, stack);
  const to = await repositoryAt(target!, pipeline, context, stack);
  checkKinds(from, source!, to, target!);
  await to.prepare();
  const known = await openJournal(pipeline.state, from, to, stack);
  const transfer = new Transfer(from, to, flags, known);
  using copying = new Copying(context.io, flags.quiet || flags.json);
  await copying.all(`${source} to ${target}`, from.pages(), (key, signal) => transfer.one(key, signal));
  copying[Symbol.dispose]();
  return report(context, flags.json, copying.tally, `in ${target}`, "copy");
}

function checkKinds(from: Repository, source: string, to: Repository, target: string): void {
  if (from.driver.identity === to.driver.identity) {
    throw new UsageError(`Cannot copy ${source} to ${target}: they are the same store; name another`);
  }
  if (from.kind === "keys" || from.kind !== to.kind) {
    throw new UsageError(
      `Cannot copy ${source} to ${target}: ${holds(source, from)}, and ${
        holds(target, to)
      }; name two repositories of one kind of value`,
    );
  }
}

const KINDS: Readonly<Record<Repository["kind"], string>> = {
  keys: "keys without values",
  blob: "blobs",
  metadata: "documents",
  filesystem: "trees of files",
};

function holds(name: string, repository: Repository): string {
  return `${name} holds ${KINDS[repository.kind]}`;
}

/** What earlier calls with the same two stores have copied, in the state folder. */
async function openJournal(
  state: string | undefined,
  from: Repository,
  to: Repository,
  stack: AsyncDisposableStack,
): Promise<Manifest<Copied> | undefined> {
  if (state === undefined) return undefined;
  const text = new TextEncoder().encode(`${from.driver.identity}\0${to.driver.identity}`);
  const name = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex().slice(0, 32);
  await Deno.mkdir(`${state}/copies`, { recursive: true });
  return stack.use(await Manifest.open<Copied>(`${state}/copies/${name}.jsonl`));
}
