/**
 * Reading outcomes: anybody may have written in the documents, so what they hold is looked at before it is used.
 *
 * @module
 */
import { RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { MetadataRepository } from "../repositories/metadata.ts";
import type { Outcome } from "./outcome.ts";
import type { AttemptsRecord } from "./outcomes.ts";
import type { Task } from "./task.ts";

/** What a field should be, and whether a value is that. */
type Form = readonly [what: string, fits: (value: unknown) => boolean];

const TEXT: Form = ["a text", (value) => typeof value === "string"];
const NUMBER: Form = ["a number", Number.isFinite];
const BOOLEAN: Form = ["true or false", (value) => typeof value === "boolean"];
const TIME: Form = ["a time in ISO 8601", (value) => typeof value === "string" && isTime(value)];
const COUNT: Form = ["1 or more", (value) => Number.isInteger(value) && (value as number) > 0];
const MAPPING: Form = ["a mapping", isMapping];

const OUTCOME: Readonly<Record<string, Form>> = {
  success: BOOLEAN,
  reason: TEXT,
  start: TIME,
  end: TIME,
  seconds: NUMBER,
  attempt: COUNT,
  timeout: BOOLEAN,
  host: TEXT,
};

const OPTIONAL: Readonly<Record<string, Form>> = {
  where: TEXT,
  exitCode: NUMBER,
  signal: TEXT,
  error: [
    "a mapping with a name and a message",
    (value) => wrongFields(value, { name: TEXT, message: TEXT }) === "",
  ],
  resources: MAPPING,
  earlier: ["a list of outcomes", isOutcomes],
};

/** What a document is looked through for. */
type Look = (document: unknown) => string;

/**
 * How a job ended.
 *
 * @param task The job's task.
 * @param job Which.
 * @returns Its outcome, or nothing when it is not over.
 * @throws {RepositoryError} When it cannot be read, or the document is no outcome (`invalid-value`): which document, and what to do.
 */
export async function readOutcome({ name, outcomes }: Task, job: Key): Promise<Outcome | undefined> {
  return await read(outcomes.success, job, whatIsWrong, `datatask rm ${name}.success ${job}`) ??
    await read(outcomes.failed, job, whatIsWrong, `datatask retry ${name} ${job}`);
}

/**
 * What is kept of a job that waits for its next attempt.
 *
 * @param task The job's task.
 * @param job Which.
 * @returns The record, or nothing when it does not wait.
 * @throws {RepositoryError} When it cannot be read, or the document is no such record (`invalid-value`).
 */
export function readAttempts({ outcomes }: Task, job: Key): Promise<AttemptsRecord | undefined> {
  return read(outcomes.attempts, job, (document) =>
    wrongFields(document, {
      outcomes: ["a list of outcomes, one or more", (value) => isOutcomes(value) && value.length > 0],
      retryAt: TIME,
    }), undefined);
}

async function read<T>(
  repository: MetadataRepository<T>,
  job: Key,
  look: Look,
  again: string | undefined,
): Promise<T | undefined> {
  const hint = again === undefined ? "" : ` (${again} deletes it, and the job runs again)`;
  const context = { operation: "read", subject: repository.name, key: job } as const;
  let document: T | undefined;
  try {
    document = await repository.find(job);
  } catch (error) {
    if (!(error instanceof RepositoryError) || error.code !== "invalid-value") throw error;
    throw new RepositoryError(error.code, error.message + hint, { ...context, cause: error.cause });
  }
  const wrong = document === undefined ? "" : look(document);
  if (wrong === "") return document;
  throw new RepositoryError(
    "invalid-value",
    `Cannot read "${job}" of ${repository.name}: it is no ${
      look === whatIsWrong ? "outcome" : "record of attempts"
    }: ${wrong}; correct or delete it${hint}`,
    context,
  );
}

/** What is wrong with what should be an outcome; empty when nothing is. */
function whatIsWrong(document: unknown): string {
  return wrongFields(document, OUTCOME, OPTIONAL);
}

function wrongFields(
  document: unknown,
  required: Readonly<Record<string, Form>>,
  optional: Readonly<Record<string, Form>> = {},
): string {
  if (!isMapping(document)) {
    return `it should be a mapping of ${Object.keys(required).join(", ")}, and is ${shown(document)}`;
  }
  const wrong: string[] = [];
  for (const [name, [what, fits]] of Object.entries({ ...required, ...optional })) {
    const value = document[name];
    if (value === undefined ? !(name in required) : fits(value)) continue;
    wrong.push(`${name} should be ${what}, and is ${value === undefined ? "missing" : shown(value)}`);
  }
  return wrong.join("; ");
}

/** A value in a few words. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isMapping(value)) return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTime(text: string): boolean {
  return Number.isFinite(Date.parse(text));
}

function isOutcomes(value: unknown): value is readonly Outcome[] {
  return Array.isArray(value) && value.every((one) => whatIsWrong(one) === "");
}
