/**
 * Where the outcomes of a task are kept: successes, failures and attempts are key sets of their own, so that listing answers
 * whether a job has succeeded, and no document is read for it.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { or } from "../repositories/combine/or.ts";
import type { PrepareOptions } from "../repositories/driver.ts";
import { MetadataRepository } from "../repositories/metadata.ts";
import type { Outcome } from "./outcome.ts";

/** Where outcomes go: one repository (failures go beside it), or one for each kind. */
export type OutcomesInit = MetadataRepository | {
  /** Outcomes of jobs that succeeded. */
  readonly success: MetadataRepository;
  /** Outcomes of jobs that failed for good. */
  readonly failed: MetadataRepository;
  /** Outcomes of jobs that will be tried again. */
  readonly attempts: MetadataRepository;
};

/** What is kept of a job between two attempts. */
export interface AttemptsRecord {
  /** The outcomes so far, oldest first. */
  readonly outcomes: readonly Outcome[];
  /** When the next attempt may begin, in ISO 8601. */
  readonly retryAt: string;
}

/** The outcomes of one task. */
export class Outcomes {
  /** Outcomes of jobs that succeeded. */
  readonly success: MetadataRepository<Outcome>;
  /** Outcomes of jobs that failed for good. */
  readonly failed: MetadataRepository<Outcome>;
  /** Jobs that will be tried again. */
  readonly attempts: MetadataRepository<AttemptsRecord>;
  /** Success or failure: the jobs that are over. */
  readonly done: MetadataRepository<Outcome>;

  /**
   * Finds the places of successes, failures and attempts.
   *
   * @param init Where they go.
   * @throws {DefinitionError} When the repository has no place beside it for failures.
   */
  constructor(init: OutcomesInit) {
    if ("success" in init) {
      this.success = init.success as MetadataRepository<Outcome>;
      this.failed = init.failed as MetadataRepository<Outcome>;
      this.attempts = init.attempts as MetadataRepository<AttemptsRecord>;
    } else {
      const { beside } = init.driver;
      if (!beside) {
        throw new DefinitionError(
          `Cannot keep outcomes in ${init.name}: it has no place beside it for failures; give { success, failed, attempts }, a repository each`,
        );
      }
      this.success = init as MetadataRepository<Outcome>;
      this.failed = new MetadataRepository(beside("failed")) as MetadataRepository<Outcome>;
      this.attempts = new MetadataRepository(beside("attempts")) as MetadataRepository<AttemptsRecord>;
    }
    const either = or(this.success, this.failed).driver;
    this.done = new MetadataRepository<Outcome>({ ...either, name: `outcomes in ${this.success.name}` });
  }

  /** Makes the stores. */
  async prepare(options?: PrepareOptions): Promise<void> {
    await Promise.all(
      [this.success, this.failed, this.attempts].map((repository) => repository.prepare(options)),
    );
  }

  /**
   * Records that a job is over. This is the commit: from here on the job is done.
   *
   * @param job Which.
   * @param outcome How it ended.
   */
  async commit(job: Key, outcome: Outcome): Promise<void> {
    // Success counts when both are there, so this order is safe at every instant.
    await (outcome.success ? this.success : this.failed).set(job, outcome);
  }

  /**
   * Forgets how a job ended, so that it can run again.
   *
   * @param job Which.
   */
  async forget(job: Key): Promise<void> {
    await this.attempts.delete(job);
    await this.failed.delete(job);
    await this.success.delete(job);
  }
}
