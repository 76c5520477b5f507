/**
 * `doctor` on the documents that say how jobs ended.
 *
 * @module
 */
import { describeError, isDatataskError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Pipeline } from "../../pipeline/pipeline.ts";
import type { Repository } from "../../repositories/repository.ts";
import { readAttempts, readOutcome } from "../../tasks/outcome_document.ts";
import type { Task } from "../../tasks/task.ts";
import { near } from "../near.ts";
import { counted } from "../rows.ts";
import type { Check } from "./check.ts";

/** How many documents of each kind are read. */
const SAMPLE = 1000;
/** How many are read at once. */
const WIDTH = 16;
/** How many damaged ones are named. */
const NAMED = 3;

/** Reads the outcomes of each task. A store that cannot be listed is told of by the check of repositories. */
export async function checkOutcomes(pipeline: Pipeline): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const task of pipeline.tasks.values()) checks.push(await checkTask(task));
  return checks;
}

async function checkTask(task: Task): Promise<Check> {
  const name = `outcomes of ${task.name}`;
  const { success, failed, attempts } = task.outcomes;
  const bad: string[] = [];
  let count = 0;
  try {
    for (
      const [repository, read] of [[success, readOutcome], [failed, readOutcome], [
        attempts,
        readAttempts,
      ]] as const
    ) {
      const jobs = await sample(repository);
      count += jobs.length;
      const left = jobs.values();
      await Promise.all(Array.from({ length: WIDTH }, async () => {
        for (const job of left) {
          try {
            await read(task, job);
          } catch (error) {
            if (!isDatataskError(error, "invalid-value")) throw error;
            bad.push(describeError(error));
          }
        }
      }));
    }
  } catch (error) {
    return { name, state: "fail", text: describeError(error), advice: "see that their store can be reached" };
  }
  if (bad.length === 0) return { name, state: "ok", text: `${counted(count, "document")} read` };
  const more = bad.length > NAMED ? [`and ${counted(bad.length - NAMED, "more such document")}`] : [];
  return {
    name,
    state: "fail",
    text: near([...bad.slice(0, NAMED), ...more].join("\n      ")),
    advice:
      "meanwhile these jobs count as done, as failed or as never tried: whether there is a document decides",
  };
}

async function sample(repository: Repository): Promise<readonly Key[]> {
  const keys: Key[] = [];
  for await (const page of repository.pages({ onSkipped: () => {} })) {
    keys.push(...page.slice(0, SAMPLE - keys.length));
    if (keys.length === SAMPLE) break;
  }
  return keys;
}
