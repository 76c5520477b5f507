/**
 * Keys, errors, quotas, clocks, codecs: what every part knows.
 *
 * @module
 */
export { type Attempt, formatAttempt, StopError, type StopReason } from "./attempt.ts";
export type { Bytes, Content } from "./bytes.ts";
export { type Clock, sleep, systemClock } from "./clock.ts";
export { type Codec, json } from "./codec.ts";
export { type Duration, formatDuration, parseDuration } from "./duration.ts";
export {
  DatataskError,
  DefinitionError,
  describeError,
  type ErrorCode,
  type ErrorContext,
  ExecutorError,
  isDatataskError,
  NotFoundError,
  RepositoryError,
  SessionError,
  UsageError,
} from "./errors.ts";
export { type Files, systemFiles } from "./files.ts";
export { isKey, type Key, MAX_KEY_LENGTH } from "./key.ts";
export { parseQuantity, parseQuota, type Quota, type QuotaInit } from "./quota.ts";
export { type Random, seededRandom } from "./random.ts";
