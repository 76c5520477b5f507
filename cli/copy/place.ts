/**
 * Repositories on the command line that need not belong to the pipeline: those that a module exports.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Repository } from "../../repositories/repository.ts";
import type { Session } from "../../session/session.ts";
import { findModule, importModule } from "../load.ts";
import { repositoryOf } from "../names.ts";
import type { Context } from "../spec.ts";

/**
 * A repository of the pipeline, or one that a module exports.
 *
 * @param name `task.link`, or `MODULE#NAME`.
 * @param pipeline The pipeline.
 * @param context For hints.
 * @param stack Closes the session that the module exports.
 * @returns The repository, its session open.
 * @throws {UsageError} When there is no such thing.
 */
export async function repositoryAt(
  name: string,
  pipeline: Pipeline,
  context: Context,
  stack: AsyncDisposableStack,
): Promise<Repository> {
  const at = name.lastIndexOf("#");
  if (at < 0) return repositoryOf(pipeline, name, context);
  const [path, exported] = [name.slice(0, at), name.slice(at + 1)];
  const module = await importModule(await findModule(path));
  const { isRepository } = await import("../../repositories/repository.ts");
  const value = module[exported];
  if (!isRepository(value)) {
    const others = Object.keys(module).filter((one) => isRepository(module[one]));
    throw new UsageError(
      `Cannot use ${name}: ${path} exports no repository "${exported}"${
        others.length > 0 ? `; it exports ${others.join(", ")}` : "; export one there"
      }`,
    );
  }
  const session = module.session as Session | undefined;
  if (typeof session?.open === "function") stack.use(await session.open());
  return value;
}
