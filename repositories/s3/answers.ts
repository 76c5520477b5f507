/**
 * Whether an answer is one of S3: pages that greet whoever comes answer everything with success.
 *
 * @module
 */

/** An answer of the SDK, as far as it is looked at here. */
export interface Answer {
  /** The version of the object that it is about. */
  readonly ETag?: string | undefined;
  /** Its media type. */
  readonly ContentType?: string | undefined;
  /** What is around it. */
  readonly $metadata: {
    readonly httpStatusCode?: number | undefined;
    readonly requestId?: string | undefined;
  };
}

/**
 * The error for an answer that no store gives: a success without what comes with it.
 *
 * @param answer The answer.
 * @returns The error, for `explainS3()`.
 */
export function unlikeS3({ ContentType, $metadata }: Answer): Error {
  const headers = ContentType === undefined ? {} : { "content-type": ContentType };
  return Object.assign(new Error("the answer is not one of S3"), {
    name: "UnlikeS3",
    $metadata: { httpStatusCode: $metadata.httpStatusCode },
    $response: { headers },
  });
}

/**
 * The version of the object that an answer is about. Every store says it of what it gives and of what it has taken.
 *
 * @param answer The answer.
 * @returns The version.
 * @throws {Error} When there is none: then this is no answer of a store.
 */
export function versionOf(answer: Answer): string {
  if (answer.ETag === undefined) throw unlikeS3(answer);
  return answer.ETag;
}

/**
 * Sees that a store has kept what was written.
 *
 * @param answer The answer to the write.
 * @throws {Error} When it is no answer of a store, or when the store has kept another value, which it takes for newer: Swift, which goes by
 * the clocks of its servers, then answers with success, and leaves out the version.
 */
export function checkKept(answer: Answer): void {
  if (answer.ETag !== undefined) return;
  if (answer.$metadata.requestId === undefined) throw unlikeS3(answer);
  throw Object.assign(new Error("another value was kept"), {
    name: "Outrun",
    $metadata: answer.$metadata,
  });
}

/**
 * Sees that a store, and not a page, has answered where no version is told.
 *
 * @param answer The answer.
 * @param told Whether it says what only a store says.
 * @throws {Error} When it is no answer of a store.
 */
export function checkSpoken(answer: Answer, told: boolean): void {
  if (!told && answer.$metadata.requestId === undefined) throw unlikeS3(answer);
}
